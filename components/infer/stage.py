"""Infer: map the change scores of every window, date the events, and publish both."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from components.progress import shown
from groundshift.artifacts import Draft, Summary, writing
from groundshift.cube.store import CellCube, Cube
from groundshift.errors import ContractError
from groundshift.models.inference import map_cell
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

THRESHOLD = 0.5
"""Taken where the evaluation could choose none, for want of known change on validation blocks."""


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
    chain = (evidence.manifest, detector.manifest, index.manifest, mapped.manifest)
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
        survey = _survey(settings, mapped, index, detector, evidence, draft)
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
    draft: Draft,
) -> Survey:
    """Score all cells, writing maps as scores come."""
    threshold = THRESHOLD if evidence.threshold is None else evidence.threshold
    canvas = Canvas.over((cell_cube.cell for cell_cube in cube.cells.values()), PICTURE)
    survey = Survey(canvas, threshold, settings.infer.min_event)
    tags = {
        "MODEL": detector.manifest.content_hash,
        "TIFFTAG_COPYRIGHT": "; ".join(sorted(draft.licences)),
    }
    for cell_cube in cube.cells.values():
        rows = _windows(settings, samples, cell_cube.cell.id)
        windows = dict(zip(rows["id"].tolist(), _spans(rows), strict=True))
        _require_inside(windows, settings, cell_cube)
        scores = map_cell(
            detector, cell_cube, rows, block=settings.infer.block, halo=settings.infer.halo
        )
        writer = CellMaps(draft.folder, cell_cube.cell, tags=tags, values=draft.values)
        survey.add(cell_cube, shown(scores, "windows", len(rows)), windows, writer, draft.scratch)
    return survey
