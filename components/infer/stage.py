"""Infer: map the change scores of every window, date the events, and publish both."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from components.progress import shown
from groundshift.artifacts import Draft, Manifest, Summary, canonical_json, read_manifest, writing
from groundshift.artifacts.manifest import WRITERS
from groundshift.cube.store import CellCube, Cube
from groundshift.errors import ContractError
from groundshift.models.inference import map_cell
from groundshift.models.store import CONTRACT as MODEL
from groundshift.models.store import Detector
from groundshift.products.canvas import Canvas
from groundshift.products.catalogue import CatalogueText, write_catalogue
from groundshift.products.events_io import plain_rows, write_events
from groundshift.products.maps import CONTRACT, CellMaps, MapWindow
from groundshift.products.report.compose import PREVIEW, REPORT, Background, write_report
from groundshift.products.report.evidence import Evidence
from groundshift.products.survey import Survey
from groundshift.samples.labels.truth import URBAN
from groundshift.samples.store import Samples
from groundshift.samples.windows import NO_NEXT, NO_PREVIOUS
from groundshift.settings import InferStage

PICTURE = 900
"""Most pixels along the longer edge of the report's pictures."""

THRESHOLD = 0.5
"""Taken where the evaluation could choose none, for want of known change on validation blocks."""

_DESCRIPTION = (
    "Scores of ground change from radar and optical time series: a map for every window of time, "
    "the greatest score and its date, and dated change events."
)


def run(
    settings: InferStage, *, cube: Path, samples: Path, model: Path, evaluation: Path, maps: Path
) -> Summary:
    """Map every stride-th window, outline and date what changed, and write the run's report.

    Args:
        settings: of the stage.
        cube: artifact that is mapped.
        samples: artifact with the windows.
        model: artifact that gives the scores.
        evaluation: artifact with the threshold and how good the model is.
        maps: where the artifact goes.

    Raises:
        ContractError: artifacts that were not made from one another, or windows off the period.
    """
    mapped, index = Cube.open(cube), Samples.open(samples)
    detector, evidence = Detector.open(model), Evidence.open(evaluation)
    chain = (evidence.manifest, read_manifest(model, MODEL), index.manifest, mapped.manifest)
    _require_lineage(chain)
    with writing(
        maps,
        CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs={manifest.contract: manifest.content_hash for manifest in chain},
    ) as draft:
        for manifest in chain:
            draft.licences.update(manifest.licences)
        tags = {"MODEL": chain[1].content_hash, "ATTRIBUTION": "; ".join(sorted(draft.licences))}
        survey = _survey(settings, mapped, index, detector, evidence, tags, draft)
        _publish(settings, survey, mapped, index, evidence, chain, draft)
    manifest = draft.finished
    return Summary(
        stage="infer",
        artifact=maps,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics={name: float(manifest.summary[name]) for name in ("windows", "events", "hectares")},
        figures=(maps / REPORT, maps / PREVIEW),
        notes=_notes(maps, survey, evidence),
    )


def _require_lineage(chain: tuple[Manifest, ...]) -> None:
    """Refuse artifacts that were made from others than those given."""
    given = {manifest.contract: manifest.content_hash for manifest in chain}
    for manifest in chain:
        for name, content in manifest.inputs.items():
            if name in given and given[name] != content:
                raise ContractError(
                    f"the {manifest.contract} was made from {name} {content[:12]}, found "
                    f"{given[name][:12]}. Rerun: python -m components.{WRITERS[manifest.contract]}"
                )


def _survey(
    settings: InferStage,
    cube: Cube,
    samples: Samples,
    detector: Detector,
    evidence: Evidence,
    tags: Mapping[str, str],
    draft: Draft,
) -> Survey:
    """Score all cells, writing maps as scores come."""
    threshold = THRESHOLD if evidence.threshold is None else evidence.threshold
    canvas = Canvas.over((cell_cube.cell for cell_cube in cube.cells.values()), PICTURE)
    survey = Survey(canvas, threshold, settings.infer.min_event)
    for cell_cube in cube.cells.values():
        rows = _windows(settings, samples, cell_cube)
        windows = {int(row.id): _span(row) for row in rows.itertuples()}
        scores = map_cell(
            detector, cell_cube, rows, block=settings.infer.block, halo=settings.infer.halo
        )
        writer = CellMaps(draft.folder, cell_cube.cell, tags=tags, values=draft.values)
        survey.add(cell_cube, shown(scores, "windows", len(rows)), windows, writer, draft.scratch)
    return survey


def _windows(settings: InferStage, samples: Samples, cell_cube: CellCube) -> pd.DataFrame:
    """Every stride-th window of a cell that can be mapped, rows of the index.

    A triple without its neighbours can be mapped all the same: only its label needed them.

    Raises:
        ContractError: no window, or one outside the period.
    """
    windows = samples.windows
    cell = cell_cube.cell.id
    usable = windows["complete"] | windows["problem"].isin((NO_PREVIOUS, NO_NEXT))
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


def _publish(
    settings: InferStage,
    survey: Survey,
    cube: Cube,
    samples: Samples,
    evidence: Evidence,
    chain: tuple[Manifest, ...],
    draft: Draft,
) -> None:
    """Write events, catalogue, report and preview beside the maps."""
    period = (settings.period.start_seconds, settings.period.end_seconds)
    licences = tuple(sorted(draft.licences))
    events = survey.events
    write_events(draft.folder, events)
    draft.values.add_text("events", [canonical_json(row) for row in plain_rows(events)])
    text = CatalogueText(settings.name, period, _DESCRIPTION, licences, chain[1].content_hash)
    write_catalogue(draft.folder, text, survey.windows)
    background = Background(
        area=settings.name,
        period=period,
        cubes=cube.cells,
        truth=samples.truth,
        wanted=URBAN,
        quality=evidence.quality(),
        headline=evidence.headline(),
        chain=chain,
        settings=settings.affecting(),
        licences=licences,
    )
    write_report(draft.folder, survey, background)
    draft.summary.update(
        cells=[cell.to_dict() for cell in survey.windows],
        windows=sum(map(len, survey.windows.values())),
        events=len(events),
        hectares=round(float(events["area_m2"].sum()) / 1e4, 4),
        threshold=survey.threshold,
    )


def _notes(maps: Path, survey: Survey, evidence: Evidence) -> tuple[str, ...]:
    """Sentences for the person who ran it."""
    events = survey.events
    hectares = float(events["area_m2"].sum()) / 1e4
    found = f"{len(events)} events on {hectares:.2f} ha at a threshold of {survey.threshold:.3f}"
    notes = [f"{len(survey.hectares)} windows mapped, {found}", f"report: {maps / REPORT}"]
    if evidence.threshold is None:
        notes.append(
            f"the evaluation chose no threshold, {THRESHOLD} was taken: set evaluate.threshold"
        )
    return tuple(notes)
