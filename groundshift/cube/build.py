"""Building a cube at once: every observation is read once per tile, every shard written once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.artifacts import Draft, ValueHash
from groundshift.artifacts.digests import DIGEST_BYTES
from groundshift.cube.fill import PixelState
from groundshift.cube.layout import Revision, SensorArrays, SensorIndex, write_group
from groundshift.cube.plan import CellPlan, SensorPlan, plan_cell, write_looks
from groundshift.cube.roles import assign_roles, signature_of
from groundshift.cube.source import Source
from groundshift.cube.tiles import Tile, TileWriter, bytes_per_tile, tiles_of
from groundshift.cube.timeline import Bins, Frame, day
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor, Signature
from groundshift.errors import SettingsError
from groundshift.memory import Room
from groundshift.settings import StackStage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Content:
    """What all cells of a cube share."""

    bins: Bins
    roles: dict[str, str]
    sensors: dict[str, Sensor]
    """Those with a role, in the roles' order."""
    signature: Signature

    @classmethod
    def of(cls, source: Source, settings: StackStage) -> "Content":
        """What the settings make of some observations.

        Raises:
            SettingsError: the roles can't be told, or there is no cell.
        """
        if not source.cells:
            raise SettingsError("the observations hold no cell; check area and rerun fetch")
        bins = Bins.of(settings)
        roles = assign_roles(source.sensors, settings.stack)
        sensors = {name: source.sensors[name] for name in roles.values()}
        resolution = float(source.cells[0].grid.resolution.x)
        signature = signature_of(sensors, roles, bins, resolution, settings.stack.max_age_days)
        return cls(bins, roles, sensors, signature)

    def attributes(self, cell: Cell) -> dict[str, Any]:
        """Attributes of a cell's group, JSON-ready."""
        return {
            "cell": cell.to_dict(),
            "roles": self.roles,
            "sensors": {name: sensor.to_dict() for name, sensor in self.sensors.items()},
            "signature": self.signature.to_dict(),
        }


def build(source: Source, draft: Draft, settings: StackStage) -> None:
    """Carry every valid pixel forward onto one cube per cell.

    Args:
        source: observations.
        draft: the artifact being written; gets files, summary, licences and value hash.
        settings: of the stage.

    Raises:
        SettingsError: the roles can't be told, or no acquisition lies in the period.
    """
    content = Content.of(source, settings)
    plans = [plan_cell(source, cell, content.sensors, content.bins) for cell in source.cells]
    if not any(plan.times.size for plan in plans):
        raise SettingsError(
            f"period: expected acquisitions from {settings.period.start} to {settings.period.end}, "
            f"found none of {', '.join(content.sensors)}. Check period and the fetched dates"
        )
    workers = workers_within(settings, content, [plan.cell for plan in plans])
    entries = []
    for plan in plans:
        revision = Revision(draft.folder, plan.cell.id, 1)
        indices = _fill_cell(source, plan, revision.group, workers)
        finish_cell(revision.group, revision.looks, content, plan, indices)
        hash_cell(draft.values, content, plan, indices)
        entries.append(cell_entry(plan, revision.number))
        log.info("cell %s: %d steps, %s", plan.cell.id, len(plan.times), _counts(plan))
    draft.summary.update(summary_of(content, entries))
    draft.licences.update(source.manifest.licences)
    draft.record |= behind(source)


def workers_within(
    settings: StackStage, content: Content, cells: Sequence[Cell], hold: int = 1
) -> int:
    """How many tiles are filled side by side: `stack.workers`, or as many as memory has room for.

    Args:
        settings: of the stage.
        content: of the cube.
        cells: to be filled.
        hold: shards that a tile keeps open at a time.

    Raises:
        SettingsError: not even one tile fits.
    """
    each = max(
        bytes_per_tile(sensor, cell.grid.shape, hold)
        for sensor in content.sensors.values()
        for cell in cells
    )
    room = Room(settings.memory, "stack")
    return room.at_once(settings.stack.workers, each, "one tile of a cube")


def advance(state: PixelState, source: Source, place: tuple[str, str, Tile], frame: Frame) -> None:
    """Bring a tile's state to a frame by taking in its looks.

    Args:
        state: of the tile, after the frame before.
        source: observations.
        place: cell id, sensor, tile.
        frame: the one to reach.
    """
    cell_id, sensor, tile = place
    state.begin_step()
    for number, time in enumerate(frame.looks):
        values, valid = source.read(cell_id, sensor, time)
        inside = (tile.rows, tile.columns)
        state.take(values[inside], valid[inside], day(time), fresh=number >= frame.early)


def each_tile(plan: CellPlan, workers: int, task: Callable[[SensorPlan, Tile], None]) -> None:
    """Run a task for every sensor and tile of a cell in threads; the first error ends it."""
    jobs = product(plan.sensors.values(), tiles_of(plan.cell.grid.shape))
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(task, sensor, tile) for sensor, tile in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def empty_digests(sensor: SensorPlan, cell: Cell) -> NDArray[np.uint8]:
    """Room for the digests of a sensor's frames, [slot, tile y, tile x, byte]."""
    last = tiles_of(cell.grid.shape)[-1]
    return np.zeros((sensor.slot_count, last.y + 1, last.x + 1, DIGEST_BYTES), np.uint8)


def index_of(plan: CellPlan, digests: Mapping[str, NDArray[np.uint8]]) -> dict[str, SensorIndex]:
    """The small arrays of a cell's sensors."""
    return {
        name: SensorIndex(sensor.slot_of_step(len(plan.times)), sensor.slot_times(), digests[name])
        for name, sensor in plan.sensors.items()
    }


def finish_cell(
    group: Path, looks: Path, content: Content, plan: CellPlan, indices: Mapping[str, SensorIndex]
) -> None:
    """Write everything of a cell but its shards."""
    sensors = {name: (content.sensors[name], index) for name, index in indices.items()}
    write_group(group, plan.cell.grid, plan.times, sensors, content.attributes(plan.cell))
    write_looks(looks, plan)


def hash_cell(
    values: ValueHash, content: Content, plan: CellPlan, indices: Mapping[str, SensorIndex]
) -> None:
    """Feed a cell's values in time order, so that slots and shards leave no trace.

    A frame's content is fed as the digests of its tiles, which are kept: a revision hashes anew
    only what it changed.
    """
    cell_id = plan.cell.id
    values.add(f"{cell_id}/time", plan.times)
    if (limit := content.signature.max_age_days) is not None:  # by which frames are read
        values.add_text(f"{cell_id}/max_age_days", [str(limit)])
    for name, sensor in sorted(plan.sensors.items()):
        steps = np.array([frame.step for frame in sensor.frames], np.int32)
        values.add(f"{cell_id}/{name}/step", steps)
        values.add(f"{cell_id}/{name}/time", indices[name].slot_times[list(sensor.slots)])
        values.add(f"{cell_id}/{name}/frame", indices[name].digests[list(sensor.slots)])


def behind(source: Source) -> dict[str, Any]:
    """What of its observations a cube records, which itself holds but what was seen.

    Returns:
        What was acquired by sensor, and its price; CPU seconds of fetching it, where known.
    """
    record = source.manifest.record
    price, spent = record.get("price", {}), record.get("cpu_seconds")
    counts: dict[str, Any] = source.manifest.summary.get("counts", {})
    acquired = {name: own | price.get(name, {}) for name, own in counts.items()}
    return {"acquired": acquired} | ({} if spent is None else {"fetch_cpu_seconds": spent})


def cell_entry(plan: CellPlan, revision: int) -> dict[str, Any]:
    """A cell's row of the summary."""
    frames = {name: len(sensor.frames) for name, sensor in plan.sensors.items()}
    return plan.cell.to_dict() | {
        "revision": revision,
        "steps": len(plan.times),
        "frames": frames,
        "observations": sum(len(sensor.looks) for sensor in plan.sensors.values()),
    }


def summary_of(content: Content, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The summary of a cube's manifest."""
    return {
        "cells": entries,
        "sensors": {name: sensor.to_dict() for name, sensor in content.sensors.items()},
        "roles": content.roles,
        "signature": content.signature.to_dict(),
    }


def _fill_cell(source: Source, plan: CellPlan, group: Path, workers: int) -> dict[str, SensorIndex]:
    digests = {name: empty_digests(sensor, plan.cell) for name, sensor in plan.sensors.items()}

    def fill(planned: SensorPlan, tile: Tile) -> None:
        sensor = planned.sensor
        state = PixelState(tile.shape, len(sensor.bands), sensor.dtype)
        place = (plan.cell.id, sensor.name, tile)
        with TileWriter(SensorArrays.of(group, sensor), tile) as writer:
            for frame, slot in zip(planned.frames, planned.slots, strict=True):
                advance(state, source, place, frame)
                image = state.image(day(frame.time))
                digests[sensor.name][slot, tile.y, tile.x] = image.digest()
                writer.put(slot, image)

    each_tile(plan, workers, fill)
    return index_of(plan, digests)


def _counts(plan: CellPlan) -> str:
    return ", ".join(f"{name} {len(s.frames)} frames" for name, s in plan.sensors.items())
