"""Sums over a region whose cells are worked on apart: over each cell, then their reduce."""

from pathlib import Path

from components.making import make, require_task
from groundshift.artifacts import Summary
from groundshift.settings import StageSettings
from groundshift.tasks import task_of


def run_coefficients(settings: StageSettings, *, cube: Path, coefficients: Path) -> Summary:
    """Sum up over each cell what the labels of the region depend on.

    Args:
        settings: of the stage.
        cube: artifact of one cell or more.
        coefficients: where the artifact goes.

    Raises:
        SettingsError: labels that can't be had from this cube.
    """
    work = task_of(settings).coefficients(settings, cube=cube)
    return make("window", work, settings, coefficients)


def run_betas(settings: StageSettings, *, coefficients: Path, betas: Path) -> Summary:
    """Join the sums of all cells.

    Args:
        settings: of the stage.
        coefficients: artifact of the cells, or a collection with one of each.
        betas: where the artifact goes.

    Raises:
        ContractError: sums that other settings made.
    """
    require_task(settings, coefficients=coefficients)
    work = task_of(settings).betas(settings, coefficients=coefficients)
    return make("window", work, settings, betas)
