"""Chips: the ground before and after at an event, next to its date."""

import base64
import io
import re

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image

from groundshift.cube.store import Cube
from groundshift.products.canvas import Canvas, backdrops
from groundshift.products.report.chips import chips
from tests.products.conftest import CHANGE, CHANGED


@pytest.fixture
def event(cube: Cube) -> gpd.GeoDataFrame:
    transform = cube.cells["west"].cell.core.transform
    rows, columns = CHANGED
    left, top = transform @ (columns.start, rows.start)
    right, bottom = transform @ (columns.stop, rows.stop)
    shape = shapely.box(left, bottom, right, top)
    date = [pd.Timestamp(CHANGE)]
    known = {"id": ["west-0001"], "cells": ["west"]}
    known |= dict.fromkeys(("date_from", "date", "date_to"), date)
    return gpd.GeoDataFrame(known, geometry=[shape], crs="EPSG:32631")


def picture_of(chip: str) -> np.ndarray:
    data = re.search(r"base64,([^\"]+)", chip)
    assert data is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGB"), float)


def limits_of(cube: Cube) -> tuple[float, float]:
    """Those of the page's maps."""
    cells = [cell_cube.cell for cell_cube in cube.cells.values()]
    grounds = backdrops(cube.cells, Canvas.over(cells, 100))
    assert grounds is not None
    return grounds[0].limits


def test_the_roof_is_there_after_and_not_before(cube: Cube, event: gpd.GeoDataFrame) -> None:
    before, after = chips(event, cube.cells, limits_of(cube))["west-0001"]
    one, two = picture_of(before), picture_of(after)
    assert one.shape == two.shape == (39, 39, 3)  # 12 pixels around the longer edge of 15
    middle = slice(16, 20), slice(14, 24)
    assert (two[middle] - one[middle])[..., 2].min() > 60  # a roof is bluer than a field
    corner = slice(0, 2), slice(0, 2)
    assert np.abs(two[corner] - one[corner]).max() < 20
    assert "M" in re.search(r'class="outline line" d="([^"]+)"', after)[1]  # type: ignore[index]


def test_what_is_shown_lies_next_to_the_events_own_date(
    cube: Cube, event: gpd.GeoDataFrame
) -> None:
    late = pd.Timestamp(CHANGE) + pd.Timedelta(days=120)
    event = event.assign(date_from=late, date=late, date_to=late)
    before, after = (picture_of(c) for c in chips(event, cube.cells, limits_of(cube))["west-0001"])
    assert np.abs(before - after).max() < 20, "the roof stood already"


def test_an_interval_that_leaves_the_series_is_shown_by_its_date(
    cube: Cube, event: gpd.GeoDataFrame
) -> None:
    year = pd.Timedelta(days=365)
    event = event.assign(date_from=event["date"] - year, date_to=event["date"] + year)
    before, after = (picture_of(c) for c in chips(event, cube.cells, limits_of(cube))["west-0001"])
    middle = slice(16, 20), slice(14, 24)
    assert (after[middle] - before[middle])[..., 2].min() > 60


def test_without_an_image_of_the_ground_there_are_no_chips(
    cube: Cube, event: gpd.GeoDataFrame
) -> None:
    assert chips(event, cube.cells, None) == {}
    assert chips(event, {}, (0, 1)) == {}
