from groundshift.observations.costs import Cost
from groundshift.observations.ways import QUOTAS, file_ways, ways, ways_in_words


def country():
    """Belgium for four years: 340 cells of 10 km, 600 radar and 300 optical images."""
    units = {"s1": 340 * 600 * 10.2, "s2": 340 * 300 * 36.2 / 4}
    return [Cost(n, "2020-01", 1, round(u / 10), u, round(u * 1.5e6)) for n, u in units.items()]


def test_a_country_by_single_requests_takes_years_of_free_quota_and_says_what_else_there_is():
    missions = {"s1": "sentinel1", "s2": "sentinel2"}
    found = ways("cdse", country(), {"s1": 3000, "s2": 9000}, missions)
    said = ways_in_words(found)
    assert found[0].months > 12 * 20
    assert "years of the free quota" in said[0]
    assert any("instead: whole products from CDSE's S3" in sentence for sentence in said)
    assert any("instead: STAC" in sentence for sentence in said)
    assert all(way.units == 0 for way in found if way.months < 1)


def test_time_and_quota_follow_from_the_tighter_limit():
    quota = QUOTAS["cdse"]
    assert quota.minutes(units=600, requests=300) == 2
    assert quota.minutes(units=1, requests=900) == 3
    assert quota.months(units=25_000, requests=10) == 2.5


def test_a_small_plan_needs_no_alternatives_in_words():
    cost = Cost("s2", "2020-01", 4, 4, 2.0, 4_000_000)
    said = ways_in_words(ways("cdse", [cost], {"s2": 4}, {"s2": "sentinel2"}))
    assert len(said) == 1
    assert said[0].startswith("Process API: 2 units, 0.0 GB, at least 1 minutes")
    assert ways_in_words([]) == ()


def test_files_of_a_provider_take_as_long_as_its_tightest_limit_allows():
    costs = [Cost("s2", "2020-01", 400, 40_000, 0.0, round(36e12))]
    named = {"s2": "sentinel2"}
    own, *_ = file_ways("cdse", "the Data Space", costs, [], {"s2": 400}, named)
    assert (own.minutes, own.months) == (36e12 / 80e6 / 60, 3)
    few_bytes = [Cost("s2", "2020-01", 400, 40_000, 0.0, 1)]
    by_requests, *_ = file_ways("cdse", "the Data Space", few_bytes, [], {"s2": 400}, named)
    assert by_requests.minutes == 20
    said = ways_in_words(file_ways("cdse", "the Data Space", costs, country(), {"s2": 400}, named))
    assert "3.0 months of the free quota" in said[0]
    assert [text.split(":")[1].strip() for text in said[1:]] == [
        "Process API",
        "asynchronous Process API",
        "Batch Processing",
        "whole products from CDSE's S3 (files)",
    ]


def test_what_the_data_space_lacks_has_no_other_way():
    cost = Cost("l8", "2020-01", 4, 40, 0.0, 4_000_000)
    landsat = {"l8": "landsat_oli"}
    assert len(file_ways("planetary_computer", "PC", [cost], [], {"l8": 4}, landsat)) == 1


def test_limits_of_a_contract_are_not_made_up():
    cost = Cost("s2", "2020-01", 4, 4, 2.0, 4_000_000)
    own = ways("sentinelhub", [cost], {"s2": 4}, {"s2": "sentinel2"})[0]
    assert (own.minutes, own.months) == (-1, -1)
    assert "depend on your contract" in ways_in_words([own])[0]
