"""Shards: the files of a cube's large arrays, each written whole and read by chunks.

The bytes are those of Zarr v3's sharding codec: the inner chunks one after another, then an index
of their offsets and lengths, then its CRC-32C. They are made and read here because the general
codec pipeline costs several hundred microseconds per chunk where this costs about twenty, and
because a revision has to know which files it wrote.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import google_crc32c
import numpy as np
from numcodecs import blosc
from numpy.typing import NDArray

from groundshift.artifacts.ranged import need
from groundshift.errors import ContractError

SLOTS = 16
"""Frames in a shard, and in each of its chunks: a window needs a few dozen."""
TILE = 256
"""Edge of a shard in pixels: a tile, the unit in which pixels are filled and digested."""
CHUNK = 32
"""Edge of a chunk in pixels: a training patch."""

_SIDE = TILE // CHUNK
_MISSING = np.iinfo(np.uint64).max
_INDEX_BYTES = _SIDE * _SIDE * 2 * 8
_CHECKSUM_BYTES = 4

# As Zarr's own codec asks for on import: one thread per call, and no lock between calls.
blosc.use_threads = False


@dataclass(frozen=True)
class Codec:
    """How a chunk is compressed, without loss."""

    name: Literal["lz4", "zstd"]
    shuffle: Literal["shuffle", "bitshuffle"]
    level: int = 1
    """Of Blosc: 9 looks at every byte, 1 skips ahead where nothing was found."""

    def encode(self, chunk: NDArray[Any]) -> bytes:
        """Compress a contiguous chunk as one block, so that what a frame repeats is found."""
        mode = blosc.SHUFFLE if self.shuffle == "shuffle" else blosc.BITSHUFFLE
        encoded: bytes = blosc.compress(chunk, self.name.encode(), self.level, mode, chunk.nbytes)
        return encoded


@dataclass(frozen=True)
class Sharded:
    """A large array of a cube, `[slot, y, x, band]` or `[slot, y, x]`, and where it lies.

    Attributes:
        folder: the array's folder in the Zarr group.
        bands: number of bands; 0 where the array has no such axis.
        dtype: stored type.
        fill: value where nothing is stored.
    """

    folder: Path
    bands: int
    dtype: str
    fill: int = 0

    @property
    def codec(self) -> Codec:
        """By measurement: pixels are read far more often than written, so speed decides.

        Radar is noise that nothing shrinks much; optical bands repeat from frame to frame, which
        LZ4 finds as well. Freshness and ages are small, and smaller by Zstandard.
        """
        if self.dtype == "float32":
            return Codec("lz4", "bitshuffle")
        if self.bands:
            return Codec("lz4", "shuffle", 9)
        return Codec("zstd", "shuffle")

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """A chunk as stored: slot, band, y, x. Bands before pixels shrink far better than after."""
        return (SLOTS, *((self.bands,) if self.bands else ()), CHUNK, CHUNK)

    def path(self, group: int, tile: tuple[int, int]) -> Path:
        """The file of a shard, named as Zarr does."""
        place = self.folder / "c" / str(group) / str(tile[0]) / str(tile[1])
        return place / "0" if self.bands else place

    def read(
        self,
        slots: NDArray[np.int64],
        rows: slice,
        columns: slice,
        bands: Sequence[int] | None = None,
    ) -> NDArray[Any]:
        """Stored values of some slots in a part of the grid.

        Args:
            slots: in the order wanted.
            rows: start and stop inside the grid.
            columns: likewise.
            bands: which ones, in the order wanted; None is all.

        Returns:
            [slot, y, x, band], or [slot, y, x] for an array without bands.

        Raises:
            ContractError: a damaged shard.
        """
        axis = (self.bands if bands is None else len(bands),) if self.bands else ()
        size = (rows.stop - rows.start, columns.stop - columns.start)
        out = np.full((len(slots), *size, *axis), self.fill, self.dtype)
        for group in np.unique(slots // SLOTS).tolist():
            wanted = np.flatnonzero(slots // SLOTS == group)
            local = _as_slice(slots[wanted] % SLOTS)
            target = _as_slice(wanted)
            for y, x, chunk in self._chunks(group, rows, columns):
                picked = chunk[local][..., _within(y, CHUNK), _within(x, CHUNK)]
                if self.bands:
                    picked = picked if bands is None else picked[:, list(bands)]
                    picked = np.moveaxis(picked, 1, -1)
                out[target, _shift(y, rows.start), _shift(x, columns.start)] = picked
        return out

    def _chunks(
        self, group: int, rows: slice, columns: slice
    ) -> Iterator[tuple[slice, slice, NDArray[Any]]]:
        """The stored chunks that meet a part of the grid, with the rows and columns they share."""
        tiles = product(pieces(rows, TILE), pieces(columns, TILE))
        for (tile_y, tile_rows), (tile_x, tile_columns) in tiles:
            path = self.path(group, (tile_y, tile_x))
            if not path.exists():
                continue
            with ShardFile(path) as shard:
                inside = [*product(pieces(tile_rows, CHUNK), pieces(tile_columns, CHUNK))]
                shard.expect((y % _SIDE, x % _SIDE) for (y, _), (x, _) in inside)
                for (chunk_y, y), (chunk_x, x) in inside:
                    chunk = np.empty(self.chunk_shape, self.dtype)
                    if shard.decode(chunk_y % _SIDE, chunk_x % _SIDE, chunk):
                        yield y, x, chunk


class ShardFile:
    """One shard, open for reading."""

    def __init__(self, path: Path) -> None:
        """Open a shard and check its index.

        Raises:
            ContractError: the file is too short or its index is damaged.
        """
        self._path = path
        self._file = path.open("rb", buffering=0)
        size = os.fstat(self._file.fileno()).st_size
        tail = self._pread(size - _INDEX_BYTES - _CHECKSUM_BYTES, _INDEX_BYTES + _CHECKSUM_BYTES)
        checksum = int.from_bytes(tail[_INDEX_BYTES:], "little")
        if google_crc32c.value(tail[:_INDEX_BYTES]) != checksum:
            raise self._damaged("an index that fits its checksum", "another one")
        self._index = np.frombuffer(tail, "<u8", _SIDE * _SIDE * 2).reshape(_SIDE, _SIDE, 2)

    def expect(self, places: Iterable[tuple[int, int]]) -> None:
        """Say which chunks will be decoded: of a shard in S3 they come at once."""
        spans = [self._index[y, x].tolist() for y, x in places]
        need(self._path, [(begin, length) for begin, length in spans if begin != _MISSING])

    def decode(self, y: int, x: int, out: NDArray[Any]) -> bool:
        """Decompress a chunk, given by its place in the shard, into a contiguous array.

        Returns:
            False, with `out` as it was, where the chunk holds nothing.
        """
        offset, length = self._index[y, x].tolist()
        if offset == _MISSING:
            return False
        encoded = self._pread(offset, length)
        try:
            blosc.decompress(encoded, out)
        except (RuntimeError, ValueError) as error:
            raise self._damaged("whole chunks", str(error)) from error
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _pread(self, offset: int, length: int) -> bytes:
        found = b""
        if offset >= 0:
            need(self._path, [(offset, length)])
            found = os.pread(self._file.fileno(), length, offset)
        if len(found) != length:
            raise self._damaged(f"{length} bytes at {offset}", f"{len(found)} bytes")
        return found

    def _damaged(self, expected: str, found: str) -> ContractError:
        self._file.close()
        return ContractError(
            f"{self._path}: expected {expected}, found {found}. "
            "Rerun the stage that writes it: python -m components.stack"
        )


def encode_shard(codec: Codec, chunks: NDArray[Any]) -> list[bytes]:
    """The bytes of a shard, in parts that follow one another.

    Args:
        codec: of the array.
        chunks: [y, x, *stored axes of a chunk], contiguous; fewer than a full shard's at the
            right and lower edges of the grid.
    """
    index = np.full((_SIDE, _SIDE, 2), _MISSING, "<u8")
    parts = [codec.encode(chunk) for row in chunks for chunk in row]
    sizes = np.array([len(part) for part in parts], "<u8").reshape(chunks.shape[:2])
    held = index[: chunks.shape[0], : chunks.shape[1]]
    held[..., 0] = (np.cumsum(sizes) - sizes.ravel()).reshape(sizes.shape)
    held[..., 1] = sizes
    tail = index.tobytes()
    checksum = google_crc32c.value(tail).to_bytes(_CHECKSUM_BYTES, "little")
    return [*parts, tail, checksum]


def decode_shard(path: Path, chunks: NDArray[Any]) -> None:
    """Read all chunks of a shard into an array shaped as `encode_shard` takes it."""
    with ShardFile(path) as shard:
        for y, x in np.ndindex(*chunks.shape[:2]):
            shard.decode(y, x, chunks[y, x])


def pieces(span: slice, unit: int) -> Iterator[tuple[int, slice]]:
    """Cut a span at multiples of a unit: the unit's number and its part of the span."""
    if span.start >= span.stop:
        return
    for number in range(span.start // unit, -(-span.stop // unit)):
        yield number, slice(max(span.start, number * unit), min(span.stop, (number + 1) * unit))


def _within(span: slice, unit: int) -> slice:
    """A piece's place inside its unit."""
    return _shift(span, span.start // unit * unit)


def _shift(span: slice, origin: int) -> slice:
    return slice(span.start - origin, span.stop - origin)


def _as_slice(indices: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Neighbouring indices as a slice, which numpy copies faster."""
    first, last = int(indices[0]), int(indices[-1])
    if last - first == len(indices) - 1 and np.array_equal(indices, np.arange(first, last + 1)):
        return slice(first, last + 1)
    return indices
