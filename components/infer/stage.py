"""Infer: map the change scores of every window, date the events, and publish both."""

from pathlib import Path

from components.infer.past import NO_PAST, PastFiles
from components.infer.publishing import publish, summary_of
from components.infer.scoring import Previous, score_cell
from components.infer.sources import THRESHOLD, Sources, require_inputs
from groundshift.artifacts import (
    Draft,
    Manifest,
    Summary,
    ValueHash,
    is_collection,
    read_manifest,
    read_parts,
    writing,
)
from groundshift.cube.store import CellCube, Cube
from groundshift.errors import ContractError
from groundshift.models.store import Detector
from groundshift.products.findings import SCORES_CONTRACT, CellFindings
from groundshift.products.maps import AGGREGATES, CONTRACT, SCORES, share_file
from groundshift.products.page.chunks import DATA
from groundshift.products.report.compose import PREVIEW, REPORT
from groundshift.settings import InferStage

_NUMBERS = ("windows", "events", "hectares")
"""Of the manifest's summary, those that are tracked."""


def run(
    settings: InferStage,
    *,
    cube: Path,
    samples: Path,
    model: Path,
    evaluation: Path,
    maps: Path,
    past: PastFiles = NO_PAST,
) -> Summary:
    """Map every stride-th window, outline and date what changed, and write the run's report.

    Args:
        settings: of the stage.
        cube: artifact that is mapped.
        samples: artifact with the windows.
        model: artifact that gives the scores.
        evaluation: artifact with the threshold and how good the model is.
        maps: where the artifact goes.
        past: what is known of the area's events from before.

    Raises:
        ContractError: windows of another cube or off the period, an evaluation of another model,
            or a cube whose numbers the model doesn't take.
    """
    sources = Sources.open(cube=cube, samples=samples, model=model, evaluation=evaluation)
    detector = Detector.open(model)
    with writing(
        maps,
        CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs=sources.inputs | past.inputs,
    ) as draft:
        findings = [
            score_cell(settings, sources, detector, cell_cube, draft, ValueHash()).findings
            for _, cell_cube in sorted(sources.cube.cells.items())
        ]
        publish(settings, sources, findings, past, draft)
    return _published(maps, draft.finished, sources)


def run_cell(
    settings: InferStage,
    *,
    cell: str,
    cube: Path,
    samples: Path,
    model: Path,
    evaluation: Path,
    scores: Path,
    previous: Path | None = None,
) -> Summary:
    """Map one cell: all that the report over all cells needs of it.

    Args:
        settings: of the stage.
        cell: id of the cell.
        cube: artifact that is mapped.
        samples: artifact with the windows.
        model: artifact that gives the scores.
        evaluation: artifact with the threshold.
        scores: where the cell's artifact goes.
        previous: such an artifact, whose maps are taken over where the model sees the same.

    Raises:
        ContractError: as `run`, or no such cell.
    """
    sources = Sources.open(cube=cube, samples=samples, model=model, evaluation=evaluation)
    cell_cube, detector = _cell(sources.cube, cell), Detector.open(model)
    with writing(
        scores,
        SCORES_CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs=sources.inputs,
    ) as draft:
        base = Previous.open(previous, settings, sources)
        scored = score_cell(settings, sources, detector, cell_cube, draft, draft.values, base)
        found = scored.findings
        found.write(draft.folder, scored.shown)
        draft.licences.update(sources.licences)
        draft.summary.update(summary_of([found], found.events, sources.threshold))
        draft.record["computed"] = scored.computed
    manifest = draft.finished
    return Summary(
        stage="infer",
        artifact=scores,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics=_metrics(manifest) | {"windows_computed": float(scored.computed)},
        notes=(f"{manifest.summary['windows']} windows mapped, {scored.computed} computed anew",),
    )


def run_report(
    settings: InferStage,
    *,
    scores: Path,
    cube: Path,
    samples: Path,
    model: Path,
    evaluation: Path,
    maps: Path,
    past: PastFiles = NO_PAST,
) -> Summary:
    """Put the maps of all cells together: the artifact that `run` writes, without scoring.

    Args:
        settings: of the stage.
        scores: the cells' artifacts as `run_cell` wrote them.
        cube: what they were made from, for images of the ground.
        samples: likewise, for known changes.
        model: likewise.
        evaluation: likewise, for how good the model is.
        maps: where the artifact goes.
        past: what is known of the area's events from before.

    Raises:
        ContractError: cells that were mapped from other artifacts than those given.
    """
    sources = Sources.open(cube=cube, samples=samples, model=model, evaluation=evaluation)
    joined = read_manifest(scores, SCORES_CONTRACT)
    require_inputs(joined, sources.chain)
    with writing(
        maps,
        CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs=sources.inputs | past.inputs,
    ) as draft:
        findings = [_take_over(part, draft) for part in _parts(scores)]
        publish(settings, sources, findings, past, draft)
    return _published(maps, draft.finished, sources)


def _cell(cube: Cube, cell: str) -> CellCube:
    try:
        return cube.cells[cell]
    except KeyError:
        raise ContractError(
            f"{cube.folder}: expected the cell {cell}, found {', '.join(cube.cells)}. "
            "Check --cell, or rerun: python -m components.stack"
        ) from None


def _parts(scores: Path) -> list[Path]:
    """Folders of the cells' artifacts, in the order of cell ids."""
    return list(read_parts(scores, SCORES_CONTRACT).values()) if is_collection(scores) else [scores]


def _take_over(part: Path, draft: Draft) -> CellFindings:
    """Share a cell's maps with the artifact over all cells."""
    for name in (SCORES, AGGREGATES, DATA):
        for path in sorted(path for path in (part / name).rglob("*") if path.is_file()):
            share_file(path, draft.folder / path.relative_to(part))
    return CellFindings.read(part)


def _published(maps: Path, manifest: Manifest, sources: Sources) -> Summary:
    found = manifest.summary
    events = f"{found['events']} events on {found['hectares']:.2f} ha"
    notes = [
        f"{found['windows']} maps, {events} at a threshold of {found['threshold']:.3f}",
        f"news: {found['news']} of the events",
        f"report: {maps / REPORT}",
    ]
    if sources.evidence.threshold is None:
        notes.append(
            f"the evaluation chose no threshold, {THRESHOLD} was taken: set evaluate.threshold"
        )
    return Summary(
        stage="infer",
        artifact=maps,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics=_metrics(manifest),
        figures=(maps / REPORT, maps / PREVIEW),
        notes=tuple(notes),
        pages={"report": maps / REPORT},
    )


def _metrics(manifest: Manifest) -> dict[str, float]:
    return {name: float(manifest.summary[name]) for name in _NUMBERS}
