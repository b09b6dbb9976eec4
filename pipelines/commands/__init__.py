"""Sub-commands of `groundshift`."""

import typer

from pipelines.commands import (
    backfill,
    compare,
    compiling,
    lineage,
    models,
    predict,
    review,
    run,
    runs,
    schedule,
    view,
)

_MODULES = (
    run,
    view,
    review,
    compare,
    models,
    predict,
    lineage,
    compiling,
    runs,
    schedule,
    backfill,
)
"""In the order in which one needs them."""


def register(app: typer.Typer) -> None:
    """Add them to the command line."""
    for module in _MODULES:
        module.register(app)
