"""Command line of the window stage: `python -m components.window`."""

from pathlib import Path
from typing import Annotated

import typer

from components import by_parts, shell
from components.window import regional, stage
from groundshift.artifacts import Summary
from groundshift.errors import SettingsError
from groundshift.samples.store import CONTRACT
from groundshift.settings import StageSettings

app = shell.app(
    "window",
    "--params params.yaml --area demo --observations data/demo/observations "
    "--cube data/demo/cube --samples data/demo/samples",
)

Index = Annotated[bool, typer.Option("--index", help="Windows and patches only, without labels.")]


@shell.command(app, "window")
def main(
    task: shell.Task[StageSettings],
    observations: by_parts.OptionalObservations = None,
    cube: by_parts.OptionalCube = None,
    coefficients: shell.Between = None,
    betas: shell.Between = None,
    samples: shell.OptionalOutput = None,
    index: Index = False,
) -> Summary:
    """Index a cube by windows and patches, and label every complete window.

    Where cells are worked on apart: --cube --coefficients sums over one cell, --coefficients
    --betas joins the sums of all cells, and --betas makes --samples use them.
    """
    settings = task.settings
    if samples is None and betas is not None:
        coefficients = _required(coefficients, "coefficients", "betas")
        return regional.run_betas(settings, coefficients=coefficients, betas=betas)
    if samples is None and coefficients is not None:
        cube = _required(cube, "cube", "coefficients")
        return regional.run_coefficients(settings, cube=cube, coefficients=coefficients)
    assert samples is not None  # the shell has seen to it that there is an output
    cube = _required(cube, "cube", "samples")
    if index:
        return stage.run_index(settings, cube=cube, samples=samples, known=_known(task))
    observations = _required(observations, "observations", "samples")
    return stage.run(settings, observations=observations, cube=cube, samples=samples, betas=betas)


def _known(task: shell.Task[StageSettings]) -> Path | None:
    """The samples that the store holds for this cell and key, if any."""
    if task.store is None or not task.cell:
        return None
    reference = task.store.ref(task.area, task.cell, task.keys[task.cell], CONTRACT)
    return None if reference is None else task.store.folder(reference)


def _required(folder: Path | None, name: str, output: str) -> Path:
    if folder is None:
        raise SettingsError(f"--{output} is made from --{name}: expected a folder, found none")
    return folder


if __name__ == "__main__":
    app()
