"""Taking observations in: read every acquisition onto every cell, check it, store it.

Acquisitions that can't be used go to quarantine with the reason. Of several images of one sensor
and instant the newest processing is kept, of two tiles of a swath the one with more valid pixels.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from groundshift.artifacts import Draft, ValueHash
from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat, stamp
from groundshift.errors import Look, NoDataError, SourceError
from groundshift.observations.checks import duplicate, odd
from groundshift.observations.costs import Cost, total
from groundshift.observations.planting import PlacedChange, Plan, plant
from groundshift.observations.radiometry import encode
from groundshift.observations.sources.base import Acquisition, Image, Scene, Source
from groundshift.observations.store import NO_VALID_PIXEL, Record, write_observation

NO_OVERLAP = "outside of the image"
_AS_FULL = 0.9  # of the fullest image's valid pixels


@dataclass(frozen=True)
class _Candidate:
    """An image of one instant over one cell, or why there is none."""

    record: Record
    image: Image | None


class Intake:
    """One run of taking observations in, resumable after a kill."""

    def __init__(
        self, source: Source, cells: Sequence[Cell], draft: Draft, plan: Plan | None = None
    ) -> None:
        """Prepare a run.

        Args:
            source: Where acquisitions come from.
            cells: Where they go.
            draft: The artifact being written.
            plan: Changes to plant into the images.
        """
        self._source, self._cells, self._draft = source, cells, draft
        self._placed: Mapping[str, tuple[PlacedChange, ...]] = {
            cell.id: plan.on(cell.grid) if plan else () for cell in cells
        }
        groups = groupby(source.acquisitions, key=lambda item: (item.sensor, item.time))
        self.instants: tuple[tuple[Acquisition, ...], ...] = tuple(
            tuple(items) for _, items in groups
        )
        """Acquisitions of one sensor and instant belong together, in canonical order."""

    @property
    def pending(self) -> list[Acquisition]:
        """What an earlier, killed run has not taken in yet."""
        left = (items for items in self.instants if not self._done(items[0]).is_file())
        return [item for items in left for item in items if not item.problem]

    def run(self, workers: int) -> Iterator[list[Record]]:
        """Take in every instant, in canonical order whatever the number of threads.

        Yields:
            The records of one instant over all cells.

        Raises:
            SourceError: a damaged image.
        """
        pool = ThreadPoolExecutor(workers)
        try:
            yield from pool.map(self._take, self.instants)
        finally:
            pool.shutdown(cancel_futures=True)

    def _take(self, acquisitions: tuple[Acquisition, ...]) -> list[Record]:
        first = acquisitions[0]
        done = self._done(first)
        if done.is_file():
            return [Record(**values) for values in json.loads(done.read_text())]
        records = []
        with ExitStack() as stack:
            scenes = [
                None if item.problem else stack.enter_context(self._source.open(item))
                for item in acquisitions
            ]
            for cell in self._cells:
                pairs = zip(acquisitions, scenes, strict=True)
                candidates = [self._read(item, scene, cell) for item, scene in pairs]
                records += self._keep(candidates, cell)
        done.parent.mkdir(parents=True, exist_ok=True)
        partial = done.with_suffix(".part")
        partial.write_text(json.dumps([asdict(record) for record in records]))
        partial.rename(done)
        return records

    def _done(self, first: Acquisition) -> Path:
        """Where the records of an instant are kept until the end."""
        return self._draft.scratch / "done" / first.sensor / f"{stamp(first.time)}.json"

    def _read(self, acquisition: Acquisition, scene: Scene | None, cell: Cell) -> _Candidate:
        known = asdict(acquisition)
        problem = known.pop("problem")
        record = Record(cell=cell.id, **known)
        if scene is None:
            return _Candidate(replace(record, reason=problem), None)
        try:
            image = scene.read(cell.grid)
        except SourceError as error:
            if not error.lost:
                raise
            return _Candidate(replace(record, reason=str(error)), None)
        if image is None:
            return _Candidate(replace(record, reason=NO_OVERLAP), None)
        if self._placed[cell.id]:
            planted = plant(image.values, image.valid, acquisition.time, self._placed[cell.id])
            image = replace(image, values=planted[0], valid=planted[1])
        share = float(np.mean(image.valid))
        reason = "" if share else NO_VALID_PIXEL
        return _Candidate(replace(record, valid_share=share, reason=reason), image)

    def _keep(self, candidates: list[_Candidate], cell: Cell) -> list[Record]:
        """Store the best of one instant's images and tell what became of each."""
        usable = [item for item in candidates if not item.record.reason]
        if not usable:
            return [item.record for item in candidates]
        best = _best(usable)
        stored = self._store(best, cell)
        return [
            stored
            if item is best
            else replace(item.record, reason=item.record.reason or _yields(item, best))
            for item in candidates
        ]

    def _store(self, candidate: _Candidate, cell: Cell) -> Record:
        image, sensor = candidate.image, self._source.sensors[candidate.record.sensor]
        assert image is not None  # it was usable
        values = encode(image.values, image.valid, sensor)
        digest = ValueHash()
        digest.add("values", values)
        digest.add("valid", image.valid)
        if image.probability is not None:
            digest.add("probability", image.probability)
        record = replace(
            candidate.record,
            checks="; ".join(filter(None, (image.note, odd(image.values, image.valid, sensor)))),
            digest=digest.hexdigest(),
        )
        folders = self._draft.folder, self._draft.scratch
        write_observation(*folders, cell.grid, record, values, image.valid, image.probability)
        return record


def _best(usable: Sequence[_Candidate]) -> _Candidate:
    """Of several images of one instant the newest processing, of those the fullest.

    A newer one that shows much less of the ground is another part of it, another tile of the swath
    perhaps, and not the same image again.
    """
    fullest = max(item.record.valid_share for item in usable)
    full = [item for item in usable if item.record.valid_share >= _AS_FULL * fullest]
    return max(full, key=lambda item: duplicate.rank(item.record))  # the first of equals


def _yields(item: _Candidate, best: _Candidate) -> str:
    """Why an image gives way to another of its instant."""
    one, other = (
        np.where(image.valid[..., None], image.values, np.float32(np.nan))
        for image in (item.image, best.image)
        if image is not None  # neither is: both are usable
    )
    return (
        f"duplicate: {duplicate.superseded(item.record, best.record)}; "
        f"{duplicate.difference(one, other)}"
    )


def costs_of(
    source: Source, acquisitions: Iterable[Acquisition], cells: Iterable[Cell]
) -> list[Cost]:
    """What it costs to read some acquisitions onto some cells, by sensor and month."""
    grids = [cell.grid for cell in cells]
    prices = (source.cost(item, grid) for item in acquisitions for grid in grids)
    return total(price for price in prices if price is not None)


def hash_values(records: Iterable[Record], values: ValueHash) -> None:
    """Feed stored values and masks in canonical order, by the hash of each observation."""
    stored = sorted((r for r in records if not r.reason), key=lambda r: r.order)
    values.add_text("observation", (f"{r.cell} {r.sensor} {r.time} {r.digest}" for r in stored))


def require_observations(
    source: Source, cells: Sequence[Cell], records: Iterable[Record], *, whole: bool = True
) -> None:
    """Refuse a sensor of which nothing could be stored.

    Args:
        source: Where acquisitions come from.
        cells: Where they went.
        records: What became of them.
        whole: Whether these are all cells of the area. One of many may well lie outside of every
            image of a sensor; then only a sensor without a complete acquisition is refused.

    Raises:
        NoDataError: with where its images lie and what their masks hold.
    """
    records = list(records)
    reasons: dict[str, list[str]] = {name: [] for name in source.sensors}
    for record in records:
        reasons[record.sensor].append(record.reason)
    usable = {item.sensor for item in source.acquisitions if not item.problem}
    for name, found in reasons.items():
        if all(found) and (whole or name not in usable):
            raise _nothing(source, cells, name, records)


def looks_of(records: Iterable[Record]) -> list[Look]:
    """What became of images, for a page on it."""
    return [Look(record.sensor, record.time, record.reason) for record in records]


def _nothing(
    source: Source, cells: Sequence[Cell], name: str, records: Sequence[Record]
) -> NoDataError:
    """Why nothing of a sensor could be stored, and what to do."""
    where = f"{source.settings_key}.sensors.{name}"
    looks = looks_of(records)
    reasons = [record.reason for record in records if record.sensor == name]
    if not reasons:
        return NoDataError(
            f"{where}: no acquisition lies in the period", "Move or lengthen the period", looks
        )
    usable = [a for a in source.acquisitions if a.sensor == name and not a.problem]
    if not usable:
        return NoDataError(
            f"{where}: no acquisition is complete: {reasons[0]}",
            "Add the missing files, or leave their part out",
            looks,
        )
    with source.open(usable[0]) as scene:
        if set(reasons) <= {NO_OVERLAP}:
            bounds = ", ".join(f"{value:.6g}" for value in cells[0].grid.boundingbox.bbox)
            return NoDataError(
                f"{where}: no image overlaps the area: {usable[0].source} covers "
                f"{scene.footprint}, the area's first cell {bounds} in {cells[0].grid.crs}",
                "Correct area, or the images' reference system",
                looks,
            )
        numbers = scene.mask_numbers(cells[0].grid)
    return NoDataError(
        f"{where}: none of {len(usable)} acquisitions has a valid pixel in the area (numbers in "
        f"the mask of {usable[0].source}, {isoformat(usable[0].time)}: {numbers})",
        "Correct the mask's rule or nodata, or move the period",
        looks,
    )
