"""Holding every stored observation against its series, and putting away what fails.

Verdicts are made once all images of a run are there, from all of them, so that the order in which
images came doesn't show. They are made cell by cell: a defect belongs to a scene and shows in all
of its cells, and cells are worked on apart.

An image in quarantine keeps its pixels, so that a later run can judge it again or release it
without asking a service for it once more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.errors import NoDataError
from groundshift.observations.checks.judge import judge
from groundshift.observations.checks.series import Floats, Measure, Series
from groundshift.observations.intake import looks_of
from groundshift.observations.sources.base import Source
from groundshift.observations.store import (
    MEASURES,
    Record,
    move_observation,
    read_arrays,
    restore_quarantined,
)
from groundshift.settings import ChecksSettings


def inspect(
    folder: Path,
    sensors: Mapping[str, Sensor],
    cells: Sequence[Cell],
    records: Iterable[Record],
    limits: ChecksSettings,
    workers: int,
) -> list[Record]:
    """Judge all observations of an artifact in the making.

    Args:
        folder: The artifact's folder; what fails moves to its quarantine.
        sensors: What the values are, by name.
        cells: Of the artifact.
        records: Of all acquisitions, also of those that were not stored.
        limits: From where on an observation fails.
        workers: Threads that read.

    Returns:
        The records with the verdicts in them, in canonical order.
    """
    restore_quarantined(folder)  # a run that was killed here has judged already
    grids = {cell.id: cell.grid for cell in cells}
    ordered = sorted(records, key=lambda record: record.order)
    judged, measured = [], []
    for (cell, name), found in groupby(ordered, key=lambda record: (record.cell, record.sensor)):
        own = list(found)
        stored = [record for record in own if not record.reason]
        if not stored:
            judged += own
            continue
        read = _Reader(folder, sensors[name])
        size = abs(grids[cell].resolution.x)
        verdict = judge(Series(sensors[name], size, stored, read, workers), limits)
        measured += [(cell, name, measure) for measure in verdict.measures]
        for record in own:
            if not record.reason:
                record = _with_verdict(record, verdict.reasons, verdict.released)
            judged.append(record)
    for record in judged:
        if record.reason and record.digest:
            move_observation(folder, record)
    _write_measures(folder, measured)
    return judged


def require_passing(source: Source, records: Iterable[Record], *, whole: bool) -> None:
    """Refuse a sensor of which every image failed a check.

    Args:
        source: Where they came from.
        records: With their verdicts.
        whole: Whether these are all cells of the area; else other cells may hold some.

    Raises:
        NoDataError: naming the sensor and one of the reasons.
    """
    records = list(records)
    for name in source.sensors if whole else ():
        own = [record for record in records if record.sensor == name]
        failed = [record for record in own if record.reason and record.digest]
        if failed and all(record.reason for record in own):
            raise NoDataError(
                f"{source.settings_key}.sensors.{name}: expected images that fit their series, "
                f"found that all {len(failed)} with a valid pixel fail a check, e.g. "
                f"{failed[0].source}: {failed[0].reason}",
                "Look at the images, or release the finding by fetch.checks.release: "
                f"['{name}/*/*']",
                looks_of(records),
            )


def _with_verdict(
    record: Record, reasons: Mapping[int, str], released: Mapping[int, str]
) -> Record:
    notes = "; ".join(note for note in (record.checks, released.get(record.time, "")) if note)
    return replace(record, checks=notes, reason=reasons.get(record.time, ""))


def _write_measures(folder: Path, measures: Iterable[tuple[str, str, Measure]]) -> None:
    """Write what the checks measured, each with cell and sensor, in canonical order."""
    rows = [
        {
            "cell": cell,
            "sensor": sensor,
            "time": measure.time,
            "check": measure.check,
            "value": round(measure.value, 4),
            "limit": measure.limit,
            "failed": bool(measure.problem),
        }
        for cell, sensor, measure in measures
    ]
    schema = pa.schema(
        [(name, pa.string()) for name in ("cell", "sensor")]
        + [("time", pa.int64()), ("check", pa.string())]
        + [("value", pa.float64()), ("limit", pa.float64()), ("failed", pa.bool_())]
    )
    pq.write_table(pa.Table.from_pylist(rows, schema), folder / MEASURES)


class _Reader:
    """Reads stored observations of one sensor."""

    def __init__(self, folder: Path, sensor: Sensor) -> None:
        self._folder, self._sensor = folder, sensor

    def __call__(self, record: Record) -> tuple[Floats, NDArray[np.bool_]]:
        stored, valid = read_arrays(self._folder, record.cell, record.sensor, record.time)
        return self._sensor.decode(np.asarray(stored)), np.asarray(valid)
