"""Command line of the stack stage: `python -m components.stack`."""

from typing import Annotated

import typer

from components import shell
from components.stack.stage import run
from groundshift.artifacts import Summary
from groundshift.settings import StackStage

app = shell.app(
    "stack",
    "--params params.yaml --area demo --observations data/demo/observations --cube data/demo/cube",
)

Revise = Annotated[
    bool,
    typer.Option(
        "--revise",
        help="Bring the cube that is there up to date, if there is one; in a store, the cell's "
        "published one.",
    ),
]


@shell.command(app, "stack")
def main(
    task: shell.Task[StackStage],
    observations: shell.Input,
    cube: shell.Output,
    revise: Revise = False,
) -> Summary:
    """Carry every valid pixel forward in time onto one cube."""
    base = task.current("cube") if revise else None
    return run(task.settings, observations=observations, cube=cube, revise=revise, base=base)


if __name__ == "__main__":
    app()
