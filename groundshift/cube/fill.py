"""Carrying valid pixels forward: what a sensor last saw at every pixel of a tile (method 5.4).

A tile lies in memory chunk by chunk, as it is stored, so that a frame is turned once, when it is
taken in, and goes from there to its shard and into its digest by whole blocks.
"""

import ctypes
import hashlib
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift import compiled
from groundshift.artifacts.digests import row_digests
from groundshift.compiled import address
from groundshift.cube.shards import CHUNK, pieces

NEVER = -1
"""Age and look day of a pixel without a valid look yet."""

_OUTSIDE = np.iinfo(np.int32).max
"""Look day of pixels beyond the tile in its last chunks: in whatever follows their age is 0."""
_OLDEST = np.iinfo(np.int16).max
_COMPILED = (2, 4)
"""Sizes of values in bytes that `carry.c` takes."""


class Image:
    """A frame of a tile, chunk by chunk.

    Attributes:
        values: [chunk y, chunk x, band, y, x] as stored; 0 where never seen.
        fresh: [chunk y, chunk x, y, x] bool.
        age_days: [chunk y, chunk x, y, x] int16, days from the last valid look to `day`; -1 where
            there is none.
        day: the frame's own.
        shape: rows and columns of the tile; what its last chunks hold beyond it is 0.
        chunks: [chunk y, chunk x, byte], all of the above, which are views of it.
    """

    def __init__(self, shape: tuple[int, int], bands: int, dtype: str, day: int = 0) -> None:
        """A frame of zeros.

        Args:
            shape: rows and columns.
            bands: number of bands.
            dtype: stored type of the sensor.
            day: the frame's own.
        """
        count = tuple(-(-size // CHUNK) for size in shape)
        sizes = [CHUNK**2 * size for size in (bands * np.dtype(dtype).itemsize, 2, 1)]
        ages, fresh, end = np.cumsum(sizes).tolist()
        self.shape, self.day = shape, day
        self.chunks = np.zeros((*count, end), np.uint8)
        plane = (*count, CHUNK, CHUNK)
        values = self.chunks[..., :ages].view(dtype)
        self.values: NDArray[Any] = values.reshape(*count, bands, CHUNK, CHUNK)
        self.age_days: NDArray[np.int16] = (
            self.chunks[..., ages:fresh].view(np.int16).reshape(plane)
        )
        self.fresh: NDArray[np.bool_] = self.chunks[..., fresh:].view(bool).reshape(plane)

    @classmethod
    def of(
        cls, values: NDArray[Any], fresh: NDArray[Any], age_days: NDArray[Any], day: int
    ) -> "Image":
        """A frame from arrays [y, x, band] and [y, x]."""
        image = cls(fresh.shape, values.shape[-1], values.dtype.name, day)
        image.values[...] = chunked(values)
        image.fresh[...] = chunked(fresh)
        image.age_days[...] = chunked(age_days)
        return image

    def digest(self) -> NDArray[np.uint8]:
        """A hash of the frame, uint8 [16].

        Frames with equal digests are equal states: what follows from both is the same. It is the
        MD5 of the day and of the MD5s of the chunks, which `md5.c` makes side by side: it has to
        tell what changed, not to withstand whoever forges a frame. Files have their SHA-256.
        """
        rows = row_digests(self.chunks.reshape(-1, self.chunks.shape[-1]))
        whole = hashlib.md5(np.int64(self.day).tobytes() + rows.tobytes(), usedforsecurity=False)
        return np.frombuffer(whole.digest(), np.uint8)

    def state(self) -> "PixelState":
        """The state that a stored frame left behind."""
        state = PixelState(self.shape, self.values.shape[2], self.values.dtype.name)
        state.values[...] = self.values
        seen = chunked(np.ones(self.shape, bool)) & (self.age_days != NEVER)
        state.look_day[seen] = self.day - self.age_days[seen].astype(np.int32)
        return state


class PixelState:
    """The last valid look of one sensor at each pixel of a tile.

    Attributes:
        values: [chunk y, chunk x, band, y, x] as stored; 0 where never seen.
        look_day: [chunk y, chunk x, y, x] int32, the day of the last valid look, -1 where there
            is none.
        fresh: [chunk y, chunk x, y, x] bool, whether that look fell into the current step.
    """

    def __init__(self, shape: tuple[int, int], bands: int, dtype: str) -> None:
        """A tile that was never seen.

        Args:
            shape: rows and columns.
            bands: number of bands.
            dtype: stored type of the sensor.
        """
        self._image = Image(shape, bands, dtype)
        self.values, self.fresh = self._image.values, self._image.fresh
        self.look_day = np.full(self.fresh.shape, _OUTSIDE, np.int32)
        self.look_day[chunked(np.ones(shape, bool))] = NEVER

    def begin_step(self) -> None:
        """Nothing is fresh yet."""
        self.fresh[...] = False

    def take(
        self, values: NDArray[Any], valid: NDArray[np.bool_], day: int, *, fresh: bool
    ) -> None:
        """Replace the pixels that an observation saw.

        Args:
            values: [y, x, band] as stored.
            valid: [y, x]; the mask holds for all bands alike.
            day: the observation's day.
            fresh: whether it counts as a look of the current step.
        """
        kernel = _kernel()
        values = np.asarray(values, self.values.dtype)
        if kernel is None or values.itemsize not in _COMPILED:
            self._take_plainly(values, valid, day, fresh=fresh)
            return
        if values.strides[1:] != (values.shape[2] * values.itemsize, values.itemsize):
            values = np.ascontiguousarray(values)
        if valid.strides[1] != 1:
            valid = np.ascontiguousarray(valid)
        chunks = self._image.chunks
        sizes = (values.itemsize, values.strides[0], valid.strides[0], chunks.shape[-1])
        shape = np.array([*values.shape, *sizes], np.int64)
        given = map(address, (chunks, self.look_day, values, valid, shape))
        kernel.carry_take(*given, ctypes.c_int32(day), ctypes.c_int32(fresh))

    def image(self, day: int) -> Image:
        """The frame that this state is at a day; lent, not copied."""
        self._image.day = day
        chunks, kernel = self._image.chunks, _kernel()
        if kernel is None:
            ages = np.subtract(day, self.look_day, dtype=np.int32)
            np.clip(ages, 0, _OLDEST, out=ages)
            np.copyto(ages, NEVER, where=self.look_day == NEVER)
            self._image.age_days[...] = ages
        else:
            sizes = (
                ctypes.c_int64(self.look_day.size // CHUNK**2),
                ctypes.c_int64(chunks.shape[-1]),
            )
            kernel.carry_ages(address(chunks), address(self.look_day), *sizes, ctypes.c_int32(day))
        return self._image

    def _take_plainly(
        self, values: NDArray[Any], valid: NDArray[np.bool_], day: int, *, fresh: bool
    ) -> None:
        """What `take` does, chunk by chunk in NumPy."""
        whole = [slice(0, size) for size in valid.shape]
        for (y, rows), (x, columns) in product(*(pieces(span, CHUNK) for span in whole)):
            seen = valid[rows, columns]
            inside: Any = (y, x, ..., *(slice(0, size) for size in seen.shape))
            bands = np.moveaxis(values[rows, columns], -1, 0)
            np.copyto(self.values[inside], bands, where=seen)
            np.copyto(self.look_day[inside], day, where=seen)
            if fresh:
                self.fresh[inside] |= seen


def chunked(image: NDArray[Any]) -> NDArray[Any]:
    """An image [y, x, ...] as chunks [chunk y, chunk x, ..., y, x], filled up with zeros."""
    rows, columns, *rest = image.shape
    margin = [(0, -rows % CHUNK), (0, -columns % CHUNK), *[(0, 0)] * len(rest)]
    if margin[0][1] or margin[1][1]:
        image = np.pad(image, margin)
    split = image.reshape(-(-rows // CHUNK), CHUNK, -(-columns // CHUNK), CHUNK, *rest)
    return np.moveaxis(split, (0, 2, 1, 3), (0, 1, -2, -1))


@cache
def _kernel() -> Any:
    """The functions of `carry.c`; None where it was not compiled."""
    return compiled.library("groundshift.cube._carry")
