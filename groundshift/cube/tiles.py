"""Tiles: squares of a cell's grid that are filled one by one, so that memory stays bounded."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.fill import Image
from groundshift.cube.layout import SensorArrays
from groundshift.cube.shards import (
    CHUNK,
    SLOTS,
    TILE,
    Sharded,
    decode_shard,
    encode_shard,
    pieces,
)
from groundshift.domain.signature import Sensor


@dataclass(frozen=True)
class Tile:
    """One square of a grid, smaller at its right and lower edges."""

    y: int
    x: int
    rows: slice
    columns: slice

    @property
    def place(self) -> tuple[int, int]:
        """Row and column among the tiles."""
        return self.y, self.x

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns in pixels."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def tiles_of(shape: tuple[int, int]) -> tuple[Tile, ...]:
    """The tiles that cover a grid, row by row."""
    return tuple(
        Tile(y, x, rows, columns)
        for y, rows in pieces(slice(0, shape[0]), TILE)
        for x, columns in pieces(slice(0, shape[1]), TILE)
    )


def bytes_per_tile(sensor: Sensor, shape: tuple[int, int], hold: int = 1) -> int:
    """What filling one tile of a grid takes: open shards, the largest encoded, looks, the state.

    Args:
        sensor: whose frames it gets.
        shape: rows and columns of the grid.
        hold: shards kept open at a time.
    """
    rows, columns = (-(-min(size, TILE) // CHUNK) * CHUNK for size in shape)
    values = len(sensor.bands) * np.dtype(sensor.dtype).itemsize
    beside = np.dtype(np.int16).itemsize + 1  # age and freshness
    # A shard's bytes are joined from those of its chunks; looks come with whole pages of a file.
    return rows * columns * (hold * SLOTS * (values + beside) + 2 * SLOTS * values + 8 * values)


class TileWriter:
    """Gathers the frames of one sensor over one tile into whole shards.

    Writing frame by frame into a shard would encode it anew each time. With `old`, a shard starts
    from what the older revision holds, and one that comes out the same is not written.
    """

    def __init__(
        self, arrays: SensorArrays, tile: Tile, *, old: SensorArrays | None = None, hold: int = 1
    ) -> None:
        """Start with nothing gathered.

        Args:
            arrays: where shards are written.
            tile: which square.
            old: arrays of an older revision.
            hold: shards kept open at a time; a revision goes to and fro between old and new slots.
        """
        self.arrays = arrays
        self.written: list[Path] = []
        """Files written, in order."""
        self._tile = tile
        self._old = old
        self._hold = hold
        self._open: OrderedDict[int, tuple[NDArray[Any], ...]] = OrderedDict()
        self._blank: dict[int, set[int]] = {}
        """By open shard, the slots to which nothing was put yet: they may hold anything."""
        self._spare: tuple[NDArray[Any], ...] = ()

    def put(self, slot: int, image: Image) -> None:
        """Store a frame."""
        group, local = divmod(slot, SLOTS)
        values, fresh, age_days = self._shards(group)
        self._blank[group].discard(local)
        values[:, :, local] = image.values
        fresh[:, :, local] = image.fresh
        age_days[:, :, local] = image.age_days

    def close(self) -> None:
        """Write what is still open."""
        while self._open:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()

    def _shards(self, group: int) -> tuple[NDArray[Any], ...]:
        if group not in self._open:
            if len(self._open) == self._hold:
                self._flush()
            self._open[group] = self._load(group)
        self._open.move_to_end(group)
        return self._open[group]

    def _load(self, group: int) -> tuple[NDArray[Any], ...]:
        # Memory that was written is used again: new pages cost more than all that is put there.
        shards = self._spare or tuple(_room(array, self._tile) for array in self.arrays)
        self._spare, self._blank[group] = (), set(range(SLOTS))
        known = [self._known(position, group) for position in range(len(shards))]
        if any(known):
            self._blank[group] = set()
            for array, chunks, path in zip(self.arrays, shards, known, strict=True):
                chunks[...] = array.fill
                if path is not None:
                    decode_shard(path, chunks)
        return shards

    def _known(self, position: int, group: int) -> Path | None:
        """The newest file that holds a shard already."""
        return next((path for path in self._sources(position, group) if path.exists()), None)

    def _sources(self, position: int, group: int) -> list[Path]:
        """Files that may hold a shard already, the newest first."""
        revisions = (self.arrays, self._old) if self._old else (self.arrays,)
        return [tuple(arrays)[position].path(group, self._tile.place) for arrays in revisions]

    def _flush(self) -> None:
        """Write the shards that were used longest ago."""
        group, shards = self._open.popitem(last=False)
        blank = self._blank.pop(group)
        for position, (array, chunks) in enumerate(zip(self.arrays, shards, strict=True)):
            for local in blank:
                chunks[:, :, local] = array.fill
            parts = encode_shard(array.codec, chunks)
            target, *older = self._sources(position, group)
            if not target.exists() and any(_holds(path, parts) for path in older):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                file.writelines(parts)
            self.written.append(target)
        self._spare = shards


def _room(array: Sharded, tile: Tile) -> NDArray[Any]:
    """Room for a tile's shard as chunks [y, x, *stored axes]."""
    count = tuple(-(-size // CHUNK) for size in tile.shape)
    return np.empty((*count, *array.chunk_shape), array.dtype)


def _holds(path: Path, parts: list[bytes]) -> bool:
    """Whether a file already holds the content."""
    size = sum(map(len, parts))
    return path.exists() and path.stat().st_size == size and path.read_bytes() == b"".join(parts)
