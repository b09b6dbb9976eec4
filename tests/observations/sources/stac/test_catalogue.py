"""What the catalogue is asked, what its answers become, and what a user is told."""

import pytest

from groundshift.errors import SettingsError, SourceError
from groundshift.observations.areas import cells_of
from groundshift.observations.sources.stac.source import StacSource
from tests.stac import city
from tests.stac.fixtures import RADAR, S2, settings_for


def source_of(api, *arguments, **changes):
    settings = settings_for(api, *arguments, **changes)
    return StacSource(settings.fetch.stac, cells_of(settings.area), settings.period)


@pytest.fixture(scope="module")
def optical():
    return tuple(city.sentinel2(days=3))


@pytest.mark.parametrize("methods", [("GET",), ("POST",), ("GET", "POST")])
def test_pages_are_read_to_the_end(api, optical, methods):
    api.products, api.page, api.methods = list(optical), 2, methods
    source = source_of(api)
    assert len(source.acquisitions) == 3
    assert len(api.searches) == 3


def test_conditions_are_asked_in_the_apis_language_and_held_against_what_comes(api):
    api.products, api.signed = city.sentinel1(days=1), True
    found = []
    base = ("core", "collections", "item-search")
    for conforms in ((*base, "item-search#query"), (*base, "item-search#filter"), base):
        api.conforms = conforms
        source = source_of(api, "planetary_computer", {"s1": RADAR["s1_des"]})
        found.append(source.acquisitions)
    assert found[0] == found[1] == found[2]
    assert [item.orbit for item in found[0]] == ["descending 110"]
    query, cql, nothing = api.searches
    assert query["query"] == {"sat:orbit_state": {"eq": "descending"}}
    assert cql["filter"]["args"][0]["args"] == [{"property": "sat:orbit_state"}, "descending"]
    assert not {"query", "filter"} & set(nothing)


def test_platform_orbit_and_cloud_choose(api, optical):
    api.products = list(optical)
    clouds = [product.properties["eo:cloud_cover"] for product in optical[::2]]
    clear = S2 | {"max_cloud": int(sorted(clouds)[1])}
    assert len(source_of(api, sensors={"s2": clear}).acquisitions) < 3
    one = S2 | {"platforms": ["sentinel-2b"]}
    assert {a.platform for a in source_of(api, sensors={"s2": one}).acquisitions} == {"S2B"}
    with pytest.raises(SourceError, match="loosen max_cloud, orbit and platforms"):
        source_of(api, sensors={"s2": S2 | {"relative_orbit": 8}})


def reprocessed(product, baseline="05.11", suffix="_1_L2A"):
    """The same granule by a later processor."""
    (again,) = [each for each in city.sentinel2(days=1) if each.properties == product.properties]
    again.id = product.id.replace("_0_L2A", suffix)
    uri = product.properties["s2:product_uri"].replace(
        "_N0500_", f"_N{baseline[:2]}{baseline[3:]}_"
    )
    again.properties = product.properties | {
        "s2:product_uri": uri,
        "s2:processing_baseline": baseline,
    }
    return again


def test_the_newest_processing_counts_and_the_older_one_is_named(api, optical):
    api.products = [*optical[:2], reprocessed(optical[0])]
    source = source_of(api)
    kept, older = sorted(source.acquisitions, key=lambda item: bool(item.problem))
    assert "_N0511_" in kept.product_id
    assert kept.baseline == "0511"
    assert kept.time == older.time
    assert older.source == f"sentinel-2-l2a/{optical[0].id}, offset 0"
    assert older.problem.startswith("a newer processing is S2B_MSIL2A_")
    assert source.cost(older, cells_of(settings_for(api).area)[0].grid) is None


def test_two_parts_of_a_tile_are_no_processings_of_each_other(api, optical):
    west, _, *_ = optical
    other = reprocessed(west, "05.00", "_1_L2A")
    left, bottom, right, top = west.ground.bounds
    middle = (bottom + top) / 2
    from shapely import box

    west.outline, other.outline = box(left, middle, right, top), box(left, bottom, right, middle)
    api.products = [west, other]
    try:
        (acquisition,) = source_of(api).acquisitions
    finally:
        west.outline = None
    assert not acquisition.problem
    assert len(acquisition.product_id.split()) == 2


def test_a_short_slice_that_lies_mostly_in_the_next_is_no_processing_of_it(api):
    api.products, api.signed = city.sentinel1(days=1, edge=64), True
    source = source_of(api, "planetary_computer", {"s1": RADAR["s1_des"]})
    (acquisition,) = source.acquisitions
    assert not acquisition.problem
    assert len(acquisition.product_id.split()) == 2


def test_an_item_without_an_asset_is_told_and_the_others_are_taken(api, optical):
    broken = reprocessed(optical[0], "05.00", "_0_L2A")
    del broken.files["blue"]
    api.products = [broken, *optical[1:]]
    source = source_of(api)
    problems = [item.problem for item in source.acquisitions if item.problem]
    assert problems == ["the item lacks B02 (blue)"]
    assert len(source.acquisitions) == 4
    api.products = [broken]
    with pytest.raises(SourceError, match=r"found none among 1: .* the item lacks B02 \(blue\)"):
        source_of(api)


def test_an_unknown_collection_is_told_with_those_that_there_are(api, optical):
    api.products = list(optical)
    sensors = {"s2": S2 | {"collection": "sentinel-2-c1-l2a"}}
    expected = "expected a collection sentinel-2-c1-l2a at .*, found sentinel-2-l2a. Correct"
    with pytest.raises(SourceError, match=expected):
        source_of(api, sensors=sensors)


def test_an_area_outside_of_the_collection_is_told(api, optical):
    api.products = list(optical)
    api.extents = {"sentinel-2-l2a": (60.0, -10.0, 70.0, 10.0)}
    with pytest.raises(SourceError, match=r"covers 60, -10, 70, 10 only\. Correct"):
        source_of(api, area={"bounds": (400000, 5500000, 400800, 5500800)})


def test_an_empty_period_is_told(api, optical):
    api.products = list(optical)
    with pytest.raises(SourceError, match="between 2019-03-01 and 2019-04-01, found none"):
        source_of(api, period={"start": "2019-03-01", "end": "2019-04-01"})


def test_what_is_no_api_is_told(api):
    api.conforms = ("core",)
    with pytest.raises(SourceError, match="expected a STAC API with item search"):
        source_of(api)
    with pytest.raises(SourceError, match=r"expected the catalogue's .*, found none"):
        source_of(api, fetch={"stac": {"url": f"{api.url}/v2"}})


@pytest.mark.parametrize(
    ("provider", "sensor", "message"),
    [
        ("earth_search", RADAR["s1_asc"], "expected images that Earth Search has .sentinel2 L2A"),
        ("earth_search", S2 | {"bands": ["B10"]}, "bands: expected some of B01, .*, found B10"),
        ("earth_search", S2 | {"mask": {"band": "QA"}}, "mask.band: expected some of SCL, found"),
    ],
)
def test_what_a_provider_does_not_have_is_told_before_it_is_asked(api, provider, sensor, message):
    with pytest.raises(SettingsError, match=message):
        source_of(api, provider, {"one": sensor})
    assert not api.searches


def test_any_other_api_is_asked_by_its_address_collection_and_assets(api, optical):
    api.products = list(optical)
    assets = {"B02": "blue", "B8A": "nir08", "classes": "scl"}
    sensor = {
        "mission": "sentinel2",
        "bands": ["B02", "B8A"],
        "level": "L2A",
        "collection": "sentinel-2-l2a",
        "assets": assets,
        "mask": {"band": "classes", "rule": "values", "valid": [4]},
    }
    source = source_of(api, "other", {"s2": sensor})
    assert len(source.acquisitions) == 3
    assert source.sensors["s2"].level == "L2A"
