"""Running the tasks of one pipeline run: cache, attempts, retries, and a record of each."""

import logging
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from kfp import dsl
from kfp.local import executor_input_utils, executor_output_utils, placeholder_utils
from kfp.local.cache import LocalCache
from kfp.local.orchestrator.orchestrator_utils import OrchestratorUtils
from kfp.local.status import Status

from pipelines.engines.base import Ending, TaskResult
from pipelines.engines.package import Demands, Package

log = logging.getLogger(__name__)

_LONGEST_LINE = 200
_NAMED = 20  # failed tasks that a message names


@dataclass(frozen=True)
class Attempt:
    """One attempt at a task, as an engine runs it."""

    name: str
    image: str
    command: list[str]
    environment: Mapping[str, str]
    demands: Demands
    run: str
    folder: Path
    """Where its outputs go; fresh and empty."""
    scratch: Path
    """Where its scratch volumes may live; removed afterwards."""
    log: Path
    """Gets what it prints."""
    stop: threading.Event
    """Set when the run is interrupted: the task must end."""


@dataclass
class TaskRunner:
    """Runs the tasks that kfp.local's orchestrator comes to, also from several threads."""

    package: Package
    run: str
    root: Path
    """Holds the cache and the folder of every run."""
    attempt: Callable[[Attempt], Ending]
    slots: threading.Semaphore
    """How many tasks run at once."""
    caching: bool
    stop: threading.Event
    results: list[TaskResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cache = LocalCache(str(self.root / "cache"))

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.root / self.run

    def execute(
        self,
        *,
        task_name: str,
        task_spec: Any,
        pipeline_resource_name: str,
        components: Mapping[str, Any],
        io_store: Any,
        unique_pipeline_id: str,
        **_: Any,
    ) -> tuple[dict[str, Any], Status]:
        """Run one task, unless the cache holds its outputs.

        The signature is that of kfp.local's `execute_single_task`.
        """
        if self.stop.is_set():
            return {}, Status.FAILURE
        name = "-".join([task_name, *re.findall(r"-iteration-(\d+)", pipeline_resource_name)])
        component_name = task_spec.component_ref.name
        component = components[component_name]
        try:
            arguments = OrchestratorUtils.make_task_arguments(task_spec.inputs, io_store)
        except ValueError as error:  # such as the output of a task that a condition left out
            self._tell(TaskResult(name, "", "FAILED", reason=str(error)))
            return {}, Status.FAILURE
        arguments |= self._final_status(task_spec, arguments)
        task = _Task(
            name=name,
            cell=str(arguments.get("cell", "")),
            component_name=component_name,
            component=component,
            container=self.package.executors[component.executor_label].container,
            arguments=arguments,
            job=unique_pipeline_id,
        )
        key = self._key(task, task_spec) if task_spec.caching_options.enable_cache else None
        outputs = self._cache.get(key) if key and self.caching else None
        if outputs is not None:
            self._tell(TaskResult(task.name, task.cell, "CACHED"))
            return outputs, Status.SUCCESS
        outputs = self._attempts(task, task_spec.retry_policy)
        if outputs is None:
            return {}, Status.FAILURE
        if key:
            self._cache.put(key, outputs)
        return outputs, Status.SUCCESS

    def failures(self) -> str:
        """One line that names the tasks that failed."""
        failed = [str(task) for task in self.results if task.state == "FAILED"]
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return f"failed: {', '.join(failed[:_NAMED])}{more}"

    def _attempts(self, task: "_Task", retry: Any) -> dict[str, Any] | None:
        """Try a task until it succeeds, refuses or has no retries left."""
        began, codes = time.monotonic(), []
        delay = float(retry.backoff_duration.seconds)
        for number in range(1, retry.max_retry_count + 2):
            path = self.folder / "logs" / f"{task.name}-{number}.log"
            with self.slots:
                ending, outputs = self._once(task, number, path)
            codes.append(ending.code)
            last = ending.refused or number > retry.max_retry_count or self.stop.is_set()
            if ending.succeeded or last:
                break
            log.info("%s: %s, tried again in %g s", task.name, ending, delay)
            self.stop.wait(delay)
            longest = retry.backoff_max_duration.seconds or float("inf")
            delay = min(delay * (retry.backoff_factor or 2.0), longest)
        result = TaskResult(
            task.name,
            task.cell,
            "SUCCEEDED" if ending.succeeded else "FAILED",
            codes=tuple(codes),
            reason="" if ending.succeeded else str(ending),
            log=str(path),
            seconds=round(time.monotonic() - began, 3),
        )
        self._tell(result)
        return outputs if ending.succeeded else None

    def _once(self, task: "_Task", number: int, path: Path) -> tuple[Ending, dict[str, Any]]:
        """Make one attempt, in an empty folder as on a cluster."""
        if self.stop.is_set():
            return Ending(None, "interrupted"), {}
        folder = self.folder / "tasks" / task.name
        scratch = self.folder / "scratch" / f"{task.name}-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            inputs = executor_input_utils.construct_executor_input(
                component_spec=task.component,
                arguments=task.arguments,
                task_root=str(folder),
                block_input_artifact=False,
            )
            attempt = Attempt(
                name=task.name,
                image=task.container.image,
                command=self._command(task, inputs),
                environment={item.name: item.value for item in task.container.env}
                | {"GROUNDSHIFT_RUN_ID": self.run},
                demands=self.package.demands[task.component.executor_label],
                run=self.run,
                folder=folder,
                scratch=scratch,
                log=path,
                stop=self.stop,
            )
            ending = self.attempt(attempt)
            return (ending, task.outputs(inputs)) if ending.succeeded else (ending, {})
        except (OSError, ValueError, json_format.Error) as error:
            # A command that can't start, a full disk, an output that is missing or unreadable.
            return Ending(None, _shortened(str(error))), {}
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _command(self, task: "_Task", inputs: Message) -> list[str]:
        command: list[str] = placeholder_utils.replace_placeholders(
            full_command=[*task.container.command, *task.container.args],
            executor_input_dict=executor_input_utils.executor_input_to_dict(inputs, task.component),
            pipeline_resource_name=self.run,
            task_resource_name=task.name,
            pipeline_root=str(self.root),
            unique_pipeline_id=task.job,
        )
        return command

    def _key(self, task: "_Task", task_spec: Any) -> str:
        """What decides whether a task was done before: its component, command and inputs.

        An artifact counts with its content where it tells it (`content_hash`), else with its
        place: a plan that is made anew in every run changes nothing behind it if it says the same.
        """
        key: str = self._cache.compute_key(
            component_name=task.component_name,
            image=task.container.image,
            full_command=[*task.container.command, *task.container.args],
            arguments={name: _identity(value) for name, value in task.arguments.items()},
            env_vars={item.name: item.value for item in task.container.env},
            custom_cache_key=task_spec.caching_options.cache_key or None,
        )
        return key

    def _final_status(self, task_spec: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What the exit handler is told, in the form a cluster gives it."""
        return {
            name: {
                "state": arguments[name]["state"],
                "pipelineJobResourceName": self.run,
                "pipelineTaskName": arguments[name]["pipeline_task_name"],
                "error": {"code": 1, "message": self.failures()}
                if arguments[name]["state"] == "FAILED"
                else {},
            }
            for name, value in task_spec.inputs.parameters.items()
            if value.HasField("task_final_status")
        }

    def _tell(self, result: TaskResult) -> None:
        self.results.append(result)
        if result.state == "FAILED":
            said = f". It said: {_last_line(Path(result.log))} ({result.log})" if result.log else ""
            log.error("%s failed: %s%s", result, result.reason, said)
        else:
            log.info("%s: %s, %.1f s", result, result.state.lower(), result.seconds)


@dataclass(frozen=True)
class _Task:
    """A task whose inputs are known."""

    name: str
    cell: str
    component_name: str
    component: Any
    container: Any
    arguments: dict[str, Any]
    job: str

    def outputs(self, inputs: Any) -> dict[str, Any]:
        """What the task wrote.

        Raises:
            ValueError: an output parameter is missing or unreadable.
        """
        outputs: dict[str, Any] = executor_output_utils.get_outputs_for_task(inputs, self.component)
        definitions = self.component.output_definitions
        missing = sorted(set(definitions.parameters) - set(outputs))
        if missing:
            raise ValueError(f"it ended well but wrote no output {', '.join(missing)}")
        # As on a cluster, an artifact that the task says nothing about is what lies at its path.
        for name in set(definitions.artifacts) - set(outputs):
            outputs[name] = executor_output_utils.artifact_list_to_dsl_artifact(
                inputs.outputs.artifacts[name], definitions.artifacts[name].is_artifact_list
            )
        return outputs


def _identity(value: Any) -> Any:
    if isinstance(value, dsl.Artifact) and "content_hash" in value.metadata:
        return {"type": value.schema_title, "content_hash": value.metadata["content_hash"]}
    return value


def _last_line(path: Path) -> str:
    """The end of a log, without reading all of it."""
    if not path.is_file():
        return "nothing"
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return _shortened(lines[-1]) if lines else "nothing"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…"
