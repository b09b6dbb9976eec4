"""Infer: map an area with a model, and publish all that is made of the maps."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from components.making import make, require_task
from groundshift.artifacts import Summary
from groundshift.settings import StageSettings
from groundshift.tasks import task_of
from groundshift.tasks.protocol import Chain, Work


def run(
    settings: StageSettings,
    *,
    cube: Path,
    samples: Path,
    model: Path,
    evaluation: Path,
    maps: Path,
    past: Any = None,
) -> Summary:
    """Map an area, and write the run's report.

    Args:
        settings: of the stage.
        cube: artifact that is mapped.
        samples: artifact with its index.
        model: artifact that it is mapped with.
        evaluation: artifact that says how good the model is.
        maps: where the artifact goes.
        past: what the task knows of the area from before; None where nothing is known.

    Raises:
        ContractError: samples of another cube or off the period, an evaluation of another model,
            or a cube whose numbers the model doesn't take.
    """
    chain = _chain(settings, cube, samples, model, evaluation)
    return _published(task_of(settings).maps(settings, chain=chain, past=past), settings, maps)


def run_cell(
    settings: StageSettings,
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
        samples: artifact with its index.
        model: artifact that it is mapped with.
        evaluation: artifact that says how good the model is.
        scores: where the cell's artifact goes.
        previous: such an artifact, whose maps are taken over where the model sees the same.

    Raises:
        ContractError: as `run`, or no such cell.
    """
    chain = _chain(settings, cube, samples, model, evaluation)
    require_task(settings, scores=previous)
    task = task_of(settings)
    work = task.scores(settings, chain=chain, cell=cell, previous=previous)
    return make("infer", work, settings, scores)


def run_report(
    settings: StageSettings,
    *,
    scores: Path,
    cube: Path,
    samples: Path,
    model: Path,
    evaluation: Path,
    maps: Path,
    past: Any = None,
) -> Summary:
    """Put the maps of all cells together: the artifact that `run` writes, without the model.

    Args:
        settings: of the stage.
        scores: the cells' artifacts as `run_cell` wrote them.
        cube: what they were made from, for images of the ground.
        samples: likewise, for what is known of the ground.
        model: likewise.
        evaluation: likewise, for how good the model is.
        maps: where the artifact goes.
        past: what the task knows of the area from before; None where nothing is known.

    Raises:
        ContractError: cells that were mapped from other artifacts than those given.
    """
    chain = _chain(settings, cube, samples, model, evaluation)
    require_task(settings, scores=scores)
    work = task_of(settings).report(settings, chain=chain, scores=scores, past=past)
    return _published(work, settings, maps)


def _chain(
    settings: StageSettings, cube: Path, samples: Path, model: Path, evaluation: Path
) -> Chain:
    """The artifacts that maps are made from.

    Raises:
        ContractError: one of them was made for another task.
    """
    require_task(settings, samples=samples, model=model, evaluation=evaluation)
    return Chain(cube, samples, model, evaluation)


def _published(work: Work, settings: StageSettings, maps: Path) -> Summary:
    """Make the maps, and say where their report lies."""
    summary = make("infer", work, settings, maps)
    return replace(summary, notes=(*summary.notes, f"report: {summary.pages['report']}"))
