"""Filling a cell's tiles again: from the first frame that changed, for as long as it matters."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.build import advance, each_tile, empty_digests, index_of
from groundshift.cube.fill import Image, PixelState
from groundshift.cube.layout import Revision, SensorArrays, SensorIndex
from groundshift.cube.plan import CellPlan, SensorPlan
from groundshift.cube.source import Source
from groundshift.cube.tiles import Tile, TileWriter
from groundshift.cube.timeline import Frame, day

OPEN_SHARDS = 3
"""Of one tile: new frames lie in the last shards, those that they change in older ones."""


@dataclass(frozen=True)
class Known:
    """A cell as the cube holds it: where, its plan with the slots in use, its small arrays."""

    revision: Revision
    plan: CellPlan
    indices: dict[str, SensorIndex]
    comparable: bool = True
    """Whether its digests are of the present kind."""


def kept_slots(plan: CellPlan, known: Known) -> CellPlan:
    """A plan whose frames stay in the slots they have; new frames take slots at the end.

    The slot of a dropped frame stays empty: drops are rare, and filling the gap would change a
    shard that is shared otherwise.
    """
    sensors = {}
    for name, planned in plan.sensors.items():
        before = known.plan.sensors[name]
        slots = {f.bin: slot for f, slot in zip(before.frames, before.slots, strict=True)}
        count = before.slot_count
        for frame in planned.frames:
            if frame.bin not in slots:
                slots[frame.bin] = count
                count += 1
        taken = tuple(slots[frame.bin] for frame in planned.frames)
        sensors[name] = replace(planned, slots=taken, slot_count=count)
    return replace(plan, sensors=sensors)


def refill_cell(
    source: Source, plan: CellPlan, known: Known, group: Path, workers: int
) -> tuple[dict[str, SensorIndex], int]:
    """Write the shards of a cell that differ from the known revision.

    Args:
        source: observations as they are now.
        plan: of the cell as it shall be, with slots.
        known: the cell as it is.
        group: Zarr group of the new revision.
        workers: threads.

    Returns:
        The small arrays, and the size of the shards written in bytes.
    """
    digests = {}
    for name, planned in plan.sensors.items():
        digests[name] = empty_digests(planned, plan.cell)
        before = known.indices[name].digests
        digests[name][: len(before)] = before
    written: list[int] = []

    def refill(planned: SensorPlan, tile: Tile) -> None:
        name = planned.sensor.name
        old = SensorArrays.of(known.revision.group, planned.sensor)
        new = SensorArrays.of(group, planned.sensor)
        before = known.plan.sensors[name]
        roll = _Roll(source, plan.cell.id, planned, before, tile, old, known.comparable)
        with TileWriter(new, tile, old=old, hold=OPEN_SHARDS) as writer:
            roll.run(digests[name], writer)
        written.append(sum(path.stat().st_size for path in set(writer.written)))

    each_tile(plan, workers, refill)
    return index_of(plan, digests), sum(written)


@dataclass(frozen=True)
class _Roll:
    """Filling one sensor's tile again."""

    source: Source
    cell_id: str
    planned: SensorPlan
    before: SensorPlan
    tile: Tile
    arrays: SensorArrays
    """Of the known revision."""
    comparable: bool
    """Whether the known digests are of the present kind; else every frame is made again."""

    def run(self, digests: NDArray[np.uint8], writer: TileWriter) -> None:
        """Write the frames that differ.

        Args:
            digests: [slot, tile y, tile x, byte], the known ones first; brought up to date.
            writer: of the tile.
        """
        unchanged = [self.comparable and same for same in _unchanged(self.planned, self.before)]
        place = (self.cell_id, self.planned.sensor.name, self.tile)
        state: PixelState | None = None  # None: to be restored from the known revision if needed
        as_known = True  # whether the state is the one that the known revision had here
        for number, (frame, slot) in enumerate(
            zip(self.planned.frames, self.planned.slots, strict=True)
        ):
            if as_known and unchanged[number]:
                state = None
                continue
            if state is None:
                state = self._state_before(number)
            advance(state, self.source, place, frame)
            image = state.image(day(frame.time))
            digest = image.digest()
            known = digests[slot, self.tile.y, self.tile.x]
            as_known = slot < self.before.slot_count and np.array_equal(known, digest)
            if not as_known:
                digests[slot, self.tile.y, self.tile.x] = digest
                writer.put(slot, image)

    def _state_before(self, number: int) -> PixelState:
        """The state before a frame, from the known revision."""
        sensor = self.planned.sensor
        if number == 0:
            return PixelState(self.tile.shape, len(sensor.bands), sensor.dtype)
        frame = self.planned.frames[number - 1]
        slots = np.array([self.planned.slots[number - 1]])
        values, fresh, age_days = (
            array.read(slots, self.tile.rows, self.tile.columns)[0] for array in self.arrays
        )
        return Image.of(values, fresh, age_days, day(frame.time)).state()


def _unchanged(planned: SensorPlan, before: SensorPlan) -> list[bool]:
    """Which frames merge the same looks, in the same bin, after a frame of the same bin as before.

    Such a frame is the same as before if the state before it is.
    """
    known = {
        frame.bin: (previous, before.content(frame)) for previous, frame in _linked(before.frames)
    }
    return [
        known.get(frame.bin) == (previous, planned.content(frame))
        for previous, frame in _linked(planned.frames)
    ]


def _linked(frames: tuple[Frame, ...]) -> list[tuple[int | None, Frame]]:
    """Each frame with the bin of the one before it."""
    bins = [None, *(frame.bin for frame in frames)]
    return list(zip(bins, frames, strict=False))
