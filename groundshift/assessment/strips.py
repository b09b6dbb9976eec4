"""Strips: the looks at some rows of a block over the whole time line, as baselines take them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.assessment.window_statistics import Looks, decibels, normalised_difference
from groundshift.cube.store import CellCube
from groundshift.domain.bands import Role, role_index
from groundshift.domain.time import DAY
from groundshift.errors import SettingsError
from groundshift.samples.labels.synthetic import OPTICAL_ROLE, RADAR_ROLES

INDICES: dict[str, tuple[Role, Role]] = {
    "ndvi": ("nir", "red"),
    "ndbi": ("swir1", "nir"),
    "mndwi": ("green", "swir1"),
}
"""Normalised differences of bands: vegetation, built-up, water."""

Steps = tuple[int, int]
"""First step, and the step after the last."""


@dataclass(frozen=True)
class Spans:
    """The steps of the windows of one cell that are scored.

    Attributes:
        cell: id of the cell; empty where there is no window.
        ids: [window] of `samples.parquet`.
        current: [window, 2], half open.
        previous: [window, 2], -1 where the kind of window has none.
        following: [window, 2], likewise.
    """

    cell: str
    ids: NDArray[np.int64]
    current: NDArray[np.int64]
    previous: NDArray[np.int64]
    following: NDArray[np.int64]

    @classmethod
    def of(cls, windows: pd.DataFrame) -> "Spans":
        """The spans of one cell's rows of the index of windows.

        Only triple windows are compared by their neighbours: a single one may stand at the end of
        the series, and must be judged by the same rule as the rest.
        """
        triple = (windows["kind"] == "triple").to_numpy()[:, None]
        pairs = {
            name: windows[[f"{name}first", f"{name}stop"]].to_numpy(np.int64)
            for name in ("", "previous_", "next_")
        }
        return cls(
            next(iter(windows["cell"]), ""),
            windows["id"].to_numpy(np.int64),
            pairs[""],
            np.where(triple, pairs["previous_"], -1),
            np.where(triple, pairs["next_"], -1),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def thirds(self, window: int) -> tuple[Steps, Steps]:
        """The first and the last third of a window's steps."""
        first, stop = (int(i) for i in self.current[window])
        third = max((stop - first) // 3, 1)
        return (first, first + third), (stop - third, stop)

    def compared(self, window: int) -> tuple[Steps, Steps]:
        """Before and after: the neighbours of a triple window, the outer thirds of a single one."""
        if self.previous[window, 0] < 0 or self.following[window, 0] < 0:
            return self.thirds(window)
        before, after = self.previous[window], self.following[window]
        return (int(before[0]), int(before[1])), (int(after[0]), int(after[1]))


@dataclass(frozen=True)
class Strip:
    """What the sensors saw of some rows of a block.

    Attributes:
        shape: rows and columns.
        radar: per radar stream, bands in decibels.
        power: per radar stream, the same looks in linear power.
        optical: bands in reflectance, None without optical images.
        indices: those of `INDICES` for which there are bands, per look.
        places: where in `optical` the band of a role stands.
        days: [t] instants of the steps in days since 1970.
    """

    shape: tuple[int, int]
    radar: tuple[Looks, ...]
    power: tuple[Looks, ...]
    optical: Looks | None
    indices: Looks | None
    places: Mapping[Role, int]
    days: NDArray[np.float64]

    @classmethod
    def of(cls, cube: CellCube, rows: slice, columns: slice) -> "Strip":
        """The strip at some rows and columns of a cell's grid, from the first step on."""
        radar, power, optical, indices = [], [], None, None
        places = optical_places(cube)
        for role, name in sorted(cube.roles.items()):
            frames = cube.read(name, 0, len(cube.times), rows, columns)
            seen = frames.age_days >= 0
            looks = Looks(frames.values, frames.fresh, seen)
            if role in RADAR_ROLES:
                power.append(looks)
                radar.append(Looks(decibels(frames.values), frames.fresh, seen))
            else:
                optical = looks
                computed = _indices(frames.values, places)
                indices = None if computed is None else Looks(computed, frames.fresh, seen)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        days = cube.times / DAY
        return cls(shape, tuple(radar), tuple(power), optical, indices, places, days)


def optical_places(cube: CellCube) -> dict[Role, int]:
    """Where the optical sensor's bands stand that some index needs, as far as it has them."""
    places: dict[Role, int] = {}
    if OPTICAL_ROLE not in cube.roles:
        return places
    sensor = cube.sensors[cube.roles[OPTICAL_ROLE]]
    roles: tuple[Role, ...] = ("blue", "green", "red", "nir", "swir1", "swir2")
    for role in roles:
        try:
            places[role] = role_index(sensor.mission, sensor.bands, role)
        except SettingsError:  # this area does without the band
            continue
    return places


def _indices(values: NDArray[np.float32], places: Mapping[Role, int]) -> NDArray[np.float32] | None:
    """Indices of every look [t, y, x, index], None where no index has both its bands."""
    pairs = [pair for pair in INDICES.values() if pair[0] in places and pair[1] in places]
    if not pairs:
        return None
    layers = [
        normalised_difference(values[..., places[a]], values[..., places[b]]) for a, b in pairs
    ]
    return np.stack(layers, axis=-1)
