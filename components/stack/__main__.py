"""Command line of the stack stage: `python -m components.stack`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from components import shell
from components.stack.stage import run

app = shell.app(
    "stack",
    "--params params.yaml --area demo --observations data/demo/observations --cube data/demo/cube",
)

Revise = Annotated[
    bool, typer.Option("--revise", help="Bring the cube that is there up to date, if there is one.")
]


@app.command()
def main(
    observations: shell.Input,
    cube: shell.Output,
    revise: Revise = False,
    params: shell.Params = Path("params.yaml"),
    area: shell.Area = None,
    settings: shell.Settings = None,
    overrides: shell.Overrides = None,
) -> None:
    """Carry every valid pixel forward in time onto one cube."""
    shell.execute(
        "stack",
        partial(run, revise=revise),
        params=params,
        area=area,
        settings=settings,
        overrides=overrides,
        observations=observations,
        cube=cube,
    )


if __name__ == "__main__":
    app()
