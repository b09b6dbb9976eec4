"""The page of an area without maps: it says so, and asks for nothing that is not there."""

from pathlib import Path
from typing import Any

import pytest

from groundshift.domain.cells import Cell
from groundshift.errors import Look
from groundshift.products.page.site import write_empty_site
from groundshift.products.report.unmapped import Unmapped, write_unmapped
from tests.products.conftest import PERIOD, seconds
from tests.products.page.looking import DESKTOP, PHONE, looking


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_why_there_is_no_map_stands_where_it_would_be(
    tmp_path: Path, cells: tuple[Cell, Cell], chromium: Any, size: tuple[int, int]
) -> None:
    run = Unmapped(
        area="town",
        task="change",
        stage="fetch",
        period=(seconds(PERIOD[0]), seconds(PERIOD[1])),
        cells=cells,
        found="none of 1 acquisitions has a valid pixel",
        remedy="Move the period",
        settings={},
        looks=[Look("s2", seconds("2017-03-04"), "no valid pixel")],
    )
    page = write_empty_site(tmp_path, run)
    write_unmapped(tmp_path, run, "page/index.html")
    with looking(chromium, f"file://{page}", size) as look:
        look.open()
        told = look.page.locator("#unmapped").inner_text()
        assert "There is no map of this area" in told
        assert "Images came, and none of them can be used." in told
        assert "What to do: Move the period." in told
        for part in ("#timebar", "#change-set", "#no-ground", "#legend"):
            assert not look.page.locator(part).is_visible(), part
        look.page.locator("#unmapped a").click()
        assert look.page.locator("h2").first.inner_text() == "There is no map of this area"
