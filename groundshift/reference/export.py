"""Stacks and window files in the published formats, from a cube and from a stack."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.store import CellCube
from groundshift.errors import ContractError
from groundshift.reference.splits import TileIndex
from groundshift.reference.tiles import (
    Layout,
    Tile,
    Window,
    list_tiles,
    read_tile,
    tile_name,
    write_layout,
    write_tile,
    write_windows,
)
from groundshift.reference.windows import single_windows, windows_list, write_windows_list

_ROLES = ("radar_a", "radar_b", "optical")
"""The cube's streams in the files' order: ascending, descending, optical."""


def layout_of(cube: CellCube, *, tile: int, dead_zone: int = 0) -> Layout:
    """The layout in which a cell's frames fit the published format.

    Args:
        cube: the cell's frames.
        tile: edge of a tile in pixels.
        dead_zone: pixels at each edge of a tile that its neighbour covers too.

    Raises:
        ContractError: a stream is missing, or the two of radar differ in their number of bands.
        SettingsError: the tile is no larger than its dead zones.
    """
    missing = [role for role in _ROLES if role not in cube.roles]
    if missing:
        raise ContractError(
            f"cell {cube.cell.id}: the published format needs {', '.join(_ROLES)}, found no "
            f"{', '.join(missing)}. Stack a cube with two radar streams and an optical one"
        )
    first, second, optical = (len(cube.sensors[cube.roles[role]].bands) for role in _ROLES)
    if first != second:
        raise ContractError(
            f"cell {cube.cell.id}: expected as many bands in both radar streams, found {first} and "
            f"{second}. Fetch the same polarisations of both"
        )
    return Layout(tile, tile, first, optical, dead_zone, dead_zone)


def export_stack(cube: CellCube, layout: Layout, output: Path) -> TileIndex:
    """Write a cell's frames as a stack: one file per tile, anchored at the core's top left.

    Returns:
        Number of tiles down and across; what is left at the bottom and right is dropped.
    """
    rows, columns = cube.cell.core.shape
    count = layout.count(rows, columns)
    write_layout(output, layout)
    for index in np.ndindex(*count):
        write_tile(output / tile_name(index), _read(cube, layout, index))
    return count


def export_windows(
    stack: Path, output: Path, *, length: float, stride: int, min_steps: int, max_steps: int
) -> int:
    """Write the windows of every tile of a stack for inference, and their list as `windows.csv`.

    The windows are whole (quirk Q8: the published files held the first step of each alone).

    Args:
        stack: folder of a stack.
        output: folder of the window files.
        length: length of a window in seconds.
        stride: steps between the starts of two windows.
        min_steps: windows with fewer steps are left out.
        max_steps: windows are cut after as many steps.

    Returns:
        Number of windows of each tile.

    Raises:
        ContractError: no tile there, or a damaged one.
    """
    tiles = list_tiles(stack)
    if not tiles:
        raise ContractError(f"{stack}: expected tiles of a stack, found none. Export one first")
    output.mkdir(parents=True, exist_ok=True)
    ranges: NDArray[np.int64] = np.empty((0, 2), np.int64)
    for number, path in enumerate(tiles.values()):
        tile = read_tile(path)
        if number == 0:  # all tiles have the same times
            ranges = single_windows(
                tile.times, length=length, stride=stride, min_steps=min_steps, max_steps=max_steps
            )
            write_windows_list(windows_list(tile.times, ranges), output / "windows.csv")
        frames = tile.frames
        write_windows(output / path.name, (Window(frames[slice(*span)]) for span in ranges))
    return len(ranges)


def _read(cube: CellCube, layout: Layout, index: TileIndex) -> Tile:
    """The frames of one tile, which lies inside the core."""
    core_rows, core_columns = cube.cell.inner
    rows, columns = layout.slices(index)
    window = _shift(rows, core_rows.start), _shift(columns, core_columns.start)
    ascending, descending, optical = (
        cube.read(cube.roles[role], 0, len(cube.times), *window).values for role in _ROLES
    )
    return Tile(cube.times.astype(np.float64), ascending, descending, optical)


def _shift(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)
