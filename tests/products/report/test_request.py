"""What was asked, and what it took."""

from dataclasses import replace

from groundshift.artifacts import Manifest
from groundshift.artifacts.manifest import FileEntry
from groundshift.domain.time import DAY
from groundshift.products.report.request import asked, cost

SAMPLES = Manifest(
    "samples",
    1,
    {"window": {"length": "182d", "kind": "triple", "labels": "synthetic"}},
    {},
    (FileEntry("a", 1_500_000_000, ""), FileEntry("b", 500_000_000, "")),
    "",
    {},
    (),
)


def test_the_question_is_told_in_words() -> None:
    own = {"infer": {"stride": 5, "min_event": 4}}
    table = asked([SAMPLES], own, {"s1_161": "radar_a"}, 0.386)
    answers = {row.cells[0]: row.cells[1] for row in table.rows}
    assert answers["Windows"] == "182d long, each with its neighbours, every 5th mapped"
    assert answers["Sensors"] == "s1_161 as radar a"
    assert answers["Changed is"] == "a score of 0.39 or more"


def test_sizes_are_told_by_area_and_year() -> None:
    period = (0, round(2 * 365.25 * DAY))
    table = cost([SAMPLES], square_kilometres=100, period=period, pixels=10**6, windows=60)
    assert table.rows[0].cells == ("samples", "window", "", "2", "10")
    assert table.lead == "60,000,000 scores: 1,000,000 pixels in 60 windows."
    priced = cost([SAMPLES], square_kilometres=100, period=period, pixels=10**6, windows=60,
                  units=5000, travelling=2e9)  # fmt: skip
    assert "5,000 processing units (25 per km² and year), for 2 GB" in priced.lead


def test_the_time_of_processors_is_told_by_stage() -> None:
    cube = replace(SAMPLES, contract="cube", record={"cpu_seconds": 7200, "fetch_cpu_seconds": 900})
    chain = [replace(SAMPLES, record={"cpu_seconds": 1800.0}), cube]
    table = cost(chain, square_kilometres=10, period=(0, round(365.25 * DAY)), pixels=1, windows=1)
    assert [row.cells[:3] for row in table.rows] == [
        ("observations", "fetch", "0.25"),
        ("cube", "stack", "2"),
        ("samples", "window", "0.5"),
    ]
    assert "took 2.75 CPU hours (0.275 per km² and year)" in table.lead
