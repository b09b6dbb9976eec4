"""Mean series of objects: radar power per track and indices of the optical sensor, look by look.

Speckle averages out over pixels, and a building lasts where a crop doesn't, so the mean over the
pixels of an object dates its change to the look. Sums are kept instead of means, so that the parts
of an object that crosses the edge of a cell can be added.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from groundshift.cube.store import CellCube
from groundshift.domain.bands import Role, role_index
from groundshift.domain.signature import Sensor
from groundshift.errors import SettingsError

INDICES: dict[str, tuple[Role, Role]] = {"NDVI": ("nir", "red"), "NDBI": ("swir1", "nir")}
"""Normalised differences (a - b) / (a + b) of vegetation and of built-up ground."""

_BLOCK = 64
"""Edge of the squares that are read at a time; only those with an object in them are."""

_MOST = 0.5
"""A look counts for an object if it brought more than this share of its pixels something new."""


@dataclass(frozen=True)
class MeanSeries:
    """Mean over an object's pixels, look by look.

    Attributes:
        sensor: name.
        quantities: what is measured.
        times: [look] in seconds, ascending.
        values: [look, quantity]. Radar in linear power: in decibels a slow change would seem to
            happen early, as half the decibels are reached long before half the power.
        seasonal: whether the seasons move it, as they do indices of vegetation.
    """

    sensor: str
    quantities: tuple[str, ...]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    seasonal: bool = False


@dataclass(frozen=True)
class LookSums:
    """Sums over an object's pixels, look by look, of one sensor.

    Attributes:
        sensor: name.
        quantities: what is measured.
        seasonal: see `MeanSeries`.
        times: [look] in seconds, ascending.
        totals: [look, quantity] over the pixels that got a new look.
        seen: [look] number of these.
    """

    sensor: str
    quantities: tuple[str, ...]
    seasonal: bool
    times: NDArray[np.int64]
    totals: NDArray[np.float64]
    seen: NDArray[np.int64]

    def __add__(self, other: "LookSums") -> "LookSums":
        """The sums of two parts together; one may have looks that the other doesn't."""
        times, place = np.unique(np.concatenate([self.times, other.times]), return_inverse=True)
        totals = np.zeros((len(times), len(self.quantities)))
        seen = np.zeros(len(times), np.int64)
        np.add.at(totals, place, np.concatenate([self.totals, other.totals]))
        np.add.at(seen, place, np.concatenate([self.seen, other.seen]))
        return LookSums(self.sensor, self.quantities, self.seasonal, times, totals, seen)

    def series(self, pixels: int) -> MeanSeries:
        """Means at the looks that most of the object's pixels had."""
        kept = self.seen > _MOST * pixels
        means = self.totals[kept] / self.seen[kept, None]
        return MeanSeries(self.sensor, self.quantities, self.times[kept], means, self.seasonal)


ReadSums = Callable[[NDArray[np.int32]], Sequence[Sequence[LookSums]]]
"""Gives the sums of the objects 1, 2, ... of labels [y, x] on the scores' grid, per object."""


def cube_sums(cube: CellCube, origin: tuple[int, int] = (0, 0)) -> ReadSums:
    """Sums from a cell of a cube, of its radar sensors and its optical one.

    Args:
        cube: the cell.
        origin: row and column of the labels' first pixel on the cell's grid.
    """

    def read(labels: NDArray[np.int32]) -> list[list[LookSums]]:
        count = int(labels.max(initial=0))
        sensors = [cube.sensors[name] for _, name in sorted(cube.roles.items())]
        whole = [_sensor_sums(cube, sensor, labels, origin, count) for sensor in sensors]
        return [[per_object[i] for per_object in whole if per_object] for i in range(count)]

    return read


def _sensor_sums(
    cube: CellCube,
    sensor: Sensor,
    labels: NDArray[np.int32],
    origin: tuple[int, int],
    count: int,
) -> list[LookSums]:
    """Per object; nothing of an optical sensor whose bands give no index."""
    quantities, bands = _quantities(sensor)
    if not quantities or not count:
        return []
    totals: NDArray[np.float64] | None = None
    seen = np.empty(0, np.int64)
    times = np.empty(0, np.int64)
    for rows, columns in _squares(labels):
        place = (
            slice(rows.start + origin[0], rows.stop + origin[0]),
            slice(columns.start + origin[1], columns.stop + origin[1]),
        )
        values, fresh, _ = cube.looks(sensor.name, *place, bands)
        if totals is None:
            times = cube.look_times(sensor.name)
            totals = np.zeros((count, len(times), len(quantities)))
            seen = np.zeros((count, len(times)), np.int64)
        inside = labels[rows, columns]
        pixels = inside > 0
        numbers, member = np.unique(inside[pixels], return_inverse=True)
        within = csr_matrix((np.ones(len(member)), (member, np.arange(len(member)))))
        measured = _measured(sensor, values[:, pixels])
        weights = fresh[:, pixels] & np.isfinite(measured).all(axis=-1)
        weighed = np.where(weights[..., None], measured, 0).astype(np.float64)
        for index in range(len(quantities)):
            totals[numbers - 1, :, index] += within @ weighed[..., index].T
        seen[numbers - 1] += (within @ weights.T.astype(np.float64)).astype(np.int64)
    assert totals is not None  # there is an object, so there was a square
    seasonal = sensor.kind == "optical"
    return [
        LookSums(sensor.name, quantities, seasonal, times, total, looks[0])
        for total, looks in zip(totals, np.split(seen, count), strict=True)
    ]


def _squares(labels: NDArray[np.int32]) -> list[tuple[slice, slice]]:
    """The squares that hold a pixel of an object."""
    height, width = labels.shape
    squares = [
        (slice(y, min(y + _BLOCK, height)), slice(x, min(x + _BLOCK, width)))
        for y in range(0, height, _BLOCK)
        for x in range(0, width, _BLOCK)
    ]
    return [square for square in squares if labels[square].any()]


def _quantities(sensor: Sensor) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What is measured of a sensor, and the bands it takes."""
    if sensor.kind == "radar":
        return tuple(sensor.bands), tuple(range(len(sensor.bands)))
    names: list[str] = []
    bands: list[int] = []
    for name, roles in INDICES.items():
        try:
            pair = [role_index(sensor.mission, sensor.bands, role) for role in roles]
        except SettingsError:
            continue
        names.append(name)
        bands += pair
    return tuple(names), tuple(bands)


def _measured(sensor: Sensor, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Quantities [look, pixel, quantity] from bands [look, pixel, band]."""
    if sensor.kind == "radar":
        return values
    first, second = values[..., 0::2], values[..., 1::2]
    total = first + second
    unknown = np.full_like(total, np.nan)
    return np.asarray(np.divide(first - second, total, out=unknown, where=total > 0))
