"""Command line of the exit handler: `python -m components.notify`."""

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from components.execution import start_logging
from components.notify.delivery import append, post
from components.notify.report import SUCCEEDED, Status, report_on
from components.shell import app as command_line
from groundshift.artifacts import ArtifactStore, Outcome
from groundshift.artifacts.outcomes import BAD_INPUT, DONE, FAILED, TRANSIENT
from groundshift.errors import GroundshiftError, SourceError
from groundshift.services import tracking
from groundshift.services.run_tree import RUN_ID

log = logging.getLogger(__name__)

app = command_line(
    "notify",
    '--status \'{"state": "SUCCEEDED"}\' --store store --area demo --file runs.jsonl',
)


@app.command()
def main(
    status: Annotated[str, typer.Option(help="The run's final status, as Kubeflow gives it.")],
    store: Annotated[str, typer.Option(help="Artifact store of the run.", metavar="DIR")],
    area: Annotated[str, typer.Option(help="Name of the area.")],
    file: Annotated[
        Path | None, typer.Option(help="File to which the report is added as a line of JSON.")
    ] = None,
    webhook_env: Annotated[
        str, typer.Option(help="Environment variable that holds the webhook's address.")
    ] = "",
) -> None:
    """Tell how a run ended: done, nothing new, blocked (credentials, quota) or broken."""
    start_logging()
    run = os.environ.get(RUN_ID, "")
    codes = [DONE]
    try:
        held = ArtifactStore.open(store)
        ended, outcomes = Status.parse(status), _outcomes(held, run)
        report = report_on(ended, area, run, outcomes, held)
        typer.echo(json.dumps(report))
        tracking.log_cells(run, area, outcomes, succeeded=ended.state == SUCCEEDED)
        if run:
            held.runs.end(run)
    except GroundshiftError as error:
        log.error("notify: %s", error)
        raise typer.Exit(BAD_INPUT) from None
    if file is not None:
        codes.append(_deliver(lambda: append(report, file)))
    if webhook_env:
        codes.append(_deliver(lambda: post(report, webhook_env)))
    raise typer.Exit(max(codes))


def _deliver(send: Callable[[], None]) -> int:
    """Send the report one way; where that fails, the others are tried still.

    Returns:
        The exit code that it stands for.
    """
    try:
        send()
    except GroundshiftError as error:
        log.error("notify: %s", error)
        return TRANSIENT if isinstance(error, SourceError) and error.transient else BAD_INPUT
    except OSError as error:
        log.error("notify: the file could not be written (%s)", error)
        return FAILED
    return DONE


def _outcomes(store: ArtifactStore, run: str) -> tuple[Outcome, ...]:
    """What the run's tasks wrote down; a run that is told without its details is told still."""
    try:
        return store.runs.of(run) if run else ()
    except GroundshiftError as error:
        log.warning("notify: %s", error)
        return ()


if __name__ == "__main__":
    app()
