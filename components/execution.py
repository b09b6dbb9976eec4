"""Running one task of a stage: find its inputs, bring its output home, say how it ended."""

import dataclasses
import errno
import logging
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from components import unmapped
from components.folders import Folder, Inputs, output_of
from components.options import Common
from components.outputs import Executor
from components.task import Task
from groundshift.artifacts import ArtifactStore, Outcome, Summary, lineage
from groundshift.artifacts.manifest import WRITERS
from groundshift.artifacts.outcomes import (
    BAD_INPUT,
    DONE,
    FAILED,
    TRANSIENT,
    kind_of,
    message_of,
)
from groundshift.artifacts.versions import Version
from groundshift.artifacts.writing import recording
from groundshift.errors import GroundshiftError, NoDataError, SettingsError, SourceError
from groundshift.memory import peak, return_early, shown
from groundshift.services import tracking
from groundshift.services.run_tree import RUN_ID
from groundshift.settings import StageSettings

log = logging.getLogger(__name__)

MAPS = "maps"
"""The contract that a run is for."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Verb:
    """A stage's command: its function, and the folders the function declares."""

    stage: str
    function: Callable[..., Summary]
    folders: Mapping[str, Folder]

    def contract(self, name: str) -> str:
        """What a folder holds."""
        return self.folders[name].contract or name

    def mode(self, output: str) -> str:
        """Which of the stage's tasks writes an output; empty for the stage's own artifact."""
        own = next(contract for contract, stage in WRITERS.items() if stage == self.stage)
        return "" if output == own else output


@dataclass(frozen=True)
class Journal:
    """Where it is written down how a task ended; nowhere without a store and a run."""

    outcome: Outcome
    store: ArtifactStore | None
    run: str

    def refused(self) -> str | None:
        """Why an earlier attempt in this run ended for good; None if none did.

        On a cluster, retries can't depend on the exit code: the next attempt ends it instead.
        """
        if self.store is None or not self.run:
            return None
        earlier = self.store.runs.refusal(self.run, self.outcome.task)
        return earlier.message if earlier is not None else None

    def write(self, **ended: Any) -> None:
        """Write down that the task began, or how it ended; a lost store doesn't end the task."""
        if self.store is None or not self.run:
            return
        try:
            self.store.runs.record(self.run, dataclasses.replace(self.outcome, **ended))
        except (OSError, SourceError) as error:
            log.warning("%s: its outcome could not be written down (%s)", self.outcome.task, error)


def execute(verb: Verb, common: Common, values: dict[str, Any]) -> None:
    """Run a stage as a command: settings in, artifact out, one line of JSON, an exit code.

    Args:
        verb: the stage.
        common: the options that every stage takes.
        values: the stage's own options.
    """
    start_logging()
    try:
        given = {name: values[name] for name in verb.folders if values[name] is not None}
        output = output_of(verb.folders, given)
        store = ArtifactStore.open(common.store) if common.store else None
        if store is not None:
            store.require()
        outcome = Outcome(verb.stage, verb.mode(output), common.cell)
        journal = Journal(outcome, store, os.environ.get(RUN_ID, ""))
        if refusal := journal.refused():
            log.error("%s: an earlier attempt in this run ended with: %s", verb.stage, refusal)
            raise typer.Exit(BAD_INPUT)
        journal.write()
    except GroundshiftError as error:
        raise _ended(verb.stage, error) from error
    try:
        summary, location = _work(verb, common, values, given, output, store)
    except Exception as error:
        end = _ended(verb.stage, error)
        journal.write(exit=end.exit_code, kind=kind_of(error), message=message_of(error))
        raise end from error
    for note in summary.notes:
        log.info("%s", note)
    journal.write(
        exit=DONE,
        kind=summary.outcome,
        message="; ".join(summary.notes),
        metrics=summary.metrics,
        artifact=location,
    )
    typer.echo(summary.to_json())


def _tell_of_excess(stage: str, limit: int | None) -> None:
    """Say so where a stage took more memory than it was given: its estimate was wrong."""
    if limit is not None and (taken := peak()) > limit:
        log.warning(
            "%s took %s of memory, more than memory=%s allows: nothing is lost, but plan with more",
            stage,
            shown(taken),
            shown(limit),
        )


def start_logging() -> None:
    """Log to standard error; standard output is the summary's."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname).1s %(name)s: %(message)s"
    )


def _work(
    verb: Verb,
    common: Common,
    values: Mapping[str, Any],
    given: Mapping[str, Path],
    output: str,
    store: ArtifactStore | None,
) -> tuple[Summary, str]:
    """Do the task, with its artifact where it belongs at the end.

    Returns:
        What it says of itself, and where its artifact lies in the store, if there is one.
    """
    settings = common.settings_of(verb.stage)
    if settings.memory is not None:
        return_early()
    executor = Executor.parse(common.executor_output) if common.executor_output else None
    if store is not None and bool(common.cell) != bool(common.key):
        raise SettingsError("--cell and --key belong together where there is a --store")
    with ExitStack() as stack:
        inputs = Inputs(store, settings.name, common.cell, common.key, stack)
        folders = {
            name: inputs.find(folder, verb.contract(name), verb.folders[name].by_parts)
            for name, folder in given.items()
            if name != output
        }
        contract = verb.contract(output)
        folders[output] = given[output]
        if store is not None:
            folders[output] = stack.enter_context(store.incoming()) / contract
        keys = {common.cell: common.key} if common.cell else inputs.keys
        task = Task(settings, store, common.cell, keys)
        read = {verb.contract(name): folder for name, folder in folders.items() if name != output}
        # In a run that is recorded, a cell's outcome becomes a row of its stage's table.
        row = bool(common.cell and store and os.environ.get(RUN_ID))
        with (
            recording(_origin(task, read)),
            tracking.stage_run(verb.stage, settings, folders, row=row) as tracked,
        ):
            try:
                summary = verb.function(task, **{**values, **folders})
            except NoDataError as error:
                raise _told(error, verb.stage, task, read, given[output]) from error
            if contract == MAPS:
                unmapped.forget(task, given[output])
            version = Version.of(summary.artifact, contract).pointer
            summary = dataclasses.replace(summary, version=version)
            tracked.finish(summary)
        _tell_of_excess(verb.stage, settings.memory)
        location = ""
        if store is not None:
            reference = task.keep(folders[output], contract)
            location = reference.location
            reference.write(given[output])
            summary = summary.moved(store.folder(reference))
        if executor is not None:
            executor.respond(summary, output, contract)
    return summary, location


def _origin(task: Task[StageSettings], read: Mapping[str, Path]) -> dict[str, Any]:
    """What the record says of a task, by which it can be repeated.

    Args:
        task: at hand.
        read: folders of its inputs, by contract.
    """
    return {
        lineage.INPUTS: lineage.describe(read),
        lineage.SETTINGS: task.settings.model_dump(mode="json"),
        lineage.CELL: task.cell,
    }


def _told(
    error: NoDataError,
    stage: str,
    task: Task[StageSettings],
    read: Mapping[str, Path],
    output: Path,
) -> NoDataError:
    """The error again, with where a report and a page say more."""
    page = unmapped.tell(error, stage, task, read, output)
    more = f"{error.remedy}. What was asked and what came: {page}" if page else error.remedy
    return NoDataError(error.found, more, error.looks)


def _ended(stage: str, error: Exception) -> typer.Exit:
    """Log why a stage failed, and give the exit that says what kind of failure it is."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        log.error(
            "%s: %s. Nothing was written under the output's name. Make room and run it again",
            stage,
            error,
        )
        return typer.Exit(FAILED)
    if not isinstance(error, GroundshiftError):
        log.error("%s failed:\n%s", stage, "".join(traceback.format_exception(error)))
        return typer.Exit(FAILED)
    log.error("%s: %s", stage, error)
    transient = isinstance(error, SourceError) and error.transient
    return typer.Exit(TRANSIENT if transient else BAD_INPUT)
