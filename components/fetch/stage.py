"""Fetch: bring the images of every sensor onto the grid of the area's cells."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from groundshift.artifacts import Summary, digest, writing
from groundshift.artifacts.file_digests import FileDigests
from groundshift.artifacts.hashing import file_digest
from groundshift.artifacts.writing import work_root
from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat
from groundshift.errors import ContractError, SettingsError
from groundshift.memory import Room
from groundshift.observations.areas import cells_of
from groundshift.observations.borders import WithoutBorders
from groundshift.observations.bought import BoughtFirst
from groundshift.observations.budget import require_budget
from groundshift.observations.clouds import Unclouded
from groundshift.observations.earlier import EarlierFirst
from groundshift.observations.inspection import inspect, require_passing
from groundshift.observations.intake import (
    NO_OVERLAP,
    Intake,
    costs_of,
    hash_values,
    require_observations,
)
from groundshift.observations.planting import Plan, read_plan
from groundshift.observations.sources.base import Metered, Source
from groundshift.observations.sources.files import FilesSource
from groundshift.observations.sources.synthetic import SyntheticSource
from groundshift.observations.store import (
    CONTRACT,
    NO_VALID_PIXEL,
    Observations,
    Record,
    write_tables,
)
from groundshift.progress import shown
from groundshift.settings import FetchStage

log = logging.getLogger(__name__)

_BYTES_PER_VALUE = 20
"""Of an image: as read in double precision, as float32, as stored, as hashed."""
_BYTES_PER_PIXEL = 100
"""Positions and weights of the interpolation, masks."""


def run(
    settings: FetchStage,
    *,
    observations: Path,
    cell: str = "",
    digests: FileDigests | None = None,
    earlier: Path | None = None,
) -> Summary:
    """Read every image of the sources onto the area's cells, mask and check it.

    Args:
        settings: The fetch stage's settings.
        observations: Folder of the artifact to write.
        cell: The only one of the area's cells to work on; empty for all of them.
        digests: Hashes of source files that are known already.
        earlier: Folder of an artifact whose images need not be asked for again, if there is one.
    """
    area = cells_of(settings.area)
    cells = chosen(area, cell)
    plan = _plan(settings.fetch.plant)
    opened = open_source(settings, area, digests)
    bought = bought_first(opened, settings, cells)
    source = _earlier_first(_masked(bought or opened, settings), settings, earlier)
    arrived = source.news if isinstance(source, EarlierFirst) else ()
    inputs = {
        "area": digest([each.to_dict() for each in cells]),
        **source.inputs,
        **planted(settings),
    }
    log.info("%d acquisitions onto %s", len(source.acquisitions), _named(cells))
    with writing(
        observations,
        CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs=inputs,
        resume=True,
    ) as draft:
        intake = Intake(source, cells, draft, plan)
        threads = _threads(settings, source, cells)
        if settings.fetch.budget is not None and bought is not None:
            allowed = settings.fetch.budget
            require_budget(source, intake.pending, cells, allowed, bought.travelling)
        taken = shown(intake.run(threads), "instants", len(intake.instants))
        records = [record for instant in taken for record in instant]
        whole = len(cells) == len(area)
        require_observations(source, cells, records, whole=whole)
        records = inspect(
            draft.folder,
            source.sensors,
            cells,
            records,
            settings.fetch.checks,
            min(threads, settings.fetch.workers),
        )
        require_passing(source, records, whole=whole)
        write_tables(draft.folder, records, plan.truth() if plan else source.truth)
        hash_values(records, draft.values)
        draft.licences.update(source.licences)
        draft.summary.update(_summary(source, cells, records))
        draft.record["news"] = list(arrived)
        draft.record["price"] = _price(opened, cells)
    manifest = draft.finished
    compared = _settled(bought, opened, observations)
    return Summary(
        stage="fetch",
        artifact=observations,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics=_metrics(manifest.summary["counts"]),
        notes=(*_notes(manifest.summary["counts"], records), *arrived, *compared),
    )


def _threads(settings: FetchStage, source: Source, cells: Sequence[Cell]) -> int:
    """Images that are worked on at once: as many as the settings say, or memory has room for.

    Raises:
        SettingsError: not even one fits.
    """
    pixels = max(math.prod(cell.grid.shape) for cell in cells)
    bands = max(len(sensor.bands) for sensor in source.sensors.values())
    each = pixels * (_BYTES_PER_VALUE * bands + _BYTES_PER_PIXEL)
    remedy = "make area.cell smaller"
    room = Room(settings.memory, "fetch")
    return room.at_once(settings.fetch.threads, each, "the largest image", remedy)


def open_source(
    settings: FetchStage, area: Sequence[Cell], digests: FileDigests | None = None
) -> Source:
    """The source that the settings name, with everything it holds listed.

    Args:
        settings: The fetch stage's settings.
        area: All cells of the area.
        digests: Hashes of source files that are known already.
    """
    fetch = settings.fetch
    if fetch.source == "sentinelhub" and fetch.sentinelhub is not None:
        # Only who asks a service loads its client.
        from groundshift.observations.sources.hub.source import SentinelHubSource

        return SentinelHubSource(fetch.sentinelhub, area, settings.period)
    if fetch.source == "stac" and fetch.stac is not None:
        from groundshift.observations.sources.stac.source import StacSource

        return StacSource(fetch.stac, area, settings.period, _bought(settings) / "parts")
    if fetch.source == "synthetic" and fetch.synthetic is not None:
        return SyntheticSource(fetch.synthetic, cells=area, period=settings.period)
    assert fetch.files is not None  # the settings' own rule
    return FilesSource(
        fetch.files,
        end=settings.period.end_seconds,
        workers=fetch.workers,
        digests=digests,
    )


def bought_first(source: Source, settings: FetchStage, cells: Sequence[Cell]) -> BoughtFirst | None:
    """The source, keeping what it is paid for; None where images cost nothing.

    Args:
        source: That the settings name.
        settings: The fetch stage's settings.
        cells: To work on.
    """
    if not costs_of(source, source.acquisitions, cells):
        return None
    asked = settings.affecting()["fetch"][settings.fetch.source]
    common = {name: value for name, value in asked.items() if name != "sensors"}
    wanted = {name: [common, asked["sensors"][name]] for name in source.sensors}
    return BoughtFirst(source, _bought(settings), wanted)


def _bought(settings: FetchStage) -> Path:
    """Where the area's images are kept that a service was asked for."""
    return work_root() / settings.name / "bought"


def _settled(bought: BoughtFirst | None, source: Source, observations: Path) -> tuple[str, ...]:
    """Share what was bought with the finished artifact, and say what it took."""
    if bought is None:
        return ()
    bought.share(Observations.open(observations))
    return bought.compare(source.used) if isinstance(source, Metered) else ()


def _masked(source: Source, settings: FetchStage) -> Source:
    """The source behind the masks that the settings add."""
    fetch = settings.fetch
    if fetch.border == "mask" and any(s.kind == "radar" for s in source.sensors.values()):
        source = WithoutBorders(source)
    return Unclouded(source, fetch.masks) if fetch.masks else source


def _earlier_first(source: Source, settings: FetchStage, earlier: Path | None) -> Source:
    """The source, behind an earlier artifact of the same settings if asking costs more."""
    if earlier is None or settings.fetch.source == "files" or settings.fetch.plant is not None:
        return source
    try:
        found = Observations.open(earlier)
    except ContractError:  # there is none yet, or it is of another version
        return source
    made_by, wanted = found.manifest.settings["fetch"], settings.affecting()["fetch"]
    # Checks judge images anew in every run. Artifacts from before borders were masked have them.
    compared = {"border": "keep"} | made_by | {"checks": wanted["checks"]}
    if compared != wanted or "plant" in found.manifest.inputs:
        return source
    return EarlierFirst(source, found)


def planted(settings: FetchStage) -> dict[str, str]:
    """Hash of the plan of planted changes, where there is one."""
    path = settings.fetch.plant
    return {"plant": file_digest(path)} if path is not None else {}


def chosen(cells: Sequence[Cell], cell_id: str) -> tuple[Cell, ...]:
    """The cell of an id; all of them if it is empty.

    Raises:
        SettingsError: the area has no such cell.
    """
    found = tuple(cell for cell in cells if cell_id in ("", cell.id))
    if not found:
        raise SettingsError(
            f"--cell {cell_id}: expected a cell of the area, such as {cells[0].id}, found none "
            "of that name. Plan again: the area has changed"
        )
    return found


def _plan(path: Path | None) -> Plan | None:
    if path is None:
        return None
    if not path.is_file():
        raise SettingsError(f"fetch.plant: expected a GeoJSON file {path}, found none")
    return read_plan(path)


def _summary(source: Source, cells: Sequence[Cell], records: Iterable[Record]) -> dict[str, Any]:
    """What the manifest says: cells, sensors, and counts of each sensor."""
    counts: dict[str, dict[str, Any]] = {}
    for name in source.sensors:
        own = [record for record in records if record.sensor == name]
        stored = [record for record in own if not record.reason]
        times = sorted({record.time for record in own})
        counts[name] = {
            "acquisitions": len(times),
            "observed": len({record.time for record in stored}),
            "observations": len(stored),
            "quarantined": len(own) - len(stored),
            "first": isoformat(times[0]),
            "last": isoformat(times[-1]),
        }
    return {
        "cells": [cell.to_dict() for cell in cells],
        "sensors": {name: sensor.to_dict() for name, sensor in source.sensors.items()},
        "counts": counts,
    }


def _price(source: Source, cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """What the images cost to ask for once, by sensor; nothing where they cost nothing."""
    price: dict[str, dict[str, float]] = {}
    for cost in costs_of(source, source.acquisitions, cells):
        own = price.setdefault(cost.sensor, {"units": 0.0, "bytes": 0.0})
        own["units"] += cost.units
        own["bytes"] += cost.bytes
    return price


def _metrics(counts: dict[str, dict[str, Any]]) -> dict[str, float]:
    keys = ("acquisitions", "observations", "quarantined")
    return {f"{name}.{key}": float(own[key]) for name, own in counts.items() for key in keys}


def _notes(counts: dict[str, dict[str, Any]], records: Sequence[Record]) -> tuple[str, ...]:
    """What a person should know: how much was stored, left out, and looked odd."""
    notes = [
        f"{name}: {own['observed']} of {own['acquisitions']} acquisitions have a valid pixel "
        f"({own['first'][:10]} to {own['last'][:10]})"
        for name, own in counts.items()
    ]
    for name in counts:
        own = [record for record in records if record.sensor == name]
        other = [r for r in own if r.reason not in ("", NO_VALID_PIXEL, NO_OVERLAP)]
        if other:
            notes.append(
                f"{name}: {len(other)} left out for other reasons, e.g. {other[0].source}: "
                f"{other[0].reason}; all are in quarantine.parquet"
            )
    odd = Counter((record.sensor, record.checks) for record in records if record.checks)
    notes += [f"{name}: {count} x {checks}" for (name, checks), count in odd.most_common(5)]
    return tuple(notes)


def _named(cells: Sequence[Cell]) -> str:
    rows, columns = cells[0].grid.shape
    return f"{len(cells)} cell{'s' if len(cells) > 1 else ''} of {rows} x {columns} pixels"
