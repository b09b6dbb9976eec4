"""Splits: no common pixel, the buffer kept, the same whatever the area."""

from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import box as rectangle

from groundshift.domain.cells import Cell, cover
from groundshift.errors import SettingsError
from groundshift.samples import splits
from groundshift.samples.splits import SPLITS, patches, sides
from groundshift.settings import SplitSettings
from tests.samples.ground import box, own_cell


def grid_cells(left, bottom, right, top, *, size=400, halo=2):
    """Cells of the fixed grid under an area, in pixels of 10 m."""
    area = rectangle(*(10 * v for v in (left, bottom, right, top)))
    crs = box(1, 1).crs
    return cover(area, crs, target=crs, resolution=10, size=10 * size, halo=halo)


def own_patches(cell, chosen, patch):
    """Patches of a small area that is one cell."""
    return patches([cell], chosen, patch, area=cell.core)


def owners(cells, table):
    """Split and block of each pixel of the map, by absolute row and column."""
    pixels = {}
    transforms = {cell.id: cell.grid.transform for cell in cells}
    for row in table.itertuples():
        transform = transforms[row.cell]
        top, left = round(transform.f / transform.e), round(transform.c / transform.a)
        for y in range(row.y0, row.y1):
            for x in range(row.x0, row.x1):
                assert (top + y, left + x) not in pixels, "a pixel in two patches"
                pixels[top + y, left + x] = (row.split, row.block)
    return pixels


def assert_apart(pixels, buffer):
    """Pixels of different splits have at least `buffer` pixels between them."""
    rows = np.array([place[0] for place in pixels])
    columns = np.array([place[1] for place in pixels])
    image = np.zeros((np.ptp(rows) + 1, np.ptp(columns) + 1), np.int8)
    image[rows - rows.min(), columns - columns.min()] = [
        SPLITS.index(split) + 1 for split, _ in pixels.values()
    ]
    padded = np.pad(image, buffer)
    for dy in range(buffer + 1):
        for dx in range(-buffer, buffer + 1):
            height, width = image.shape
            moved = padded[buffer + dy : buffer + dy + height, buffer + dx : buffer + dx + width]
            assert not ((image > 0) & (moved > 0) & (image != moved)).any()


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(20, 70), st.integers(20, 70)),
    place=st.tuples(st.integers(-40, 40), st.integers(-40, 40)),
    block=st.integers(10, 24),
    buffer=st.integers(0, 7),
    patch=st.integers(4, 8),
    seed=st.integers(0, 99),
)
def test_splits_share_no_pixel_and_keep_the_buffer(shape, place, block, buffer, patch, seed):
    left, bottom = 60_000 + place[0], 560_000 + place[1]
    own = [own_cell(*shape, halo=3)]
    many = grid_cells(left, bottom, left + shape[1], bottom + shape[0], size=30)
    chosen = SplitSettings(block=block, buffer=buffer, seed=seed, shares=(2, 1, 1))
    around = own_cell(*shape, left=10 * left, top=10 * (bottom + shape[0])).core
    tables = []
    for cells, area in ((own, own[0].core), (many, None), (many, around)):
        with suppress(SettingsError):  # too few blocks for three splits
            tables.append((cells, patches(cells, chosen, patch, area=area)))
    assume(tables)
    for cells, table in tables:
        pixels = owners(cells, table)
        assert_apart(pixels, buffer)
        heights, widths = table["y1"] - table["y0"], table["x1"] - table["x0"]
        assert (heights == patch).all()
        assert (widths == patch).all()
        by_block = pd.Series([split for split, _ in pixels.values()]).groupby(
            [block for _, block in pixels.values()]
        )
        assert by_block.nunique().eq(1).all()


def test_patches_lie_in_the_core():
    cell = own_cell(48, 64, halo=5)
    table = own_patches(cell, SplitSettings(block=16, buffer=0), 8)
    assert table["y0"].min() == table["x0"].min() == 5
    assert table["y1"].max() == 53
    assert table["x1"].max() == 69
    assert len(table) == 48 * 64 / 64
    numbers = (table["y0"] - 5) * 64 + table["x0"] - 5
    assert table["patch"].tolist() == numbers.tolist()


def test_sixteen_blocks_are_split_exactly_and_by_seed():
    tables = [
        own_patches(own_cell(64, 64), SplitSettings(block=16, buffer=0, seed=seed), 16)
        for seed in (0, 0, 1)
    ]
    for table in tables:
        assert table["split"].value_counts().to_dict() == {
            "training": 8, "validation": 4, "test": 4
        }  # fmt: skip
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_blocks_at_the_edge_that_hold_no_patch_take_no_share():
    table = own_patches(own_cell(70, 70), SplitSettings(block=16, buffer=0), 16)
    assert table["split"].value_counts().to_dict() == {"training": 8, "validation": 4, "test": 4}


def test_a_larger_area_keeps_the_splits_inside():
    chosen = SplitSettings(block=40, buffer=8)
    small = grid_cells(60_000, 560_000, 60_800, 560_800)
    large = grid_cells(59_700, 559_700, 61_100, 561_100)
    assert len(small) < len(large)
    inside, around = (owners(cells, patches(cells, chosen, 16)) for cells in (small, large))
    assert inside.items() <= around.items()


def test_a_cell_worked_on_alone_has_the_patches_it_has_among_the_others():
    cells = grid_cells(60_000, 560_000, 60_800, 560_800)
    chosen = SplitSettings(block=40, buffer=8)
    whole = patches(cells, chosen, 16)
    assert whole["cell"].is_monotonic_increasing
    assert whole["patch"].is_unique
    for cell in cells:
        alone = patches(cells, chosen, 16, chosen=[cell.id])
        expected = whole[whole["cell"] == cell.id].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, expected)


@pytest.mark.parametrize("small", [True, False])
def test_an_area_cut_in_four_has_the_patches_of_the_whole(small):
    """Where blocks and cells fit together: the same ground, numbers and splits, in one order."""
    whole = grid_cells(60_000, 560_000, 60_160, 560_160, size=160)
    quarters = grid_cells(60_000, 560_000, 60_160, 560_160, size=80, halo=4)
    assert (len(whole), len(quarters)) == (1, 4)
    chosen = SplitSettings(block=40, buffer=8)
    placed = []
    for cells in (whole, quarters):
        corners = {cell.id: splits._top_left(cell.grid) for cell in cells}
        table = patches(cells, chosen, 10, area=whole[0].core if small else None)
        table = table.sort_values("patch", ignore_index=True)
        tops, lefts = zip(*table["cell"].map(corners), strict=True)
        rows = table[["patch", "block", "split"]]
        placed.append(rows.assign(y=np.add(tops, table["y0"]), x=np.add(lefts, table["x0"])))
    pd.testing.assert_frame_equal(*placed)
    in_rows = placed[0].sort_values(["y", "x"])["patch"]
    assert in_rows.is_monotonic_increasing
    assert in_rows.is_unique


def test_a_cell_may_lack_a_split_that_the_area_has():
    cells = grid_cells(60_000, 560_000, 60_080, 560_020, size=20)
    assert len(cells) == 4
    chosen = SplitSettings(block=20, buffer=0, shares=(2, 1, 1))
    whole = patches(cells, chosen, 10)
    for cell in cells:
        alone = patches(cells, chosen, 10, chosen=[cell.id])
        assert alone["split"].nunique() == 1
        assert alone["patch"].isin(whole["patch"]).all()


def test_shares_hold_over_any_sixteen_blocks_of_a_group():
    cells = grid_cells(60_000, 560_000, 60_800, 560_800)
    table = patches(cells, SplitSettings(block=20, buffer=0, shares=(0.7, 0.2, 0.1)), 20)
    shares = table["split"].value_counts(normalize=True)
    assert shares["training"] == pytest.approx(0.7, abs=0.03)
    assert shares["test"] == pytest.approx(0.1, abs=0.03)


def test_blocks_can_be_named():
    lists = {"training": [0, 5], "validation": [1], "test": [15]}
    table = own_patches(own_cell(64, 64), SplitSettings(block=16, buffer=0, assign=lists), 16)
    assert dict(zip(table["block"], table["split"], strict=True)) == {
        0: "training", 1: "validation", 5: "training", 15: "test"
    }  # fmt: skip
    assert table.loc[table["block"] == 5, ["y0", "x0"]].to_numpy().tolist() == [[16, 16]]


def test_named_blocks_must_exist_once_and_in_a_small_area():
    with pytest.raises(SettingsError, match=r"block numbers 0 to 15 .* found 16"):
        own_patches(own_cell(64, 64), SplitSettings(block=16, assign={"training": [16]}), 16)
    with pytest.raises(ValueError, match=r"blocks \[3\] are named more than once"):
        SplitSettings(assign={"training": [3], "test": [3]})
    cells = grid_cells(60_000, 560_000, 60_800, 560_800)
    with pytest.raises(SettingsError, match="numbered only where the area is at most 10000 m"):
        patches(cells, SplitSettings(block=16, assign={"training": [3]}), 16)


@pytest.mark.parametrize(
    ("chosen", "patch", "message"),
    [
        ({"block": 16}, 17, "window.patch: expected at most window.split.block=16"),
        ({"block": 64, "buffer": 0}, 16, "training 16, validation 0, test 0"),
        ({"block": 16, "shares": (0, 0, 0)}, 16, "window.split.shares: expected weights above 0"),
    ],
)
def test_splits_that_cannot_be_are_refused(chosen, patch, message):
    with pytest.raises(SettingsError, match=message):
        own_patches(own_cell(64, 64), SplitSettings(**chosen), patch)


def test_time_disjoint_splits_take_windows_that_lie_wholly_on_their_side():
    start = np.array([0, 10, 20, 30])
    assert sides(start, start + 10, 20).tolist() == ["before", "before", "after", "after"]
    assert sides(start, start + 15, 20).tolist() == ["before", "across", "after", "after"]
    assert sides(start, start + 15, None).tolist() == ["both"] * 4


def test_an_area_of_its_own_size_is_told_by_its_name():
    assert own_cell(30, 40).own_size
    assert not grid_cells(60_000, 560_000, 60_800, 560_800)[0].own_size
    assert not Cell("32631_6000_5600", SimpleNamespace(shape=(4, 4)), 0).own_size
