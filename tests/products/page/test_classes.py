"""The map page of a map of land cover, as a browser shows it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundshift.cube.store import Cube
from groundshift.models.pixel_trees import LandClass
from groundshift.products.class_maps import ClassMap, class_path, probability_path
from groundshift.products.maps import write_cog
from groundshift.products.page import rasters
from groundshift.products.page.chunks import DATA, read_chunk
from groundshift.products.page.class_site import ClassSite
from groundshift.products.page.serving import serving
from tests.products.page.looking import PHONE, apart, looking

WATER, WOOD = (43, 108, 176), (31, 107, 58)
CLASSES = [LandClass("water", "#2b6cb0"), LandClass("wood", "#1f6b3a")]
OPAQUE = "#opacity=100"


@pytest.fixture
def maps(cube: Cube, tmp_path: Path) -> Path:
    """Water in the northern half of each cell, wood in the southern one, which is less sure."""
    found = []
    for cell in (one.cell for one in cube.cells.values()):
        classes = np.full(tuple(cell.core.shape), 1, np.uint8)
        half = len(classes) // 2
        classes[half:] = 2
        classes[0] = 0
        sure = np.where(classes == 2, 0.6, 0.9).astype(np.float32)
        sure[0] = np.nan
        for path, values, nodata in (
            (class_path(tmp_path, cell), classes, 0),
            (probability_path(tmp_path, cell), sure, np.nan),
        ):
            write_cog(path, {"values": values}, cell.core, nodata=nodata, tags={})
        found.append(ClassMap(cell, (3.0, 1.0), 0.5, "value hash"))
    period = (1_500_000_000, 1_510_000_000)
    ClassSite("Lakeland", period, found, CLASSES, cube.cells, ["no rights"]).write(tmp_path)
    return tmp_path


def middle_of(maps: Path, name: str) -> tuple[float, float]:
    """A place well inside a class of the first cell, in pixels of the area."""
    cell = about(maps)["cells"][0]
    share = {"water": 0.25, "wood": 0.75}[name]
    return cell["x"] + cell["width"] // 2 + 0.5, cell["y"] + int(cell["height"] * share) + 0.5


def about(maps: Path) -> dict[str, Any]:
    """What the page is told of the maps as a whole."""
    told: dict[str, Any] = json.loads(read_chunk(maps / DATA, "about"))
    return told


def test_classes_have_their_colours_and_probabilities_and_can_be_hidden(
    maps: Path, chromium: Any
) -> None:
    with serving(maps) as address, looking(chromium, address) as look:
        look.open(OPAQUE)
        assert apart(look.colour(*middle_of(maps, "water")), np.array(WATER)) < 3
        assert apart(look.colour(*middle_of(maps, "wood")), np.array(WOOD)) < 3
        assert look.page.locator("#swatches").inner_text().split() == ["water", "wood"]
        look.set("threshold", 70)  # wood is 0.6
        assert apart(look.colour(*middle_of(maps, "wood")), np.array(WOOD)) > 10
        look.set("threshold", 0)
        look.page.locator("#classes input").first.uncheck()
        look.settle()
        assert apart(look.colour(*middle_of(maps, "water")), np.array(WATER)) > 10
        assert look.state["hidden"] == "1"
        look.open("#layer=probability&opacity=100")
        sure, unsure = (look.colour(*middle_of(maps, name)) for name in ("water", "wood"))
        assert apart(sure, unsure) > 30


def test_a_pixel_tells_its_class_and_nothing_is_said_of_change(maps: Path, chromium: Any) -> None:
    with serving(maps) as address, looking(chromium, address) as look:
        look.open().click(*middle_of(maps, "wood"))
        card = look.page.locator("#card").inner_text()
        assert "wood" in card
        assert "0.60" in card
        shown = look.page.locator("body").inner_text()
        assert "6.00 ha (75.0 %)" in shown
        assert "Of 1.00 ha nothing is known." in shown
        for text in ("Events", "Threshold", "Window", "network"):
            assert text not in shown
        look.open("#layer=greatest&pixel=0,0")  # an address of another kind of map
        assert look.page.locator("input[value=class]").is_checked()
        assert "Nothing known" in look.page.locator("#card").inner_text()


def test_a_large_area_is_shown_in_detail_from_disk_on_a_phone(
    maps: Path, cube: Cube, chromium: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rasters, "LONGEST", 50)
    found = [ClassMap(one.cell, (3.0, 1.0), 0.0, "") for one in cube.cells.values()]
    ClassSite("Lakeland", (0, 1), found, CLASSES, cube.cells, []).write(maps)
    assert about(maps)["factor"] > 1
    x, y = middle_of(maps, "wood")
    page = (maps / "page/index.html").as_uri()
    with looking(chromium, page, PHONE) as look:
        look.open(f"#x={x}&y={y}&r=2&opacity=100")
        assert apart(look.colour(x, y), np.array(WOOD)) < 3
        assert any("cells/" in url for url in look.requests)
        look.click(x, y)
        assert "0.60" in look.page.locator("#card").inner_text()
