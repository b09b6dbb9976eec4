"""Pictures of an area: where pixels go, what the ground looked like."""

import dataclasses

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from groundshift.cube.store import CellCube, Cube
from groundshift.domain.cells import Cell
from groundshift.products import canvas as canvases
from groundshift.products.canvas import Canvas, backdrops, coarsen
from tests.products.conftest import CHANGED, make_cell


def test_cells_lie_side_by_side(cells: tuple[Cell, ...]) -> None:
    canvas = Canvas.over(cells, 100)
    assert canvas.factor == 1
    assert canvas.shape == (40, 100)
    image = canvas.blank()
    for number, cell in enumerate(cells):
        canvas.paste(image, cell, np.full(cell.core.shape, number, np.float32))
    assert (image[:, :50] == 0).all()
    assert (image[:, 50:] == 1).all()


def test_a_large_area_is_thinned_to_the_page(cells: tuple[Cell, ...]) -> None:
    canvas = Canvas.over(cells, 30)
    assert canvas.factor == 4
    assert canvas.shape == (10, 25)
    assert canvas.pixel == 40
    image = canvas.blank(3)
    for cell in cells:
        canvas.paste(image, cell, np.ones((*cell.core.shape, 3), np.float32))
    assert np.isfinite(image).all()


def test_geometries_land_on_picture_pixels(cells: tuple[Cell, ...]) -> None:
    whole = shapely.box(*cells[1].core.boundingbox)
    assert Canvas.over(cells, 100).to_picture(whole).bounds == (50, 0, 100, 40)
    assert Canvas.over(cells, 50).to_picture(whole).bounds == (25, 0, 50, 20)


@pytest.mark.parametrize(("longest", "expected"), [(100, 6), (50, 2)])
def test_polygons_cover_their_pixels(cells: tuple[Cell, ...], longest: int, expected: int) -> None:
    event = gpd.GeoDataFrame(geometry=[shapely.box(501000, 5629000, 501030, 5629020)])
    canvas = Canvas.over(cells, longest)
    assert canvas.cover(event).sum() == expected
    assert canvas.cover(event)[-1, 0]
    assert not canvas.cover(event.iloc[:0]).any()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**16))
def test_coarse_scores_are_the_greatest_of_their_block(
    rows: int, columns: int, factor: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    score = rng.random((rows, columns)).astype(np.float32)
    score[rng.random((rows, columns)) < 0.2] = np.nan
    day = rng.integers(0, 1000, (rows, columns)).astype(np.int32)
    greatest, its_day = coarsen(score, day, factor)
    for y in range(greatest.shape[0]):
        for x in range(greatest.shape[1]):
            block = np.s_[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
            if np.isnan(score[block]).all():
                assert np.isnan(greatest[y, x])
            else:
                assert greatest[y, x] == np.nanmax(score[block])
                assert its_day[y, x] in day[block][score[block] == greatest[y, x]]


def test_backdrops_show_the_ground_before_and_after(cube: Cube) -> None:
    canvas = Canvas.over([c.cell for c in cube.cells.values()], 100)
    found = backdrops(cube.cells, canvas)
    assert found is not None
    before, after = found
    assert np.isfinite(before.image).all()
    rows, columns = CHANGED
    roof, field = after.image[rows, columns], before.image[rows, columns]
    assert (roof[..., 0] > field[..., 0] + 0.3).all()
    np.testing.assert_allclose(before.image[0, 0], after.image[0, 0], atol=1e-6)
    assert before.image[0, 0, 1] > before.image[0, 0, 2]  # a field is greener than blue
    assert "natural colour" in before.caption
    assert "2017-01" in before.caption


def test_without_optical_sensor_radar_stands_in(cube: Cube) -> None:
    radar = {
        name: dataclasses.replace(cell_cube, roles={"radar_a": "s1"})
        for name, cell_cube in cube.cells.items()
    }
    found = backdrops(radar, Canvas.over([c.cell for c in cube.cells.values()], 100))
    assert found is not None
    assert found[1].image[15, 20, 0] > found[0].image[15, 20, 0] + 0.3
    assert "VV" in found[0].caption


def test_without_a_sensor_there_is_no_backdrop(cube: Cube) -> None:
    bare: dict[str, CellCube] = {
        name: dataclasses.replace(cell_cube, roles={}) for name, cell_cube in cube.cells.items()
    }
    assert backdrops(bare, Canvas.over([make_cell("west", 501000)], 100)) is None


def test_strips_give_the_same_picture(cube: Cube, monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = Canvas.over([c.cell for c in cube.cells.values()], 50)
    whole = backdrops(cube.cells, canvas)
    monkeypatch.setattr(canvases, "_STRIP_VALUES", 1000)
    strips = backdrops(cube.cells, canvas)
    assert whole is not None
    assert strips is not None
    np.testing.assert_array_equal(whole[1].image, strips[1].image)


@pytest.mark.parametrize("missing", [0, 1, 2, 5])
def test_the_median_leaves_out_what_is_missing(missing: int) -> None:
    looks = np.random.default_rng(1).random((5, 3, 4)).astype(np.float32)
    looks[:missing] = np.nan
    expected = np.nanmedian(looks, axis=0) if missing < 5 else np.full((3, 4), np.nan)
    np.testing.assert_allclose(canvases._median(looks), expected, rtol=1e-6)
