"""What must hold for every compiled pipeline, looked up in the package itself.

kfp checks types and names while it compiles. This checks what comes out, so that a package that
is uploaded has resources, retries and a time-out on every task, passes on what it makes, and runs
commands that the stages understand.
"""

import graphlib
import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import typer.main
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

from groundshift.errors import ContractError

SHOWN = {"metrics", "roc", "confusion", "summary", "card", "report"}
"""Outputs that Kubeflow's UI shows, and no task reads."""

KEPT = {"coefficients", "samples", "scores", "maps", "drift", "evaluation", "observations", "cube"}
"""Outputs that stay in the artifact store, where later tasks find them through the index."""

ANSWERS = {"plan", "cells", "count", "digest", "champion"}
"""What a plan answers; which of it a pipeline needs is the pipeline's matter."""

_Refused: type[Exception] = typer.BadParameter.__mro__[1]
"""What a parser raises for arguments it does not understand (Typer brings a click of its own)."""

_PLACEHOLDER = re.compile(r"\{\{\$(\.(inputs|outputs)\.(parameters|artifacts)\['(\w+)'\].*)?\}\}")


@dataclass(frozen=True)
class Task:
    """A task of a package: where it stands, what it runs."""

    dag: str
    name: str
    spec: Mapping[str, Any]
    component: Mapping[str, Any]

    @property
    def executor(self) -> str | None:
        """Label of what it runs; None for a group of tasks."""
        label: str | None = self.component.get("executorLabel")
        return label


@dataclass(frozen=True)
class Package:
    """A compiled pipeline: its specification, and what the platform is told of it."""

    spec: Mapping[str, Any]
    platform: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Package":
        """Read a package.

        Raises:
            ContractError: the file holds no pipeline.
        """
        documents = list(yaml.safe_load_all(path.read_text()))
        if not documents or "deploymentSpec" not in (documents[0] or {}):
            raise ContractError(
                f"{path}: expected a compiled pipeline, found something else. "
                "Make one with `groundshift compile`"
            )
        return cls(documents[0], documents[1] if len(documents) > 1 else {})

    @property
    def containers(self) -> dict[str, Mapping[str, Any]]:
        """Image, command and resources by executor."""
        executors = self.spec["deploymentSpec"]["executors"]
        return {label: executor["container"] for label, executor in executors.items()}

    @property
    def on_kubernetes(self) -> Mapping[str, Any]:
        """Time-out, volumes and the like by executor."""
        kubernetes = self.platform.get("platforms", {}).get("kubernetes", {})
        executors: Mapping[str, Any] = kubernetes.get("deploymentSpec", {}).get("executors", {})
        return executors

    def dags(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every graph of tasks, by the name of the component it belongs to."""
        yield "root", self.spec["root"]["dag"]
        for name, component in self.spec["components"].items():
            if "dag" in component:
                yield name, component["dag"]

    def tasks(self) -> Iterator[Task]:
        """Every task and every group of tasks."""
        for dag, content in self.dags():
            for name, spec in content["tasks"].items():
                component = self.spec["components"][spec["componentRef"]["name"]]
                yield Task(dag, name, spec, component)


def require(path: Path) -> None:
    """Refuse a package in which something is wrong.

    Args:
        path: compiled pipeline (IR YAML).

    Raises:
        ContractError: everything that is wrong.
    """
    found = problems(Package.read(path))
    if found:
        raise ContractError(
            f"{path.name}: the pipeline is not fit to run:\n  " + "\n  ".join(found)
        )


def problems(package: Package) -> list[str]:
    """Everything that is wrong with a package, a line each."""
    return [
        *_against_schema(package),
        *_executors(package),
        *_retries(package),
        *_order(package),
        *_types(package),
        *_unread(package),
        *_commands(package),
    ]


def _against_schema(package: Package) -> Iterator[str]:
    for name, document, message in (
        ("pipeline", package.spec, PipelineSpec()),
        ("platform", package.platform, PlatformSpec()),
    ):
        try:
            json_format.ParseDict(document, message)
        except json_format.ParseError as error:
            yield f"{name}: not what kfp's schema says: {error}"


def _executors(package: Package) -> Iterator[str]:
    wanted = [f"resource{what}{how}" for what in ("Cpu", "Memory") for how in ("Request", "Limit")]
    for label, container in package.containers.items():
        missing = [name for name in wanted if not container.get("resources", {}).get(name)]
        if missing:
            yield f"{label}: no {', '.join(missing)}"
        if not container.get("image"):
            yield f"{label}: no image"
        if int(package.on_kubernetes.get(label, {}).get("activeDeadlineSeconds", 0)) <= 0:
            yield f"{label}: no time-out"


def _retries(package: Package) -> Iterator[str]:
    for task in package.tasks():
        if task.executor and "maxRetryCount" not in task.spec.get("retryPolicy", {}):
            yield f"{task.dag}/{task.name}: no retries set"


def _order(package: Package) -> Iterator[str]:
    for dag, content in package.dags():
        needs = {name: upstream(task) for name, task in content["tasks"].items()}
        unknown = {one for upstream in needs.values() for one in upstream} - needs.keys()
        if unknown:
            yield f"{dag}: waits for tasks that are not there: {', '.join(sorted(unknown))}"
        try:
            graphlib.TopologicalSorter(needs).prepare()
        except graphlib.CycleError as error:
            yield f"{dag}: goes round in a circle: {' -> '.join(error.args[1])}"


def upstream(task: Mapping[str, Any]) -> set[str]:
    """The tasks beside it that a task waits for."""
    producers = {source["producerTask"] for source in _sources(task) if "producerTask" in source}
    return {*task.get("dependentTasks", ()), *producers}


def _sources(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Where the inputs of a task come from, if from another task."""
    for kind in ("parameters", "artifacts"):
        for given in task.get("inputs", {}).get(kind, {}).values():
            for how in ("taskOutputParameter", "taskOutputArtifact", "taskFinalStatus"):
                if how in given:
                    yield given[how]


def _types(package: Package) -> Iterator[str]:
    """An input must be there, and be of the type of the output that it is given."""
    components = package.spec["components"]
    for task in package.tasks():
        siblings = dict(package.dags())[task.dag]["tasks"]
        for kind, key in (("parameters", "outputParameterKey"), ("artifacts", "outputArtifactKey")):
            wanted = task.component.get("inputDefinitions", {}).get(kind, {})
            given = task.spec.get("inputs", {}).get(kind, {})
            for name, definition in wanted.items():
                where = f"{task.dag}/{task.name}: input {name}"
                if name not in given:
                    iterated = task.spec.get("parameterIterator", {}).get("itemInput") == name
                    if not (definition.get("isOptional") or iterated):
                        yield f"{where} is not given"
                    continue
                source = given[name].get("taskOutputParameter") or given[name].get(
                    "taskOutputArtifact"
                )
                if source is None or source["producerTask"] not in siblings:
                    continue
                producer = components[siblings[source["producerTask"]]["componentRef"]["name"]]
                made = producer.get("outputDefinitions", {}).get(kind, {}).get(source[key], {})
                if _type(made) != _type(definition):
                    yield f"{where} is {_type(definition)}, and is given {_type(made)}"


def _type(definition: Mapping[str, Any]) -> Any:
    return definition.get("parameterType") or definition.get("artifactType", {}).get("schemaTitle")


def _unread(package: Package) -> Iterator[str]:
    """Every output is read by a task, shown in the UI, or kept in the store."""
    for dag, content in package.dags():
        read = {
            (
                source["producerTask"],
                source.get("outputParameterKey", source.get("outputArtifactKey")),
            )
            for task in content["tasks"].values()
            for source in _sources(task)
        } | {
            (given["producerSubtask"], given["outputParameterKey"])
            for output in content.get("outputs", {}).get("parameters", {}).values()
            for given in [output["valueFromParameter"]]
        }
        for name, spec in content["tasks"].items():
            made = package.spec["components"][spec["componentRef"]["name"]]
            for output in _outputs(made):
                if (name, output) not in read and output not in SHOWN | KEPT | ANSWERS:
                    yield f"{dag}/{name}: nobody reads its output {output}"


def _outputs(component: Mapping[str, Any]) -> Iterator[str]:
    for definitions in component.get("outputDefinitions", {}).values():
        yield from definitions


def _commands(package: Package) -> Iterator[str]:
    for label, container in package.containers.items():
        words = [*container.get("command", ()), *container.get("args", ())]
        if words[:2] != ["python3", "-m"]:
            yield f"{label}: expected `python3 -m components.STAGE`, found {' '.join(words[:3])}"
            continue
        try:
            parse(words[2], words[3:])
        except (ImportError, _Refused) as error:
            yield f"{label}: {words[2]} does not understand its command: {error}"


def parse(module: str, arguments: Iterable[str]) -> dict[str, Any]:
    """What a stage's own parser makes of a compiled command.

    Args:
        module: e.g. `components.fetch`.
        arguments: with kfp's placeholders, each of which stands for its own name.

    Returns:
        The options by name.

    Raises:
        ImportError: there is no such stage.
        typer.BadParameter: the parser refuses them (or its base class).
    """
    given = [_PLACEHOLDER.sub(lambda found: found[4] or "{}", word) for word in arguments]
    command = typer.main.get_command(importlib.import_module(f"{module}.__main__").app)
    return dict(command.make_context(module, given).params)
