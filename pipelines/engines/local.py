"""What the engines of this machine share: one run from its package to its result."""

import fcntl
import logging
import os
import secrets
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kfp.local.orchestrator import enhanced_dag_orchestrator
from kfp.local.status import Status

from pipelines.engines.base import Ending, RunResult, RunState
from pipelines.engines.package import Package, read_environment
from pipelines.engines.tasks import Attempt, TaskRunner
from pipelines.engines.upstream import repaired

log = logging.getLogger(__name__)


def _processors() -> int:
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class LocalEngine(ABC):
    """Runs pipelines on this machine; its children say how one task is run."""

    workers: int = field(default_factory=_processors)
    """How many tasks run at once."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that every task gets."""
    folder: Path | None = None
    """Where tasks run, and relative paths begin: by default the current folder, or the image's."""
    env_file: Path | None = None
    """`NAME=value` lines; secrets come from the environment, else from here."""
    grace: float = 10.0
    """Seconds between asking a task to end and killing it."""

    def run(
        self, package: Path, arguments: Mapping[str, Any], *, root: Path, caching: bool = True
    ) -> RunResult:
        """Run a pipeline to its end.

        Started again with the same arguments and root, also after a kill, it does not redo tasks
        that are done; tasks that failed, and those that are never cached, run again.

        Args:
            package: the compiled pipeline (IR YAML).
            arguments: values of the pipeline's parameters; the others keep their defaults.
            root: holds `cache/` and one folder per run.
            caching: whether tasks that are done already are taken from the cache.

        Raises:
            SettingsError: the package can't be run here, or the arguments don't fit it.
            KeyboardInterrupt: the run was interrupted; its tasks have ended.
        """
        pipeline = Package.load(package)
        pipeline.check(arguments)
        self._check(pipeline)
        root = root.resolve()
        name = f"{pipeline.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        (root / name).mkdir(parents=True)
        stop = threading.Event()
        runner = TaskRunner(
            package=pipeline,
            run=name,
            root=root,
            attempt=self._attempt,
            slots=threading.Semaphore(self.workers),
            caching=caching,
            stop=stop,
        )
        began = time.monotonic()
        with _alive(root / name):
            RunResult(name, pipeline.name, "RUNNING", root / name).write()
            self._end_leftovers(root)
            log.info("run %s begins, logs in %s", name, root / name / "logs")
            with _interruptible(stop), repaired(runner.execute, self.workers):
                status = _walk(runner, arguments)
            result = RunResult(
                run=name,
                pipeline=pipeline.name,
                state=_state(status, interrupted=stop.is_set()),
                folder=root / name,
                tasks=tuple(runner.results),
                seconds=round(time.monotonic() - began, 3),
            )
            result.write()
        log.info("run %s %s after %.1f s", name, result.state.lower(), result.seconds)
        if stop.is_set():
            raise KeyboardInterrupt(
                f"Interrupted. Run the same command again to go on: finished tasks are in {root}."
            )
        return result

    def _check(self, pipeline: Package) -> None:
        """Refuse what this engine can't give a pipeline, before anything runs."""
        names = read_environment(self.env_file).keys() | self.environment.keys()
        for label, demands in pipeline.demands.items():
            missing = sorted(demands.required - names)
            if missing:
                log.warning(
                    "%s asks for secrets that neither the environment nor %s holds: %s",
                    label.removeprefix("exec-"),
                    self.env_file or "an environment file",
                    ", ".join(missing),
                )

    def _variables(self, attempt: Attempt) -> dict[str, str]:
        """The variables of a task: its own, its secrets, the engine's."""
        known = read_environment(self.env_file)
        given = {name: known[name] for name in attempt.demands.secrets if name in known}
        return {**given, **self.environment, **attempt.environment}

    @abstractmethod
    def _attempt(self, attempt: Attempt) -> Ending:
        """Run a task once, to its end."""

    @abstractmethod
    def _end_leftovers(self, root: Path) -> None:
        """End what killed engines left running under a root."""


def ended(attempt: Attempt, began: float) -> str:
    """Why an attempt, begun then on the monotonic clock, must end now; or nothing."""
    if attempt.stop.is_set():
        return "interrupted"
    timeout = attempt.demands.timeout
    if timeout is not None and time.monotonic() - began > timeout:
        return f"ran longer than its {timeout:g} s"
    return ""


def is_alive(run: Path) -> bool:
    """Whether the engine of a run still lives."""
    try:
        with (run / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def _alive(run: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    with (run / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _interruptible(stop: threading.Event) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into an orderly end (in the main thread, where Python tells them)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _state(status: Status, *, interrupted: bool) -> RunState:
    if interrupted:
        return "INTERRUPTED"
    return "SUCCEEDED" if status == Status.SUCCESS else "FAILED"


def _walk(runner: TaskRunner, arguments: Mapping[str, Any]) -> Status:
    _, status = enhanced_dag_orchestrator.run_enhanced_dag(
        pipeline_resource_name=runner.run,
        dag_component_spec=runner.package.root,
        executors=dict(runner.package.executors),
        components=dict(runner.package.components),
        dag_arguments=dict(arguments),
        pipeline_root=str(runner.root),
        runner=None,
        unique_pipeline_id=runner.run,
        fail_stack=[],
    )
    return status
