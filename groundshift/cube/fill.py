"""Carrying valid pixels forward: what a sensor last saw at every pixel of a tile (method 5.4)."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEVER = -1
"""Age and look day of a pixel without a valid look yet."""

DIGEST_BYTES = 16

_OLDEST = np.iinfo(np.int16).max


class PixelState:
    """The last valid look of one sensor at each pixel of a tile.

    Attributes:
        values: [y, x, band] as stored; 0 where never seen.
        look_day: [y, x] int32, the day of the last valid look, -1 where there is none.
        fresh: [y, x] bool, whether that look fell into the current step.
    """

    def __init__(self, shape: tuple[int, int], bands: int, dtype: str) -> None:
        """A tile that was never seen.

        Args:
            shape: rows and columns.
            bands: number of bands.
            dtype: stored type of the sensor.
        """
        self.values = np.zeros((*shape, bands), dtype)
        self.look_day = np.full(shape, NEVER, np.int32)
        self.fresh = np.zeros(shape, bool)

    def begin_step(self) -> None:
        """Nothing is fresh yet."""
        self.fresh[:] = False

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
        # A pixel's bands move as one item: five times faster than a mask repeated over the bands.
        pixel = np.dtype((np.void, self.values.shape[-1] * self.values.itemsize))
        source = np.asarray(values, self.values.dtype)
        np.copyto(self.values.view(pixel)[..., 0], source.view(pixel)[..., 0], where=valid)
        np.copyto(self.look_day, day, where=valid)
        if fresh:
            self.fresh |= valid

    def image(self, day: int) -> "Image":
        """The frame that this state is at a day; its arrays are lent, not copied."""
        ages = np.subtract(day, self.look_day, dtype=np.int32)
        np.clip(ages, 0, _OLDEST, out=ages)
        np.copyto(ages, NEVER, where=self.look_day == NEVER)
        return Image(self.values, self.fresh, ages.astype(np.int16), day)


@dataclass(frozen=True)
class Image:
    """A frame of a tile.

    Attributes:
        values: [y, x, band] as stored; 0 where never seen.
        fresh: [y, x] bool.
        age_days: [y, x] int16, days from the last valid look to `day`; -1 where there is none.
        day: the frame's own.
    """

    values: NDArray[Any]
    fresh: NDArray[np.bool_]
    age_days: NDArray[np.int16]
    day: int

    def digest(self) -> NDArray[np.uint8]:
        """A hash of the frame, uint8 [16].

        Frames with equal digests are equal states: what follows from both is the same.
        """
        digest = hashlib.sha256(np.int64(self.day).tobytes())
        for array in (self.values, self.fresh, self.age_days):
            digest.update(array.data)
        return np.frombuffer(digest.digest()[:DIGEST_BYTES], np.uint8)

    def state(self) -> PixelState:
        """The state that a stored frame left behind."""
        state = PixelState(self.fresh.shape, self.values.shape[-1], self.values.dtype.name)
        state.values[:] = self.values
        seen = self.age_days != NEVER
        state.look_day[seen] = self.day - self.age_days[seen].astype(np.int32)
        return state
