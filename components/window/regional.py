"""Betas of a region whose cells are worked on apart: sums over each cell, then their reduce."""

from pathlib import Path

from groundshift.artifacts import (
    Manifest,
    Summary,
    is_collection,
    read_manifest,
    read_parts,
    writing,
)
from groundshift.cube.store import Cube
from groundshift.samples.betas import BETAS, COEFFICIENTS, Sums, join
from groundshift.samples.build import build_coefficients
from groundshift.settings import WindowStage


def run_coefficients(settings: WindowStage, *, cube: Path, coefficients: Path) -> Summary:
    """Sum up over each cell what the betas of the region are made from.

    Args:
        settings: of the stage.
        cube: artifact of one cell or more.
        coefficients: where the artifact goes.

    Raises:
        SettingsError: no complete window, or synthetic labels to train on that can't be had.
    """
    summed = Cube.open(cube)
    with writing(
        coefficients,
        COEFFICIENTS,
        area=settings.name,
        settings=settings.affecting(),
        inputs={"cube": summed.manifest.content_hash},
    ) as draft:
        draft.licences.update(summed.manifest.licences)
        build_coefficients(summed, settings, draft)
    return _summary(coefficients, draft.finished)


def run_betas(settings: WindowStage, *, coefficients: Path, betas: Path) -> Summary:
    """Join the sums of all cells to the betas of the region.

    Args:
        settings: of the stage.
        coefficients: artifact of the cells, or a collection with one of each.
        betas: where the artifact goes.

    Raises:
        ContractError: sums that other settings made.
    """
    manifest = read_manifest(coefficients, COEFFICIENTS)
    parts = [coefficients]
    if is_collection(coefficients):
        parts = list(read_parts(coefficients, COEFFICIENTS).values())
    sums = [Sums.read(part, COEFFICIENTS, settings) for part in parts]
    with writing(
        betas,
        BETAS,
        area=settings.name,
        settings=settings.affecting(),
        inputs={COEFFICIENTS: manifest.content_hash},
    ) as draft:
        draft.licences.update(manifest.licences)
        join(sums).write(draft, BETAS)
    return _summary(betas, draft.finished)


def _summary(folder: Path, manifest: Manifest) -> Summary:
    cells, rows, obstacle = (manifest.summary[name] for name in ("cells", "rows", "obstacle"))
    return Summary(
        stage="window",
        artifact=folder,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics={"cells": float(cells), "rows": float(rows)},
        notes=() if obstacle is None else (f"no synthetic labels: {obstacle}",),
    )
