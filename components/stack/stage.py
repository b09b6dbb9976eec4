"""The stack stage."""

from pathlib import Path
from typing import Any

from groundshift.artifacts import Manifest, Summary, link_tree, writing
from groundshift.artifacts.manifest import FILE_NAME
from groundshift.cube.build import build
from groundshift.cube.commit import prune
from groundshift.cube.revise import Outcome, obstacle
from groundshift.cube.revise import revise as revise_cube
from groundshift.observations.store import Observations
from groundshift.settings import StackStage


def run(
    settings: StackStage,
    *,
    observations: Path,
    cube: Path,
    revise: bool = False,
    base: Path | None = None,
) -> Summary:
    """Carry every valid pixel forward in time onto one cube.

    Args:
        settings: of the stage.
        observations: folder of the input artifact.
        cube: folder of the output artifact.
        revise: bring the cube that is there up to date instead of building it anew; without one
            there it is built.
        base: a cube that is to be brought up to date at `cube` and stays itself as it is; where
            it is of another kind, the cube is built.
    """
    source = Observations.open(observations)
    notes: tuple[str, ...] = ()
    if base is not None:
        if reason := obstacle(base, source, settings):
            notes = (f"stacked anew, since the published cube can't be revised: {reason}",)
        else:
            link_tree(base, cube)
            outcome = revise_cube(cube, source, settings)
            prune(cube)
            return _summary(cube, outcome.manifest, _notes(outcome))
    elif revise and (cube / FILE_NAME).is_file():
        outcome = revise_cube(cube, source, settings)
        return _summary(cube, outcome.manifest, _notes(outcome))
    with writing(
        cube,
        "cube",
        area=settings.name,
        settings=settings.affecting(),
        inputs={"observations": source.manifest.content_hash},
    ) as draft:
        build(source, draft, settings)
    return _summary(cube, draft.finished, notes)


def _summary(cube: Path, manifest: Manifest, notes: tuple[str, ...]) -> Summary:
    cells: list[dict[str, Any]] = manifest.summary["cells"]
    metrics = {
        "cells": len(cells),
        "steps": max(cell["steps"] for cell in cells),
        "observations": sum(cell["observations"] for cell in cells),
        "frames": sum(sum(cell["frames"].values()) for cell in cells),
        "bytes": sum(entry.size for entry in manifest.files),
    }
    return Summary(
        "stack",
        cube,
        manifest.content_hash,
        manifest.value_hash,
        {name: float(value) for name, value in metrics.items()},
        notes=notes,
    )


def _notes(outcome: Outcome) -> tuple[str, ...]:
    """What a revision did, in sentences."""
    if not outcome.changes:
        return ("the cube already holds these observations; no frame was changed",)
    kinds = [change.kind for change in outcome.changes]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    cells, megabytes = len(outcome.touched), outcome.written_bytes / 1e6
    return (f"revised: {counted}; {cells} cells touched, {megabytes:.1f} MB written",)
