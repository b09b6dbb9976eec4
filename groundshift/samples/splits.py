"""Splits: which patches train, validate and test, without a common pixel or observation.

Pixels are divided into square blocks, each with one split. A small area (`SMALL`) has blocks of its
own: counted from its top left corner and numbered in rows, for which the shares hold exactly over
the whole area, or which are named one by one. Elsewhere blocks are counted from the origin of the
reference system, and a block's split follows from its place and the seed alone, so that a larger
area keeps the splits of what it shares with a smaller one; of every 4 x 4 such blocks the shares
hold exactly. Neither depends on the cells into which an area is cut.

Patches tile each block, each within one cell: where blocks and cells fit together, an area has the
same patches, with the same numbers, however it is cut. Along borders between blocks of different
splits a strip stays unused.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.domain.cells import Cell
from groundshift.errors import SettingsError
from groundshift.settings import BlockLists, SplitSettings

Split = Literal["training", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

COLUMNS = ("patch", "cell", "block", "y0", "x0", "y1", "x1", "split")

_TYPES = {name: str if name in ("cell", "split") else np.int64 for name in COLUMNS}

_GROUP = 4  # blocks on the edge of a group within which the shares hold exactly
_OFFSET = 1 << 24  # makes pixels and blocks left of and above the origin positive
_GROUP_OFFSET = 1 << 20  # likewise groups of blocks

SMALL = 10_000
"""Largest extent of an area with blocks of its own, in units of its reference system (metres)."""

Block = tuple[int, int]
"""Row and column of a block, counted from the anchor."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of an area and their splits.

    Attributes:
        settings: Edge of a block, shares, buffer, seed.
        anchor: Row and column, in pixels from the origin of the reference system, of the top left
            corner of block (0, 0).
        pixels: Pixels along y and x of an area with blocks of its own, else None.
        splits: Splits of such an area, by number; absent where a block is unused.
    """

    settings: SplitSettings
    anchor: Block
    pixels: tuple[int, int] | None
    splits: dict[int, Split]

    @property
    def edge(self) -> int:
        """Edge of a block in pixels."""
        return self.settings.block

    def number(self, block: Block) -> int:
        """A block's number: in rows from the top left, of the area or of the globe's grid."""
        return self._numbered(block, self.edge)

    def patch_number(self, corner: Block) -> int:
        """The number of a patch: likewise, from its top left pixel as counted from the anchor."""
        return self._numbered(corner, 1)

    def split(self, block: Block) -> Split | None:
        """The split of a block, None where it is not used."""
        if self.pixels is None:
            group = (block[0] // _GROUP, block[1] // _GROUP)
            place = block[0] % _GROUP * _GROUP + block[1] % _GROUP
            return _group_splits(group, self.settings.shares, self.settings.seed)[place]
        inside = all(
            0 <= i < n for i, n in zip(block, _counts(self.pixels, self.edge), strict=True)
        )
        return self.splits.get(self.number(block)) if inside else None

    def holds(self, corner: Block, patch: int) -> bool:
        """Whether a patch lies in the area."""
        return self.pixels is None or all(
            i + patch <= n for i, n in zip(corner, self.pixels, strict=True)
        )

    def _numbered(self, place: Block, edge: int) -> int:
        if self.pixels is not None:
            return place[0] * _counts(self.pixels, edge)[1] + place[1]
        return (place[0] + _OFFSET) * 2 * _OFFSET + place[1] + _OFFSET


def blocks_of(area: GeoBox | None, settings: SplitSettings, patch: int) -> Blocks:
    """The blocks of an area.

    Args:
        area: pixels of an area with blocks of its own, else None.
        settings: edge of a block, shares or lists, seed.
        patch: edge of a patch in pixels; blocks too small for one get no split.

    Raises:
        SettingsError: shares that are all zero, or lists that don't fit the area.
    """
    if settings.assign is None and sum(settings.shares) <= 0:
        raise SettingsError(
            f"window.split.shares: expected weights above 0, found {settings.shares}. "
            "Try [0.5, 0.25, 0.25]"
        )
    if area is None:
        if settings.assign is not None:
            raise SettingsError(
                "window.split.assign: blocks are numbered only where the area is at most "
                f"{SMALL} m wide and high, found a larger one. Use window.split.shares"
            )
        return Blocks(settings, (0, 0), None, {})
    rows, columns = area.shape
    pixels = (int(rows), int(columns))
    if settings.assign is not None:
        splits = _named(settings.assign, _counts(pixels, settings.block))
    else:
        splits = _shared_out(pixels, settings, patch)
    return Blocks(settings, _top_left(area), pixels, splits)


def patches(
    cells: Sequence[Cell],
    settings: SplitSettings,
    patch: int,
    *,
    area: GeoBox | None = None,
    chosen: Collection[str] | None = None,
) -> pd.DataFrame:
    """The patches of an area: the rows of `splits.parquet`, by cell id.

    Columns: patch (its number), cell, block (its number), y0, x0, y1, x1 (pixels of the cell's
    grid, half open), split. A patch has the same number whichever cells are chosen, and numbers
    rise in rows from the top left of the area.

    Args:
        cells: of the whole area.
        settings: blocks and their splits.
        patch: edge of a patch in pixels.
        area: pixels of an area with blocks of its own, None of any other.
        chosen: ids of the cells whose patches are wanted; all by default.

    Raises:
        SettingsError: a patch larger than a block's inside, or a split without a patch in the
            whole area.
    """
    if patch > settings.block:
        raise SettingsError(
            f"window.patch: expected at most window.split.block={settings.block} pixels, found "
            f"{patch}. Make patches smaller or blocks larger"
        )
    blocks = blocks_of(area, settings, patch)
    _require_all(cells, blocks, patch)
    found = [
        row
        for cell in sorted(cells, key=lambda cell: cell.id)
        if chosen is None or cell.id in chosen
        for row in _cell_patches(cell, blocks, patch)
    ]
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(_TYPES)


def sides(start: NDArray[np.int64], end: NDArray[np.int64], until: int | None) -> NDArray[np.str_]:
    """On which side of an instant stretches of time lie.

    Args:
        start: [window] first instant of all that a window or its label looks at, in seconds.
        end: [window] first instant after it.
        until: the instant; None where splits are disjoint in space only.

    Returns:
        [window] `both` (any split may use it), `before` (training and validation), `after` (test)
        or `across` (none).
    """
    if until is None:
        return np.full(len(start), "both")
    return np.where(end <= until, "before", np.where(start >= until, "after", "across"))


USES: dict[Split, tuple[str, str]] = {
    "training": ("both", "before"),
    "validation": ("both", "before"),
    "test": ("both", "after"),
}
"""Sides of time whose windows a split may use."""


def _counts(pixels: tuple[int, int], edge: int) -> Block:
    """Rows and columns of squares, those cut off at the end among them."""
    return math.ceil(pixels[0] / edge), math.ceil(pixels[1] / edge)


def _top_left(grid: GeoBox) -> Block:
    """Row and column of a grid's top left pixel, counted from the origin of its CRS."""
    transform = grid.transform
    return round(transform.f / transform.e), round(transform.c / transform.a)


def _cell_patches(
    cell: Cell, blocks: Blocks, patch: int
) -> Iterator[tuple[int, str, int, int, int, int, int, Split]]:
    """Patches inside the core of a cell, in rows of blocks and of patches."""
    top, left = (i - a for i, a in zip(_top_left(cell.core), blocks.anchor, strict=True))
    rows, columns = cell.core.shape
    edge = blocks.edge
    for block_row in range(top // edge, -(-(top + rows) // edge)):
        for block_column in range(left // edge, -(-(left + columns) // edge)):
            block = (block_row, block_column)
            split = blocks.split(block)
            if split is None:
                continue
            for y, x in _tiles(blocks, block, patch):
                y0, x0 = y - top, x - left
                if 0 <= y0 <= rows - patch and 0 <= x0 <= columns - patch:
                    number = blocks.patch_number((y, x))
                    y0, x0 = y0 + cell.halo, x0 + cell.halo
                    place = (y0, x0, y0 + patch, x0 + patch)
                    yield number, cell.id, blocks.number(block), *place, split


def _tiles(blocks: Blocks, block: Block, patch: int) -> Iterator[tuple[int, int]]:
    """Top left corners of a block's patches, in pixels from the anchor.

    Each side that faces another split keeps half the buffer clear; a corner that touches another
    split only across the diagonal keeps a square of the whole buffer clear.
    """
    split, buffer, edge = blocks.split(block), blocks.settings.buffer, blocks.edge
    row, column = block

    def foreign(down: int, right: int) -> bool:
        other = blocks.split((row + down, column + right))
        return other is not None and other != split

    half = -(-buffer // 2)
    top, bottom = half * foreign(-1, 0), edge - half * foreign(1, 0)
    left, right = half * foreign(0, -1), edge - half * foreign(0, 1)
    corners = [(down, side) for down in (-1, 1) for side in (-1, 1) if foreign(down, side)]
    for y in range(top, bottom - patch + 1, patch):
        for x in range(left, right - patch + 1, patch):
            near = {-1: (y < buffer, x < buffer)}
            near[1] = (y + patch > edge - buffer, x + patch > edge - buffer)
            corner = (row * edge + y, column * edge + x)
            touched = any(near[down][0] and near[side][1] for down, side in corners)
            if not touched and blocks.holds(corner, patch):
                yield corner


def _apportion(shares: Sequence[float], count: int) -> list[Split]:
    """`count` splits whose numbers follow the shares, by the largest remainder."""
    exact = np.asarray(shares, np.float64) / sum(shares) * count
    numbers = np.floor(exact).astype(int)
    # Ties go to the split named first.
    order = np.argsort(-(exact - numbers).round(9), kind="stable")
    numbers[order[: count - numbers.sum()]] += 1
    return [split for split, n in zip(SPLITS, numbers, strict=True) for _ in range(n)]


@lru_cache(maxsize=4096)
def _group_splits(group: Block, shares: tuple[float, float, float], seed: int) -> tuple[Split, ...]:
    """Splits of a group's blocks in rows, from its place and the seed alone."""
    generator = np.random.default_rng([seed, group[0] + _GROUP_OFFSET, group[1] + _GROUP_OFFSET])
    splits = _apportion(shares, _GROUP * _GROUP)
    return tuple(splits[i] for i in generator.permutation(len(splits)))


def _shared_out(pixels: tuple[int, int], settings: SplitSettings, patch: int) -> dict[int, Split]:
    """Splits by block number, in shares, over the blocks that can hold a patch."""
    heights, widths = (
        np.minimum(settings.block, size - np.arange(0, size, settings.block)) for size in pixels
    )
    usable = np.flatnonzero((heights[:, None] >= patch) & (widths[None, :] >= patch))
    splits = _apportion(settings.shares, len(usable))
    order = np.random.default_rng(settings.seed).permutation(len(usable))
    return {int(usable[i]): split for i, split in zip(order, splits, strict=True)}


def _named(lists: BlockLists, shape: tuple[int, int]) -> dict[int, Split]:
    """Splits by block number as the settings name them."""
    count = shape[0] * shape[1]
    splits: dict[int, Split] = {}
    for split in SPLITS:
        for number in getattr(lists, split):
            if not 0 <= number < count:
                raise SettingsError(
                    f"window.split.assign.{split}: expected block numbers 0 to {count - 1} "
                    f"({shape[0]} rows of {shape[1]} blocks), found {number}. Correct the list or "
                    "window.split.block"
                )
            splits[number] = split
    return splits


def _require_all(cells: Sequence[Cell], blocks: Blocks, patch: int) -> None:
    """Refuse splits of which one has no patch although it should have some."""
    settings = blocks.settings
    if settings.assign is not None:
        wanted = [split for split in SPLITS if getattr(settings.assign, split)]
    else:
        wanted = [s for s, share in zip(SPLITS, settings.shares, strict=True) if share > 0]
    counts = dict.fromkeys(SPLITS, 0)
    for cell in cells:
        for *_, split in _cell_patches(cell, blocks, patch):
            counts[split] += 1
        if all(counts[split] for split in wanted):
            return
    found = ", ".join(f"{split} {count}" for split, count in counts.items())
    raise SettingsError(
        f"window.split: expected patches in every split, found {found}. Blocks of "
        f"{settings.block} pixels with a buffer of {settings.buffer} leave no room for patches "
        f"of {patch}, or the area holds too few blocks: make window.split.block or "
        "window.split.buffer smaller, or the area larger"
    )
