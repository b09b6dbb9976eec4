"""The cube artifact, opened for reading: frames of a cell by steps, rows and columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundshift.artifacts import Manifest, parts_of, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.cube.commit import CONTRACT
from groundshift.cube.fill import NEVER
from groundshift.cube.layout import (
    NO_SLOT,
    Revision,
    SensorArrays,
    SensorIndex,
    read_index,
    read_times,
)
from groundshift.cube.timeline import days
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor, Signature
from groundshift.errors import ContractError


@dataclass(frozen=True)
class Frames:
    """Images of one sensor.

    Attributes:
        values: [t, y, x, band] float32 in physical units; 0.0 where never seen.
        fresh: [t, y, x] bool, whether a new valid look fell into this very step.
        age_days: [t, y, x] int16, calendar days (UTC) from the last valid look to the step; -1
            where there was none yet, or none within the greatest age of the signature.
    """

    values: NDArray[np.float32]
    fresh: NDArray[np.bool_]
    age_days: NDArray[np.int16]


@dataclass(frozen=True)
class CellCube:
    """One cell of a cube.

    Attributes:
        group: its Zarr group.
        cell: place and pixels.
        sensors: by name.
        roles: sensor by role (`radar_a`, `radar_b`, `optical`); any may be absent.
        signature: what the numbers are.
    """

    group: Path
    cell: Cell
    sensors: dict[str, Sensor]
    roles: dict[str, str]
    signature: Signature

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """The time line, int64 [step], seconds since 1970, ascending."""
        return read_times(self.group)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, halo included."""
        rows, columns = self.cell.grid.shape
        return rows, columns

    def read(
        self,
        sensor: str,
        first: int,
        stop: int,
        rows: slice,
        columns: slice,
        bands: Sequence[int] | None = None,
    ) -> Frames:
        """One image per step in `[first, stop)`.

        Args:
            sensor: by name.
            first: step.
            stop: step, exclusive.
            rows: of the cell's grid.
            columns: likewise.
            bands: which ones, in the order wanted; None is all.

        Raises:
            ContractError: steps, rows or columns outside the cube, or a damaged file.
        """
        unique, frame_of_step = self.frames(sensor, first, stop, rows, columns, bands)
        begins = _begins(frame_of_step)
        fresh = np.zeros((len(frame_of_step), *unique.fresh.shape[1:]), bool)
        fresh[begins] = unique.fresh
        step_days = days(self.times[first:stop])
        elapsed = step_days - step_days[begins][frame_of_step]
        ages = _older(unique.age_days[frame_of_step], elapsed)
        return Frames(unique.values[frame_of_step], fresh, ages)

    def frames(
        self,
        sensor: str,
        first: int,
        stop: int,
        rows: slice,
        columns: slice,
        bands: Sequence[int] | None = None,
    ) -> tuple[Frames, NDArray[np.int64]]:
        """The images behind the steps in `[first, stop)`, none of them twice.

        Takes the arguments of `read`, which gives `images[frame_of_step]`. A frame of which
        pixels grow too old meanwhile makes several images.

        Returns:
            images: each as it is at the first of these steps that shows it. One that began before
                `first` is carried in: nothing of it is fresh.
            frame_of_step: int [step], which image a step shows.

        Raises:
            ContractError: steps, rows or columns outside the cube, or a damaged file.
        """
        self._check_span(first, stop, len(self.times), "steps")
        rows, columns = self._inside(rows, 0), self._inside(columns, 1)
        index = self._index(sensor)
        slots = index.slot_of_step[first:stop].astype(np.int64)
        begins = _begins(slots)
        frame_of_step = np.searchsorted(begins, np.arange(len(slots)), side="right") - 1
        arrays = SensorArrays.of(self.group, self.sensors[sensor])
        wanted = slots[begins]
        seen = wanted[wanted != NO_SLOT]
        fresh = arrays.fresh.read(seen, rows, columns)
        if first > 0 and len(seen) and index.slot_of_step[first - 1] == seen[0]:
            fresh[0] = False
        elapsed = days(self.times[first:stop][begins])[wanted != NO_SLOT]
        elapsed -= days(index.slot_times[seen])
        ages = _older(arrays.age_days.read(seen, rows, columns), elapsed)
        values = self.sensors[sensor].decode(arrays.values.read(seen, rows, columns, bands))
        if self.sensors[sensor].offset:
            values[ages == NEVER] = 0  # where a stored 0 stands for nothing, not for the offset
        frames = Frames(values, fresh, ages)
        if len(seen) < len(wanted):
            frames = _led_by_nothing(frames)
        limit = self.signature.max_age_days
        if limit is None:
            return frames, frame_of_step
        return _within(limit, frames, frame_of_step, days(self.times[first:stop]))

    def looks(
        self, sensor: str, rows: slice, columns: slice, bands: Sequence[int] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
        """Every image of a sensor once, for sums over looks: `frames` of all steps without ages.

        Returns:
            values: [frame, y, x, band] in physical units; they mean something where `fresh`.
            fresh: [frame, y, x], whether the frame brought the pixel a new valid look.
            steps: [frame], step at which each frame came, ascending.

        Raises:
            ContractError: rows or columns outside the cube, or a damaged file.
        """
        fresh, steps = self.fresh(sensor, rows, columns)
        rows, columns = self._inside(rows, 0), self._inside(columns, 1)
        slots = self._index(sensor).slot_of_step[steps].astype(np.int64)
        arrays = SensorArrays.of(self.group, self.sensors[sensor])
        values = arrays.values.read(slots, rows, columns, bands)
        return self.sensors[sensor].decode(values), fresh, steps

    def fresh(
        self, sensor: str, rows: slice, columns: slice
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """What `looks` gives of every image without its values: `fresh` and `steps`.

        Raises:
            ContractError: rows or columns outside the cube, or a damaged file.
        """
        rows, columns = self._inside(rows, 0), self._inside(columns, 1)
        slots = self._index(sensor).slot_of_step.astype(np.int64)
        steps = _begins(slots)
        steps = steps[slots[steps] != NO_SLOT]
        arrays = SensorArrays.of(self.group, self.sensors[sensor])
        return arrays.fresh.read(slots[steps], rows, columns), steps

    def look_times(self, sensor: str) -> NDArray[np.int64]:
        """When each image of `looks` was taken, int64 [frame], seconds since 1970.

        A step's own time is that of its last look of any sensor, up to a step's length later.
        """
        index = self._index(sensor)
        slots = index.slot_of_step[_begins(index.slot_of_step)]
        return np.asarray(index.slot_times[slots[slots != NO_SLOT]])

    def _index(self, sensor: str) -> SensorIndex:
        try:
            return self._indices[sensor]
        except KeyError:
            raise ContractError(
                f"{self.group}: expected one of the sensors {', '.join(self.sensors)}, "
                f"found {sensor!r}. Stack with it, or read another"
            ) from None

    @cached_property
    def _indices(self) -> dict[str, SensorIndex]:
        return {name: read_index(self.group, name) for name in self.sensors}

    def _inside(self, span: slice, axis: int) -> slice:
        """A span with both its ends, checked against the grid."""
        size = self.shape[axis]
        start = 0 if span.start is None else span.start
        stop = size if span.stop is None else span.stop
        self._check_span(start, stop, size, ("rows", "columns")[axis])
        return slice(start, stop)

    def _check_span(self, start: int, stop: int, size: int, what: str) -> None:
        if not 0 <= start <= stop <= size:
            raise ContractError(
                f"{self.group}: expected {what} inside 0 to {size}, found {start} to {stop}. "
                "Rerun the stage that indexes the cube: python -m components.window"
            )


class Cube:
    """A cube artifact. It keeps the revision it was opened at, whatever is written later."""

    def __init__(self, folder: Path, manifest: Manifest, parts: Mapping[str, Path]) -> None:
        """Use `open`, which checks the folder first.

        Args:
            folder: of the artifact, or of a collection of them.
            manifest: of either.
            parts: folder of the artifact that holds a cell, by cell.
        """
        summary = manifest.summary
        self.folder = folder
        self.manifest = manifest
        self.signature = Signature.from_dict(summary["signature"])
        self.roles: dict[str, str] = dict(summary["roles"])
        self.sensors = {
            name: Sensor.from_dict(values) for name, values in summary["sensors"].items()
        }
        self.cells = {
            entry["id"]: CellCube(
                Revision(parts[entry["id"]], entry["id"], entry["revision"]).group,
                Cell.from_dict(entry),
                self.sensors,
                self.roles,
                self.signature,
            )
            for entry in summary["cells"]
        }

    @classmethod
    def open(cls, folder: Path) -> "Cube":
        """Open an artifact, or a collection with one per cell, and check that it is whole.

        Raises:
            ContractError: not a whole cube, or a broken invariant.
        """
        manifest = read_manifest(folder, CONTRACT)
        check_files(folder, manifest)
        cells = [entry["id"] for entry in manifest.summary["cells"]]
        cube = cls(folder, manifest, parts_of(folder, CONTRACT, cells))
        for cell_cube in cube.cells.values():
            if not (np.diff(cell_cube.times) > 0).all():
                raise ContractError(
                    f"{cell_cube.group}: expected times in ascending order, found others. "
                    "Rerun the stage that writes it: python -m components.stack"
                )
        return cube


def _begins(frames: NDArray[np.signedinteger]) -> NDArray[np.int64]:
    """Positions at which a sequence of frame numbers begins a new one."""
    changed = np.ones(len(frames), bool)
    changed[1:] = frames[1:] != frames[:-1]
    return np.flatnonzero(changed)


def _older(ages: NDArray[np.int16], elapsed: NDArray[np.int64]) -> NDArray[np.int16]:
    """Ages [t, y, x] after some more days [t]; never stays never."""
    later = np.minimum(ages + elapsed[:, None, None], np.iinfo(np.int16).max)
    return np.where(ages == NEVER, NEVER, later).astype(np.int16)


def _within(
    limit: int, frames: Frames, frame_of_step: NDArray[np.int64], step_days: NDArray[np.int64]
) -> tuple[Frames, NDArray[np.int64]]:
    """Images in which what is older than a limit counts as never seen.

    Args:
        limit: days.
        frames: each as it is at the first step that shows it.
        frame_of_step: int [step].
        step_days: int [step], day of each step.

    Returns:
        As `CellCube.frames`: an image of its own for each step at which pixels grow too old.
    """
    shows_new = _begins(frame_of_step)
    elapsed = step_days - step_days[shows_new][frame_of_step]
    expired = np.zeros(len(elapsed), np.int64)
    for number, ages in enumerate(frames.age_days):
        shown = frame_of_step == number
        ordered = np.sort(ages[ages != NEVER])
        valid = np.searchsorted(ordered, limit - elapsed[shown], side="right")
        expired[shown] = ordered.size - valid
    parts = np.stack([frame_of_step, expired], axis=1)
    begins = np.flatnonzero((np.diff(parts, axis=0, prepend=-1) != 0).any(axis=1))
    chosen = frame_of_step[begins]
    ages = _older(frames.age_days[chosen], elapsed[begins])
    gone = ages > limit
    ages[gone] = NEVER
    values, fresh = frames.values[chosen], frames.fresh[chosen]
    values[gone] = 0
    fresh[gone | ~np.isin(begins, shows_new)[:, None, None]] = False
    image_of_step = np.searchsorted(begins, np.arange(len(elapsed)), side="right") - 1
    return Frames(values, fresh, ages), image_of_step


def _led_by_nothing(frames: Frames) -> Frames:
    """Frames with one before them in which nothing was seen yet."""
    before = ((1, 0), (0, 0), (0, 0))
    return Frames(
        np.pad(frames.values, (*before, (0, 0))),
        np.pad(frames.fresh, before),
        np.pad(frames.age_days, before, constant_values=NEVER),
    )
