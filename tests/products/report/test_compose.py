"""The page: all in one file, true to what was found."""

import re
from html.parser import HTMLParser
from pathlib import Path

import geopandas as gpd
import pytest
from PIL import Image

from groundshift.artifacts import Manifest
from groundshift.cube.store import Cube
from groundshift.products.events_io import write_events
from groundshift.products.report.compose import Background, write_report
from groundshift.products.report.page import Column, Fact, Quality, Row, Table
from tests.products import test_survey
from tests.products.conftest import CHANGE, PERIOD, seconds
from tests.products.test_survey import make_survey

QUALITY = Quality(
    "Pixels of test blocks.",
    [
        Table(
            "Planted changes",
            [Column("detector"), Column("PR-AUC", number=True)],
            [Row(("network", "0.7"), ours=True), Row(("<b>trees</b>", "0.6"))],
            level="controlled",
            level_label="controlled truth",
        )
    ],
)


class Page(HTMLParser):
    """What a page refers to, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def make_background(cube: Cube, truth: gpd.GeoDataFrame | None) -> Background:
    chain = [
        Manifest("samples", 1, {"window": {"length": "90d"}}, {"cube": "c" * 64}, (), "", {}, ()),
        cube.manifest,
    ]
    return Background(
        area="north & south",
        period=(seconds(PERIOD[0]), seconds(PERIOD[1])),
        cubes=cube.cells,
        truth=truth,
        wanted="urban",
        quality=QUALITY,
        headline=Fact("PR-AUC", "0.70", "prevalence 0.05"),
        chain=chain,
        settings={"infer": {"stride": 1}},
        licences=("contains modified Copernicus Sentinel data 2017",),
    )


@pytest.fixture
def page(cube: Cube, truth: gpd.GeoDataFrame, tmp_path: Path) -> str:
    """The page's text."""
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    report, _ = write_report(survey, make_background(cube, truth))
    return report.read_text()


def test_the_page_needs_nothing_but_itself(page: str) -> None:
    parsed = Page()
    parsed.feed(page)
    assert parsed.references
    assert all(reference.startswith("data:image/png;base64,") for reference in parsed.references)
    assert "link" not in parsed.tags
    assert not re.search(r"url\(|@import|https?://", page)


def test_the_page_says_what_was_found_and_known(page: str) -> None:
    parsed = Page()
    parsed.feed(page)
    text = " ".join(" ".join(parsed.text).split())
    assert "north & south" in text
    assert (
        "1 group of connected pixels, in which the windows around one date score at least 0.50"
        in text
    )
    assert "roof" in text
    assert "Area of change by year" in text
    assert "known decoys" in text
    assert "controlled truth" in text
    assert "<b>trees</b>" in text  # escaped, not rendered
    assert "contains modified Copernicus Sentinel data 2017" in text
    assert "window" in text
    assert "90d" in text
    assert "c" * 16 in text


def test_the_page_and_preview_are_the_same_every_time(
    cube: Cube, truth: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    files = write_report(survey, make_background(cube, truth))
    before = [path.read_bytes() for path in files]
    again = write_report(survey, make_background(cube, truth))
    assert [path.read_bytes() for path in again] == before
    assert Image.open(files[1]).format == "PNG"


def test_where_nothing_is_known_the_page_claims_nothing(cube: Cube, tmp_path: Path) -> None:
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    report, _ = write_report(survey, make_background(cube, None))
    text = report.read_text()
    assert "known changes" not in text
    assert "date error" not in text


def test_where_nothing_was_found_the_page_says_so(
    cube: Cube, truth: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    survey = make_survey(cube, tmp_path / "maps", tmp_path, threshold=0.95)
    assert len(survey.events) == 0
    write_events(tmp_path / "maps", survey.events)
    assert gpd.read_parquet(tmp_path / "maps" / "events.parquet").dtypes["date"].kind == "M"
    report, _ = write_report(survey, make_background(cube, truth))
    assert "None: nowhere do the windows around one date score 0.95" in report.read_text()


def test_dates_are_compared_with_the_known_ones(page: str) -> None:
    row = re.search(r'<tr data-event="ev-[^"]+">(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    cells = re.findall(r"<td[^>]*>(.*?)</td>", row.group(1), re.DOTALL)
    assert 0.5 <= float(cells[3]) <= 0.9
    assert cells[4] == "1.50"
    assert cells[6] == "roof"
    assert abs(int(cells[7])) <= 6
    assert CHANGE[:5] in cells[1]


def test_of_one_window_only_the_page_says_so(
    cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = dict([next(iter(test_survey.WINDOWS.items()))])
    monkeypatch.setattr(test_survey, "WINDOWS", only)
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    report, _ = write_report(survey, make_background(cube, None))
    text = report.read_text()
    assert "There is one window only" in text
    assert "None: nowhere do the windows around one date score 0.50" in text
