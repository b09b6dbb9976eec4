"""Chips: the ground before and after at an event, at full size whatever the page's pictures."""

import base64
import io
import re

import geopandas as gpd
import numpy as np
import pytest
import shapely
from PIL import Image

from groundshift.cube.store import Cube
from groundshift.products.canvas import Canvas, backdrops
from groundshift.products.report.chips import chips
from tests.products.conftest import CHANGED


@pytest.fixture
def event(cube: Cube) -> gpd.GeoDataFrame:
    transform = cube.cells["west"].cell.core.transform
    rows, columns = CHANGED
    left, top = transform @ (columns.start, rows.start)
    right, bottom = transform @ (columns.stop, rows.stop)
    shape = shapely.box(left, bottom, right, top)
    return gpd.GeoDataFrame({"id": ["west-0001"]}, geometry=[shape], crs="EPSG:32631")


def picture_of(chip: str) -> np.ndarray:
    data = re.search(r"base64,([^\"]+)", chip)
    assert data is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGB"), float)


@pytest.mark.parametrize("longest", [100, 50])
def test_the_roof_is_there_after_and_not_before(
    cube: Cube, event: gpd.GeoDataFrame, longest: int
) -> None:
    cells = [cell_cube.cell for cell_cube in cube.cells.values()]
    canvas = Canvas.over(cells, longest)
    grounds = backdrops(cube.cells, canvas)
    before, after = chips(event, cube.cells, canvas, grounds)["west-0001"]
    one, two = picture_of(before), picture_of(after)
    assert one.shape == two.shape == (26, 26, 3)  # 1.7 times the longer edge of 15 pixels
    middle = slice(11, 15), slice(8, 18)
    assert (two[middle] - one[middle])[..., 2].min() > 60  # a roof is bluer than a field
    corner = slice(0, 2), slice(0, 2)
    assert np.abs(two[corner] - one[corner]).max() < 20
    assert "M" in re.search(r'class="outline line" d="([^"]+)"', after)[1]  # type: ignore[index]


def test_without_an_image_of_the_ground_there_are_no_chips(
    cube: Cube, event: gpd.GeoDataFrame
) -> None:
    canvas = Canvas.over([cube.cells["west"].cell], 50)
    assert chips(event, cube.cells, canvas, None) == {}
