"""Runs on a cluster: submit, look, wait, and what there is of logs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import kfp_server_api

from pipelines.kubeflow import EXPERIMENT
from pipelines.kubeflow.packages import Package, Version, upload
from pipelines.kubeflow.server import ClusterError, Server, where

SUCCEEDED = "SUCCEEDED"
FINAL = frozenset({SUCCEEDED, "SKIPPED", "FAILED", "CANCELED"})

POLL = 10.0
"""Seconds between two looks at a run."""


@dataclass(frozen=True)
class TaskStatus:
    """One task of a run.

    Attributes:
        name: as the pipeline calls it.
        state: `RUNNING`, `SUCCEEDED`, … as Kubeflow writes it.
        history: the states it went through, with their times.
        started: None while it waits.
        finished: None while it runs.
        message: what went wrong, empty otherwise.
        pods: names of its pods.
    """

    name: str
    state: str
    history: tuple[tuple[str, datetime | None], ...]
    started: datetime | None
    finished: datetime | None
    message: str
    pods: tuple[str, ...]


@dataclass(frozen=True)
class RunStatus:
    """A run: `state` as Kubeflow writes it, `tasks` in the order they started."""

    run_id: str
    name: str
    state: str
    created: datetime | None
    finished: datetime | None
    message: str
    tasks: tuple[TaskStatus, ...]

    @property
    def over(self) -> bool:
        """Whether it won't change any more."""
        return self.state in FINAL

    @property
    def succeeded(self) -> bool:
        """Whether it did all it should."""
        return self.state == SUCCEEDED


class KubeflowEngine:
    """Runs compiled pipelines on a cluster, all in one experiment."""

    def __init__(self, server: Server, experiment: str = EXPERIMENT) -> None:
        """Work with the experiment's runs; it is made with the first of them."""
        self.server = server
        self.experiment = experiment

    def submit(self, package: Package, arguments: Mapping[str, str], name: str) -> RunStatus:
        """Upload a compiled pipeline where needed and start a run of it.

        Args:
            package: the compiled pipeline.
            arguments: its parameters.
            name: the run's name; several runs may have one.
        """
        return self.start(upload(self.server, package), arguments, name)

    def start(self, version: Version, arguments: Mapping[str, str], name: str) -> RunStatus:
        """Start a run of an uploaded version."""
        body = kfp_server_api.V2beta1Run(
            display_name=name,
            experiment_id=experiment_id(self.server, self.experiment),
            pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
                pipeline_id=version.pipeline_id, pipeline_version_id=version.version_id
            ),
            runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=dict(arguments)),
        )
        create = partial(self.server.api.runs.run_service_create_run, body)
        find = partial(self._named, name)
        return _run(self.server.once(create, find, known=find().keys()))

    def runs(self, name: str) -> Iterator[RunStatus]:
        """The experiment's runs with `name` as a part of theirs, oldest first, without tasks."""
        found = find_experiment(self.server, self.experiment)
        if found is None:
            return
        listed = self.server.pages(
            self.server.api.runs.run_service_list_runs,
            "runs",
            experiment_id=found,
            sort_by="created_at",
            filter=where("display_name", name, part=True),
        )
        yield from map(_run, listed)

    def status(self, run_id: str) -> RunStatus:
        """A run as it is now, with its tasks."""
        return _run(self.server.ask(self.server.api.runs.run_service_get_run, run_id))

    def wait(self, run_id: str, timeout: float) -> RunStatus:
        """Wait for a run to end; a server that starts again meanwhile is waited for too.

        Args:
            run_id: which.
            timeout: seconds.

        Raises:
            ClusterError: it goes on, or the server doesn't answer, when time is up.
        """
        server = self.server
        deadline = server.clock() + timeout
        while True:
            run = _run(server.until(deadline, server.api.runs.run_service_get_run, run_id))
            if run.over:
                return run
            if server.clock() + POLL > deadline:
                raise ClusterError(
                    f"run {run_id} ({run.name}) is still {run.state} after {timeout:.0f} s. "
                    "It goes on; wait longer with --timeout",
                    transient=True,
                )
            server.pause(POLL)

    def _named(self, name: str) -> dict[str, Any]:
        listed = self.server.pages(
            self.server.api.runs.run_service_list_runs,
            "runs",
            filter=where("display_name", name),
            **self.server.scope(),
        )
        return {item.run_id: item for item in listed if item.display_name == name}


def find_experiment(server: Server, name: str) -> str | None:
    """Id of an experiment, None where it isn't there."""
    return next(iter(_experiments(server, name)), None)


def experiment_id(server: Server, name: str) -> str:
    """Id of an experiment, which is made where it isn't there."""
    found = find_experiment(server, name)
    if found is not None:
        return found
    body = kfp_server_api.V2beta1Experiment(display_name=name, **server.scope())
    create = partial(server.api.experiments.experiment_service_create_experiment, body)
    return str(server.once(create, partial(_experiments, server, name)).experiment_id)


def _experiments(server: Server, name: str) -> dict[str, Any]:
    listed = server.pages(
        server.api.experiments.experiment_service_list_experiments,
        "experiments",
        filter=where("display_name", name),
        **server.scope(),
    )
    return {item.experiment_id: item for item in listed if item.display_name == name}


def _run(item: Any) -> RunStatus:
    details = item.run_details.task_details if item.run_details else None
    tasks = sorted((_task(task) for task in details or ()), key=_start)
    return RunStatus(
        run_id=item.run_id,
        name=item.display_name,
        # A run that has just been made has no state yet.
        state=item.state or "PENDING",
        created=item.created_at,
        finished=_time(item.finished_at),
        message=_text(item.error),
        tasks=tuple(tasks),
    )


def _task(item: Any) -> TaskStatus:
    children = [child.pod_name for child in item.child_tasks or ()]
    history = item.state_history or ()
    errors = (_text(entry.error) for entry in history)
    return TaskStatus(
        name=item.display_name or item.task_id,
        state=item.state or "PENDING",
        history=tuple((entry.state, entry.update_time) for entry in history),
        started=_time(item.start_time),
        finished=_time(item.end_time),
        message=_text(item.error) or "; ".join(filter(None, errors)),
        pods=tuple(dict.fromkeys(filter(None, [item.pod_name, *children]))),
    )


def _start(task: TaskStatus) -> tuple[bool, float]:
    """Order of the tasks: those that have not started come last."""
    return task.started is None, task.started.timestamp() if task.started else 0.0


def _time(value: datetime | None) -> datetime | None:
    """A time, None where Kubeflow writes the year 1970 for "not yet"."""
    return value if value and value.year > 1970 else None


def _text(error: Any) -> str:
    return (error.message or "") if error else ""
