"""Sub-commands of `groundshift`."""

import typer

from pipelines.commands import backfill, compiling, models, predict, run, runs, schedule


def register(app: typer.Typer) -> None:
    """Add them to the command line, in the order in which one needs them."""
    for module in (run, compiling, runs, schedule, backfill, models, predict):
        module.register(app)
