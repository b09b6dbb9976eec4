import dataclasses
from pathlib import Path

import numpy as np
import pytest

from groundshift.errors import ContractError, SettingsError
from groundshift.reference.tiles import (
    Layout,
    Tile,
    Window,
    list_tiles,
    read_layout,
    read_tile,
    read_windows,
    tile_name,
    write_layout,
    write_tile,
    write_windows,
)
from tests.reference.conftest import load

TILES = ("0_0", "0_1", "1_0", "1_1")


def same(first: Tile, second: Tile) -> None:
    for field in dataclasses.fields(Tile):
        found, expected = getattr(first, field.name), getattr(second, field.name)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize("name", TILES)
def test_stack_files_are_read_and_written(name: str, golden: Path, tmp_path: Path) -> None:
    decoded = load("format/decoded")
    tile = read_tile(golden / f"format/stack/{name}.tfrecords")
    assert len(tile.times) == 4
    for step, seconds in enumerate(tile.times):
        expected = {
            key.split("/")[-1]: values
            for key, values in decoded.items()
            if key.startswith(f"stack/{name}/{step}/")
        }
        assert seconds == expected["Timestamp"]
        np.testing.assert_array_equal(tile.ascending[step], expected["SAR_ascending"])
        np.testing.assert_array_equal(tile.descending[step], expected["SAR_descending"])
        np.testing.assert_array_equal(tile.optical[step], expected["OPT"])
    assert tile.frames.shape == (4, 8, 8, 17)
    write_tile(tmp_path / "copy", tile)
    same(read_tile(tmp_path / "copy"), tile)


@pytest.mark.parametrize("name", ["0_0", "1_1"])
def test_window_files_are_read_and_written(name: str, golden: Path, tmp_path: Path) -> None:
    decoded = load("format/decoded")
    windows = list(read_windows(golden / f"format/train/{name}.tfrecords"))
    assert windows
    for number, window in enumerate(windows):
        np.testing.assert_array_equal(window.values, decoded[f"train/{name}/{number}/Feature"])
        np.testing.assert_array_equal(window.label, decoded[f"train/{name}/{number}/Label"])
    assert f"train/{name}/{len(windows)}/Feature" not in decoded
    write_windows(tmp_path / "copy", [*windows, Window(windows[0].values)])
    *copies, unlabelled = read_windows(tmp_path / "copy")
    for copy, window in zip(copies, windows, strict=True):
        np.testing.assert_array_equal(copy.values, window.values)
        np.testing.assert_array_equal(copy.label, window.label)
    assert unlabelled.label is None
    np.testing.assert_array_equal(unlabelled.values, windows[0].values)


def test_layout_and_file_names(golden: Path, tmp_path: Path) -> None:
    stack = golden / "format/stack"
    layout = read_layout(stack)
    assert layout == Layout(8, 8, 2, 13)
    assert [f"{j}_{i}" for j, i in list_tiles(stack)] == list(TILES)
    write_layout(tmp_path, layout)
    assert (tmp_path / "metadata.json").read_text() == (stack / "metadata.json").read_text()
    assert tile_name((3, 12)) == "3_12.tfrecords"
    assert tile_name((3, 12), site="Liege") == "Liege_3_12.tfrecords"


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(2204, 2391, (68, 74)), (2447, 2341, (76, 73)), (178, 236, (5, 7)), (31, 64, (0, 2))],
)
def test_number_of_tiles_is_the_published_one(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert Layout(32, 32, 2, 13).count(height, width) == expected


def test_tiles_overlap_by_two_dead_zones() -> None:
    layout = Layout(93, 93, 2, 13, 4, 4)
    assert layout.count(2179, 2467) == (25, 28)
    assert layout.slices((1, 2)) == (slice(85, 178), slice(170, 263))
    with pytest.raises(SettingsError, match="more than two dead zones of 4 pixels, found 8"):
        Layout(8, 32, 2, 13, 4, 4)


def test_files_of_another_kind_are_refused(golden: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ContractError, match="expected the feature 'Timestamp', found Feature, Label"
    ):
        read_tile(golden / "format/train/0_0.tfrecords")
    with pytest.raises(ContractError, match="expected the feature 'Feature'"):
        list(read_windows(golden / "format/stack/0_0.tfrecords"))
    with pytest.raises(ContractError, match=r"metadata\.json: expected the layout"):
        read_layout(tmp_path)
