"""A series as the checks see it: all images of one sensor over one cell, at a lattice of pixels.

The lattice is fixed by the cell, so that what a check finds depends on which images there are and
on the cell, never on the order in which images came. Medians over time at each pixel, rather than
over a whole image, keep clouds and partial coverage from looking like a change of level.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.bands import TABLES, Role
from groundshift.domain.signature import Sensor
from groundshift.observations.checks.values import is_thermal
from groundshift.observations.store import Record

_LATTICE = 64  # points a side
_DARKEST = 1e-10  # of linear power: what has no signal at all has no decibels

Floats = NDArray[np.float32]
Read = Callable[[Record], tuple[Floats, NDArray[np.bool_]]]
"""Physical values [y, x, band] and validity [y, x] of a stored observation."""


@dataclass(frozen=True)
class Measure:
    """What a check measured on one image.

    Attributes:
        time: Of the image, seconds since 1970.
        check: Name of the check.
        value: What was measured, in the unit of the limit.
        limit: From where on the image fails.
        problem: What is wrong, with numbers; empty if the image passes.
    """

    time: int
    check: str
    value: float
    limit: float
    problem: str = ""


@dataclass(frozen=True)
class Series:
    """All stored images of one sensor over one cell, in order of time.

    Attributes:
        sensor: What the values are.
        resolution: Pixel size in metres (or in the units of the grid).
        records: One per image.
        read: Gives their pixels.
        workers: Threads that read.
    """

    sensor: Sensor
    resolution: float
    records: Sequence[Record]
    read: Read
    workers: int = 1

    @cached_property
    def samples(self) -> Floats:
        """Values at the lattice's points, [image, point, band], NaN where invalid."""
        with ThreadPoolExecutor(self.workers) as pool:
            return np.stack(list(pool.map(self._sample, self.records)))

    @cached_property
    def decibels(self) -> Floats:
        """The samples of a radar sensor in dB; NaN also where there is no signal."""
        with np.errstate(invalid="ignore", divide="ignore"):
            power = np.where(self.samples > _DARKEST, self.samples, np.nan)
            return np.asarray(10 * np.log10(power), np.float32)

    @cached_property
    def level(self) -> Floats:
        """Median over time at each point, [point, band]."""
        return median(self.samples, axis=0)

    @property
    def reflective(self) -> list[int]:
        """Bands that hold reflectance."""
        names = enumerate(self.sensor.bands)
        return [i for i, name in names if not is_thermal(self.sensor.mission, name)]

    def band(self, role: Role) -> int | None:
        """Number of the band that sees a part of the spectrum, if there is one."""
        table = TABLES.get(self.sensor.mission, ())
        names = [band.name for band in table if band.role == role]
        return next((self.sensor.bands.index(n) for n in names if n in self.sensor.bands), None)

    def by_orbit(self) -> list[list[int]]:
        """Numbers of the images of each orbit: each looks at the ground in its own way."""
        orbits = sorted({record.orbit for record in self.records})
        numbered = list(enumerate(self.records))
        return [[i for i, record in numbered if record.orbit == orbit] for orbit in orbits]

    def _sample(self, record: Record) -> Floats:
        values, valid = self.read(record)
        rows, columns = (max(1, -(-size // _LATTICE)) for size in valid.shape)
        points = np.s_[rows // 2 :: rows, columns // 2 :: columns]
        sample = np.where(valid[points][..., None], values[points], np.float32(np.nan))
        return np.asarray(sample, np.float32).reshape(-1, values.shape[-1])


def median(values: Floats, axis: int) -> Floats:
    """Median of what is known along an axis; NaN where nothing is."""
    if not values.shape[axis]:
        return np.full(np.delete(values.shape, axis), np.nan, np.float32)
    known = np.isfinite(values)
    ordered = np.sort(np.where(known, values, np.float32(np.inf)), axis=axis)
    count = known.sum(axis=axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[axis] - 1), axis)
    with np.errstate(invalid="ignore"):
        middle = np.where(count > 0, (low + high) / 2, np.float32(np.nan))
    return np.asarray(middle, np.float32).squeeze(axis)
