"""Blocks: the parts of a cell that are scored one by one, each with its halo, all of one shape."""

from collections.abc import Iterator
from dataclasses import dataclass

from groundshift.cube.store import CellCube


@dataclass(frozen=True)
class Block:
    """A part of a cell that is scored at once.

    Attributes:
        rows, columns: of the cell's grid that are read, halo included.
        core: of those, the rows and columns that are kept.
        target: where these lie in the cell's core.
    """

    rows: slice
    columns: slice
    core: tuple[slice, slice]
    target: tuple[slice, slice]

    @property
    def pixels(self) -> int:
        """Number of pixels that are read."""
        height: int = self.rows.stop - self.rows.start
        width: int = self.columns.stop - self.columns.start
        return height * width


def blocks_of(cell: CellCube, block: int, halo: int) -> Iterator[Block]:
    """The blocks that cover a cell's core, all read with the same number of rows and columns."""
    rows, columns = (
        _spans(size, total, cell.cell.halo, block, halo)
        for size, total in zip(cell.cell.core.shape, cell.shape, strict=True)
    )
    for row_read, row_core, row_target in rows:
        for column_read, column_core, column_target in columns:
            yield Block(row_read, column_read, (row_core, column_core), (row_target, column_target))


def _spans(
    size: int, total: int, margin: int, block: int, halo: int
) -> list[tuple[slice, slice, slice]]:
    """Along one axis: what is read of the grid, what of it is kept, where that lies in the core."""
    spans = []
    for begin in range(0, size, block):
        place = slice(begin + margin, min(begin + block, size) + margin)
        read, kept = around(place, total, block + 2 * halo, halo)
        spans.append((read, kept, slice(begin, place.stop - margin)))
    return spans


def around(place: slice, total: int, length: int, halo: int) -> tuple[slice, slice]:
    """What is read along one axis for a place, and where in it the place lies.

    At the image's edge the span that is read moves inwards instead of becoming shorter, so that
    all have one length.
    """
    length = min(length, total)
    start = min(max(place.start - halo, 0), total - length)
    return slice(start, start + length), slice(place.start - start, place.stop - start)
