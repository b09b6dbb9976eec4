"""The plan of a cell: its time line, which looks make which frame, and where frames lie."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundshift.cube.layout import NO_SLOT, NO_TIME
from groundshift.cube.source import Source
from groundshift.cube.timeline import Bins, Frame, frames_of, time_line
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor

Looks = dict[int, str]
"""Digest of each observation's content by its time, ascending."""


@dataclass(frozen=True)
class SensorPlan:
    """One sensor's frames in time order.

    Attributes:
        sensor: whose.
        frames: in time order.
        slots: where each of them is stored.
        slot_count: slots in all, those of dropped frames included.
        looks: what the frames are made of.
    """

    sensor: Sensor
    frames: tuple[Frame, ...]
    slots: tuple[int, ...]
    slot_count: int
    looks: Looks

    def slot_of_step(self, steps: int) -> NDArray[np.int32]:
        """The slot of the frame that holds at each step, int32 [step]."""
        begins = np.array([frame.step for frame in self.frames], np.int64)
        holding = np.searchsorted(begins, np.arange(steps), side="right")
        return np.array([NO_SLOT, *self.slots], np.int32)[holding]

    def slot_times(self) -> NDArray[np.int64]:
        """The own time of each slot's frame, int64 [slot]."""
        times = np.full(self.slot_count, NO_TIME, np.int64)
        times[list(self.slots)] = [frame.time for frame in self.frames]
        return times

    def content(self, frame: Frame) -> tuple[tuple[int, str], ...]:
        """What a frame merges: time and digest of each look."""
        return tuple((time, self.looks[time]) for time in frame.looks)


@dataclass(frozen=True)
class CellPlan:
    """A cell's time line, int64 [step], and its sensors' frames."""

    cell: Cell
    times: NDArray[np.int64]
    sensors: dict[str, SensorPlan]


def plan_cell(source: Source, cell: Cell, names: Iterable[str], bins: Bins) -> CellPlan:
    """Plan a cell from its observations, frames in slots in time order."""
    names = list(names)
    times = time_line((source.acquisitions(cell.id, name) for name in names), bins)
    looks = {name: _looks(source.table, cell.id, name, bins) for name in names}
    return plan_from(cell, times, {name: source.sensors[name] for name in names}, looks, bins)


def plan_from(
    cell: Cell,
    times: NDArray[np.int64],
    sensors: Mapping[str, Sensor],
    looks: Mapping[str, Looks],
    bins: Bins,
) -> CellPlan:
    """Plan a cell from a known time line and known observations."""
    plans = {}
    for name, sensor in sensors.items():
        frames = frames_of(list(looks[name]), times, bins)
        slots = tuple(range(len(frames)))
        plans[name] = SensorPlan(sensor, frames, slots, len(slots), looks[name])
    return CellPlan(cell, times, plans)


def write_looks(path: Path, plan: CellPlan) -> None:
    """Write which observations a cell's frames are made of: sensor, time, digest."""
    rows = [
        (name, time, digest)
        for name, sensor in sorted(plan.sensors.items())
        for time, digest in sensor.looks.items()
    ]
    names, times, digests = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {
        "sensor": pa.array(names, pa.string()),
        "time": pa.array(times, pa.int64()),
        "digest": pa.array(digests, pa.string()),
    }
    pq.write_table(pa.table(columns), path)


def read_looks(path: Path, names: Iterable[str]) -> dict[str, Looks]:
    """What `write_looks` wrote, by sensor."""
    table = pd.read_parquet(path)
    return {name: _by_time(table[table["sensor"] == name]) for name in names}


def _looks(table: pd.DataFrame, cell_id: str, name: str, bins: Bins) -> Looks:
    """A sensor's observations before the period's end; later ones are never touched."""
    own = (table["cell"] == cell_id) & (table["sensor"] == name) & (table["time"] < bins.end)
    return _by_time(table[own])


def _by_time(rows: pd.DataFrame) -> Looks:
    return dict(sorted(zip(rows["time"].tolist(), rows["digest"].tolist(), strict=True)))
