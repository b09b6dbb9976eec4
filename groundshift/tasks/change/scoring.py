"""One cell: score its windows, taking over the maps of an earlier run where nothing changed."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift import __version__
from groundshift.artifacts import Draft, ValueHash, read_manifest
from groundshift.cube.store import CellCube
from groundshift.errors import ContractError
from groundshift.events.objects import EventRule
from groundshift.events.windows import PROBABILITY, SPREAD
from groundshift.memory import Room
from groundshift.models.footprint import least_bytes
from groundshift.models.inference import map_members, shown_digests
from groundshift.models.store import Detector
from groundshift.products.findings import (
    SCORES_CONTRACT,
    CellFindings,
    ScoredMap,
    read_shown,
    survey_cell,
)
from groundshift.products.maps import MapWindow, read_layers, read_map, score_path
from groundshift.products.page.series import write_series
from groundshift.progress import shown
from groundshift.samples.store import Samples
from groundshift.samples.windows import NO_NEXT, NO_PREVIOUS
from groundshift.settings import InferStage
from groundshift.tasks.change.sources import Sources


@dataclass(frozen=True)
class Previous:
    """An earlier run's maps of a cell.

    Attributes:
        folder: of the artifact.
        shown: what each window was computed from.
    """

    folder: Path = Path()
    shown: Mapping[MapWindow, str] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path | None, settings: InferStage, sources: Sources) -> "Previous":
        """Open an artifact; nothing of it counts if it was made in another way.

        Raises:
            ContractError: not a whole artifact.
        """
        if folder is None:
            return cls()
        manifest = read_manifest(folder, SCORES_CONTRACT)
        own = settings.affecting()
        same = (
            # Another evaluation may have another calibration.
            all(manifest.inputs[n] == sources.inputs[n] for n in ("model", "evaluation"))
            and manifest.licences == sources.licences
            and manifest.record["code"] == __version__
            and all(manifest.settings[name] == own[name] for name in ("area", "infer"))
        )
        return cls(folder, read_shown(folder)) if same else cls()


@dataclass(frozen=True)
class ScoredCell:
    """What scoring a cell gave.

    Attributes:
        findings: maps, events.
        shown: what each window was computed from.
        computed: number of windows that the model scored; the others were taken over.
    """

    findings: CellFindings
    shown: Sequence[str]
    computed: int


def score_cell(
    settings: InferStage,
    sources: Sources,
    detector: Detector,
    cell_cube: CellCube,
    draft: Draft,
    values: ValueHash,
    previous: Previous | None = None,
) -> ScoredCell:
    """Score every stride-th window of a cell, writing maps as scores come.

    Args:
        settings: of the stage.
        sources: of the maps.
        detector: the model.
        cell_cube: the cell.
        draft: where the maps go.
        values: fed with what was found in this cell.
        previous: an earlier run's maps.

    Raises:
        ContractError: no window, one outside the period, or numbers that the model doesn't take.
    """
    rows = _windows(settings, sources.samples, cell_cube, detector)
    windows = {int(row.id): _span(row) for row in rows.itertuples()}
    now = shown_digests(detector, cell_cube, rows)
    kept = _unchanged(previous or Previous(), cell_cube, windows, now)
    fresh = rows[~rows["id"].isin(kept)]
    own, memory = settings.infer, None
    if len(fresh) and settings.memory is not None:
        least = least_bytes(detector, cell_cube, fresh, block=own.block, halo=own.halo)
        memory = _room(settings, least)
    members = map_members(detector, cell_cube, fresh, block=own.block, halo=own.halo, memory=memory)
    computed = (_layered(window, found, sources) for window, found in members)
    findings = survey_cell(
        cell_cube,
        shown(_maps(windows, kept, computed), "windows", len(rows)),
        windows,
        folder=draft.folder,
        scratch=draft.scratch,
        tags=sources.tags,
        values=values,
        rule=EventRule.of(settings.infer, sources.threshold),
    )
    if settings.infer.page:
        write_series(draft.folder, cell_cube, findings.windows)
    return ScoredCell(findings, now, len(fresh))


def _room(settings: InferStage, least: int) -> int:
    """Bytes that scoring may take.

    Raises:
        SettingsError: the least that it needs is not there.
    """
    room = Room(settings.memory, "infer")
    smaller = max(16, settings.infer.block // 2)
    room.require(least, "one window of one block", f"try infer.block={smaller}")
    return room.left(sys.maxsize)


def _unchanged(
    previous: Previous, cell_cube: CellCube, windows: Mapping[int, MapWindow], now: Sequence[str]
) -> dict[int, Path]:
    """Files of the maps that need not be computed again, by window."""
    return {
        window: score_path(previous.folder, cell_cube.cell, span)
        for (window, span), digest in zip(windows.items(), now, strict=True)
        if previous.shown.get(span) == digest
    }


def _maps(
    windows: Mapping[int, MapWindow],
    kept: Mapping[int, Path],
    computed: Iterator[ScoredMap],
) -> Iterator[ScoredMap]:
    """All windows' scores in order of time, read or computed."""
    for window in windows:
        if window in kept:
            path = kept[window]
            yield ScoredMap(window, read_map(path), path, read_layers(path))
        else:
            yield next(computed)


def _layered(window: int, members: NDArray[np.float32], sources: Sources) -> ScoredMap:
    """The mean of the members [member, y, x], with the layers that can be had of it."""
    score = members.mean(axis=0)
    layers = {}
    if sources.calibration is not None:
        layers[PROBABILITY] = sources.calibration(score)
    if len(members) > 1:
        layers[SPREAD] = members.std(axis=0)
    return ScoredMap(window, score, layers=layers)


def _windows(
    settings: InferStage, samples: Samples, cell_cube: CellCube, detector: Detector
) -> pd.DataFrame:
    """Every stride-th window of a cell that can be mapped, rows of the index.

    A triple without its neighbours can be mapped all the same, if only its label needed them.

    Raises:
        ContractError: no window, or one outside the period.
    """
    windows = samples.windows
    cell = cell_cube.cell.id
    usable = windows["complete"]
    if not detector.inputs.neighbours:
        usable = usable | windows["problem"].isin((NO_PREVIOUS, NO_NEXT))
    rows = windows[(windows["cell"] == cell) & usable].iloc[:: settings.infer.stride]
    if rows.empty:
        raise ContractError(
            f"{samples.folder}: expected a complete window of cell {cell}, found none. "
            "Rerun: python -m components.window"
        )
    period = settings.period
    for window in (_span(row) for row in rows.itertuples()):
        if window.start < period.start_seconds or window.end > period.end_seconds:
            raise ContractError(
                f"{samples.folder}, cell {cell}: window {window.name} lies outside the period "
                f"{period.start:%Y-%m-%d} to {period.end:%Y-%m-%d}. "
                "Rerun: python -m components.window"
            )
    return rows


def _span(row: Any) -> MapWindow:
    return MapWindow(int(row.start.timestamp()), int(row.end.timestamp()))
