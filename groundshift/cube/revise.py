"""Revising a cube: scenes appended, inserted late, replaced or dropped, at the cost of changes.

The observations are the truth. A revision compares them with those the cube was made from, fills
again what they change, and shares every untouched shard with the revision it replaces. The outcome
equals a cube built at once from the same observations.
"""

import logging
import math
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from groundshift import __version__
from groundshift.artifacts import Manifest, ValueHash, link_tree
from groundshift.artifacts.effort import Effort
from groundshift.artifacts.manifest import FILE_NAME, VERSIONS, FileEntry
from groundshift.artifacts.writing import provenance
from groundshift.cube.build import (
    Content,
    behind,
    cell_entry,
    finish_cell,
    hash_cell,
    summary_of,
    workers_within,
)
from groundshift.cube.commit import CONTRACT, Preparation, entries_of, preparing
from groundshift.cube.layout import NO_SLOT, Revision, SensorArrays, SensorIndex, read_index
from groundshift.cube.plan import CellPlan, plan_cell, plan_from, read_looks
from groundshift.cube.refill import OPEN_SHARDS, Known, kept_slots, refill_cell
from groundshift.cube.source import Source
from groundshift.cube.store import Cube
from groundshift.cube.timeline import Bins
from groundshift.errors import ContractError
from groundshift.settings import StackStage

log = logging.getLogger(__name__)

DIGESTS_SINCE = 2
"""Version of the contract since which frames have the digests they have now."""


@dataclass(frozen=True)
class Change:
    """One observation that a revision took in or out."""

    kind: Literal["append", "insert", "replace", "drop"]
    """append: later than the last step there was; insert: not later."""
    cell: str
    sensor: str
    time: int


@dataclass(frozen=True)
class Outcome:
    """What a revision did.

    Attributes:
        manifest: the cube's now; the old one where there was nothing to do.
        changes: of observations, in the order of cells, sensors and times.
        touched: by cell, the first and last time of the steps that read differently, old or new:
            windows that meet this range are not what they were.
        touched_bytes: stored size of the shards in which a value differs, and of new shards.
        written_bytes: size of all files written.
    """

    manifest: Manifest
    changes: tuple[Change, ...] = ()
    touched: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    touched_bytes: int = 0
    written_bytes: int = 0


@dataclass(frozen=True)
class _Revised:
    """A cell as it was and as it shall be; the same revision where nothing changes."""

    known: Known
    plan: CellPlan
    indices: dict[str, SensorIndex]
    revision: Revision
    shard_bytes: int = 0
    """Written for shards."""
    bytes: int = 0
    """Written in all."""

    @property
    def changed(self) -> bool:
        """Whether there is a new revision."""
        return self.revision != self.known.revision


def revise(cube: Path, source: Source, settings: StackStage) -> Outcome:
    """Bring a cube to what the observations are now.

    Args:
        cube: folder of the artifact. Readers keep the revision they opened until `prune`.
        source: observations as they are now; new, changed and missing ones are found by the
            digests of their content.
        settings: of the stage. Only the period's end may differ from the cube's.

    Raises:
        ContractError: the cube was made for other cells, sensors or settings, or another run
            revised it meanwhile.
        SettingsError: the settings don't fit the observations.
    """
    effort = Effort()
    with preparing(cube) as preparation:
        old = Cube.open(cube)
        content = Content.of(source, settings)
        if reason := _obstacle(old, source, content, settings):
            raise ContractError(
                f"{cube} can't be revised, only stacked anew (leave out --revise): {reason}"
            )
        workers = workers_within(settings, content, source.cells, OPEN_SHARDS)
        cells = [
            _revise_cell(preparation, known, source, content, workers)
            for known in _known_cells(old, content.bins)
        ]
        spans = {cell.plan.cell.id: _touched(cell) for cell in cells if cell.changed}
        touched = {cell_id: span for cell_id, span in spans.items() if span is not None}
        record = _record(effort, old.manifest.content_hash, touched)
        manifest = _manifest(old.manifest, cells, source, content, settings, record)
        if manifest.content_hash == old.manifest.content_hash:
            return Outcome(old.manifest)
        fresh = [cell for cell in cells if cell.changed]
        changes = tuple(change for cell in fresh for change in _changes(cell))
        preparation.commit(old.manifest.content_hash, manifest, [c.revision for c in fresh])
    return Outcome(
        manifest,
        changes,
        touched,
        sum(cell.shard_bytes for cell in cells),
        sum(cell.bytes for cell in cells) + (cube / FILE_NAME).stat().st_size,
    )


def obstacle(cube: Path, source: Source, settings: StackStage) -> str:
    """Why a cube can't be brought to some observations by a revision; empty if it can.

    Args:
        cube: folder of the artifact.
        source: observations as they are now.
        settings: of the stage.
    """
    return _obstacle(Cube.open(cube), source, Content.of(source, settings), settings)


def _obstacle(old: Cube, source: Source, content: Content, settings: StackStage) -> str:
    """What is of another kind than the cube, in words."""
    before, now = dict(old.manifest.settings), settings.affecting()
    for values in (before, now):
        values["period"] = {**values["period"], "end": "any"}
    return _difference(
        {
            "settings": before,
            "roles": old.roles,
            "cells": {cell_id: cube.cell.to_dict() for cell_id, cube in old.cells.items()},
            "sensors": {name: sensor.to_dict() for name, sensor in old.sensors.items()},
        },
        {
            "settings": now,
            "roles": content.roles,
            "cells": {cell.id: cell.to_dict() for cell in source.cells},
            "sensors": {name: sensor.to_dict() for name, sensor in content.sensors.items()},
        },
    )


def _difference(expected: Any, found: Any, place: str = "") -> str:
    """The first difference of two JSON-ready values, in words; empty if they are equal."""
    if expected == found:
        return ""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *found]:
            inner = _difference(expected.get(key), found.get(key), f"{place}.{key}".lstrip("."))
            if inner:
                return inner
    return f"{place}: expected {expected}, found {found}"


def _known_cells(old: Cube, bins: Bins) -> Iterator[Known]:
    """The cells of a cube, with the plans they were made by."""
    for entry, cube in zip(old.manifest.summary["cells"], old.cells.values(), strict=True):
        revision = Revision(old.folder, entry["id"], entry["revision"])
        looks = read_looks(revision.looks, old.sensors)
        # All of these looks lie before the end that the period had then.
        then = replace(bins, end=max(max(times, default=0) for times in looks.values()) + 1)
        plan = plan_from(cube.cell, cube.times, old.sensors, looks, then)
        indices = {name: read_index(cube.group, name) for name in old.sensors}
        sensors = {
            name: replace(
                planned,
                slots=tuple(indices[name].slot_of_step[[f.step for f in planned.frames]].tolist()),
                slot_count=len(indices[name].slot_times),
            )
            for name, planned in plan.sensors.items()
        }
        comparable = old.manifest.version >= DIGESTS_SINCE
        yield Known(revision, replace(plan, sensors=sensors), indices, comparable)


def _revise_cell(
    preparation: Preparation, known: Known, source: Source, content: Content, workers: int
) -> _Revised:
    """Prepare a cell's new revision, unless it stays as it is."""
    cell = known.plan.cell
    plan = kept_slots(plan_cell(source, cell, content.sensors, content.bins), known)
    same_looks = all(
        list(planned.looks.items()) == list(known.plan.sensors[name].looks.items())
        for name, planned in plan.sensors.items()
    )
    if known.comparable and same_looks and np.array_equal(plan.times, known.plan.times):
        return _Revised(known, known.plan, known.indices, known.revision)
    revision = Revision(preparation.folder, cell.id, known.revision.number + 1)
    indices, shard_bytes = refill_cell(source, plan, known, revision.group, workers)
    finish_cell(revision.group, revision.looks, content, plan, indices)
    written = [revision.looks, *(p for p in revision.group.rglob("*") if p.is_file())]
    size = sum(path.stat().st_size for path in written)
    for sensor in content.sensors.values():
        old, new = (SensorArrays.of(r.group, sensor) for r in (known.revision, revision))
        for before, now in zip(old, new, strict=True):
            link_tree(before.folder, now.folder)
    log.info("cell %s: revision %d, %d bytes written", cell.id, revision.number, size)
    return _Revised(known, plan, indices, revision, shard_bytes, size)


def _manifest(
    old: Manifest,
    cells: list[_Revised],
    source: Source,
    content: Content,
    settings: StackStage,
    record: dict[str, Any],
) -> Manifest:
    """The manifest of the cube after the revision."""
    known = {entry.path: entry for entry in old.files}
    values = ValueHash()
    files: list[FileEntry] = []
    for cell in cells:
        files += entries_of(cell.revision, cell.known.revision, known)
        hash_cell(values, content, cell.plan, cell.indices)
    return Manifest(
        contract=CONTRACT,
        version=VERSIONS[CONTRACT],
        settings=settings.affecting(),
        inputs={"observations": source.manifest.content_hash},
        files=tuple(sorted(files, key=lambda entry: entry.path)),
        value_hash=values.hexdigest(),
        summary=summary_of(content, [cell_entry(c.plan, c.revision.number) for c in cells]),
        licences=tuple(sorted(source.manifest.licences)),
        record=record | behind(source),
    )


def _record(effort: Effort, old: str, touched: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """What the manifest records of a revision: by what it was made, from which cube, what changed.

    Every window of a cell that begins after the last change or ends before the first one reads
    the same frames, byte for byte, as in the cube that this one was made from; so does every
    window of a cell that is not named. Times are seconds since 1970, of steps.
    """
    cells = {
        cell_id: {"first_changed": first, "last_changed": last}
        for cell_id, (first, last) in touched.items()
    }
    return {
        "code": __version__,
        **effort.record(),
        "machine": platform.machine(),
        **provenance,
        "revised": {"from": old, "cells": cells},
    }


def _changes(cell: _Revised) -> Iterator[Change]:
    """What became of the observations of a cell."""
    times = cell.known.plan.times
    last = int(times[-1]) if times.size else None
    for name, planned in sorted(cell.plan.sensors.items()):
        before, now = cell.known.plan.sensors[name].looks, planned.looks
        for moment in sorted(before.keys() | now.keys()):
            kind: Literal["append", "insert", "replace", "drop"]
            if moment not in now:
                kind = "drop"
            elif moment not in before:
                kind = "append" if last is None or moment > last else "insert"
            elif before[moment] != now[moment]:
                kind = "replace"
            else:
                continue
            yield Change(kind, cell.plan.cell.id, name, moment)


def _touched(cell: _Revised) -> tuple[int, int] | None:
    """First and last time of the steps that read differently now, or that came or went."""
    before, now = cell.known.plan.times, cell.plan.times
    common, in_before, in_now = np.intersect1d(before, now, return_indices=True)
    differs = np.zeros(len(common), bool)
    for name, index in cell.indices.items():
        old, new = _shown(cell.known.indices[name])[in_before], _shown(index)[in_now]
        differs |= (old != new).any(axis=1)
    times = np.concatenate([common[differs], np.setxor1d(before, now)])
    return (int(times.min()), int(times.max())) if times.size else None


def _shown(index: SensorIndex) -> NDArray[np.uint8]:
    """What each step shows of a sensor, [step, byte]: its frame, and whether that is new.

    A frame is told by its digest and by its time, to which the ages in the digest are relative.
    """
    slots = index.slot_of_step
    count = len(index.digests)
    digests = index.digests.reshape(count, math.prod(index.digests.shape[1:]))
    frames = np.hstack([digests, index.slot_times[:, None].view(np.uint8)])
    shown = np.zeros((len(slots), frames.shape[1] + 1), np.uint8)
    some = slots != NO_SLOT
    shown[some, :-1] = frames[slots[some]]
    shown[:, -1] = np.diff(slots, prepend=NO_SLOT) != 0
    return shown
