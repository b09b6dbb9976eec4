"""Sub-commands of `groundshift`."""

import typer

from pipelines import commands_compile
from pipelines.commands import backfill, run, runs, schedule


def register(app: typer.Typer) -> None:
    """Add them to the command line, in the order in which one needs them."""
    for module in (run, commands_compile, runs, schedule, backfill):
        module.register(app)
