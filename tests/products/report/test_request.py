"""What was asked, and what it took."""

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
    assert table.rows[0].cells == ("samples", "window", "2", "10")
    assert table.lead.startswith("60,000,000 scores")
    assert "processing units" not in table.lead
    priced = cost([SAMPLES], square_kilometres=100, period=period, pixels=10**6, windows=60,
                  units=5000, travelling=2e9)  # fmt: skip
    assert "5,000 processing units (25 per km² and year), for 2 GB" in priced.lead
