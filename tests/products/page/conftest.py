"""A map page of the two cells of products, and a browser that looks at it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas as gpd
import pytest

from groundshift.cube.store import Cube
from groundshift.products.page import rasters
from groundshift.products.page.series import write_series
from groundshift.products.page.site import write_site
from tests.products.report.test_compose import make_background
from tests.products.test_survey import make_survey

Write = Callable[..., Path]


@pytest.fixture
def write_page(cube: Cube, truth: gpd.GeoDataFrame, tmp_path: Path) -> Write:
    """Writes the maps with their page, and gives their folder."""

    def write(threshold: float = 0.5, spread: float | None = None) -> Path:
        folder = tmp_path / "maps"
        survey = make_survey(cube, folder, tmp_path, threshold, spread)
        for found in survey.findings:
            write_series(folder, cube.cells[found.cell.id], found.windows)
        write_site(survey, make_background(cube, truth))
        return folder

    return write


@pytest.fixture
def maps(write_page: Write) -> Path:
    """Maps with a page, of which every picture pixel is a pixel."""
    return write_page()


@pytest.fixture
def large(write_page: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as if they were of a large area: coarse as a whole, with each cell in detail."""
    monkeypatch.setattr(rasters, "LONGEST", 50)
    return write_page()


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Debian's browser, without a window."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Debian's chromium: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
