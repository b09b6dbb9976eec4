"""A compiled pipeline as the engines read it: the IR, and what each task asks of a cluster."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.local import utils
from kfp.pipeline_spec import pipeline_spec_pb2

from groundshift.errors import SettingsError

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|[kMGTP]|[KMGTP]i)?")


@dataclass(frozen=True)
class Demands:
    """What a task asks of the machine it runs on."""

    cpu: float | None = None
    """Processors it may use."""
    memory: int | None = None
    """Bytes it may use."""
    accelerators: int = 0
    timeout: float | None = None
    """Seconds one attempt may take."""
    secrets: frozenset[str] = frozenset()
    """Environment variables that come from secrets and config maps."""
    required: frozenset[str] = frozenset()
    """Those of them that are not optional."""
    claims: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Where volume claims are mounted: path -> (claim, folder inside it)."""
    scratch: tuple[str, ...] = ()
    """Where scratch volumes are mounted."""
    in_memory: Mapping[str, int | None] = field(default_factory=dict)
    """Where volumes in memory are mounted: path -> bytes."""


@dataclass(frozen=True)
class Package:
    """A compiled pipeline."""

    name: str
    root: Message
    components: Mapping[str, Message]
    executors: Mapping[str, Message]
    demands: Mapping[str, Demands]
    """By executor label."""

    @classmethod
    def load(cls, path: Path) -> "Package":
        """Read a compiled pipeline.

        Raises:
            SettingsError: no compiled pipeline, or one with tasks that don't run in containers.
        """
        try:
            documents = list(yaml.safe_load_all(path.read_text()))
            spec = json_format.ParseDict(documents[0], pipeline_spec_pb2.PipelineSpec())
        except (OSError, yaml.YAMLError, json_format.ParseError, IndexError) as error:
            raise SettingsError(
                f"{path}: expected a compiled pipeline (`groundshift compile`), found: {error}"
            ) from error
        executors = {
            label: utils.struct_to_executor_spec(executor)
            for label, executor in spec.deployment_spec["executors"].items()
        }
        for label, executor in executors.items():
            if executor.WhichOneof("spec") != "container":
                raise SettingsError(
                    f"{path}: {label} is not a container. Engines on this machine run nothing else"
                )
        cluster = _cluster(documents[1:])
        return cls(
            name=spec.pipeline_info.name,
            root=spec.root,
            components=dict(spec.components.items()),
            executors=executors,
            demands={
                label: _demands(executor.container, cluster.get(label, {}))
                for label, executor in executors.items()
            },
        )

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Compare arguments with the pipeline's parameters.

        Raises:
            SettingsError: an unknown name, or no value for a parameter without default.
        """
        known = self.root.input_definitions.parameters
        unknown = sorted(set(arguments) - set(known))
        missing = sorted(
            name
            for name, parameter in known.items()
            if name not in arguments and not parameter.is_optional
        )
        if unknown or missing:
            raise SettingsError(
                f"pipeline {self.name} takes {', '.join(sorted(known)) or 'no parameters'}; "
                f"unknown: {', '.join(unknown) or 'none'}, missing: {', '.join(missing) or 'none'}"
            )


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number: '500m' is 0.5, '1Gi' is 2**30.

    Raises:
        SettingsError: no quantity.
    """
    found = _QUANTITY.fullmatch(text)
    if not found:
        raise SettingsError(f"expected a quantity like 500m or 2Gi, found {text!r}")
    number, suffix = float(found[1]), found[2] or ""
    if suffix == "m":
        return number / 1000
    base = 1024 if suffix.endswith("i") else 1000
    return number * float(base) ** " KMGTP".index(suffix[:1].upper() or " ")


def read_environment(path: Path | None) -> dict[str, str]:
    """The environment of this process, completed from a file of `NAME=value` lines."""
    lines = path.read_text().splitlines() if path else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, value in pairs} | dict(os.environ)


def _cluster(documents: Iterable[Any]) -> Mapping[str, Any]:
    """What kfp-kubernetes wrote beside the IR, by executor label."""
    for document in documents:
        kubernetes = (document or {}).get("platforms", {}).get("kubernetes", {})
        executors: Mapping[str, Any] = kubernetes.get("deploymentSpec", {}).get("executors", {})
        return executors
    return {}


def _demands(container: Any, cluster: Mapping[str, Any]) -> Demands:
    resources = container.resources
    cpu, memory = resources.resource_cpu_limit, resources.resource_memory_limit
    timeout = cluster.get("activeDeadlineSeconds")
    named = [*cluster.get("secretAsEnv", ()), *cluster.get("configMapAsEnv", ())]
    variables = [
        (key["envVar"], not item.get("optional")) for item in named for key in item["keyToEnv"]
    ]
    empty = cluster.get("emptyDirMounts", ())
    on_disk = [volume for volume in empty if volume.get("medium") != "Memory"]
    return Demands(
        cpu=quantity(cpu) if cpu else None,
        memory=int(quantity(memory)) if memory else None,
        accelerators=int(resources.accelerator.resource_count or 0),
        timeout=float(timeout) if timeout else None,
        secrets=frozenset(name for name, _ in variables),
        required=frozenset(name for name, required in variables if required),
        claims={
            mount["mountPath"]: (mount.get("constant", ""), mount.get("subPath", ""))
            for mount in cluster.get("pvcMount", ())
        },
        scratch=tuple(
            volume["mountPath"] for volume in [*cluster.get("genericEphemeralVolume", ()), *on_disk]
        ),
        in_memory={
            volume["mountPath"]: int(quantity(volume.get("sizeLimit", "0"))) or None
            for volume in empty
            if volume not in on_disk
        },
    )
