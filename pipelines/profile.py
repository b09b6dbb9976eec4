"""The profile of a cluster: images, resources, retries, volumes, secrets of every task.

Components know none of this. A profile is a YAML file; `defaults` hold for every task, `tasks` say
what differs, and it may extend another profile. Every field and its meaning stands in
docs/kubeflow.md.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Self, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from groundshift.domain.time import Duration
from groundshift.errors import SettingsError
from groundshift.settings.base import Frozen
from groundshift.settings.loading import merge

TaskName = Literal[
    "plan", "index", "fetch", "stack", "coefficients", "betas", "window",
    "train", "evaluate", "drift", "infer", "report", "notify",
]  # fmt: skip
Component = Literal["fetch", "stack", "window", "train", "evaluate", "infer", "notify"]

STAGE_OF: dict[TaskName, Component] = {
    "plan": "fetch",
    "index": "fetch",
    "fetch": "fetch",
    "stack": "stack",
    "coefficients": "window",
    "betas": "window",
    "window": "window",
    "train": "train",
    "evaluate": "evaluate",
    "drift": "evaluate",
    "infer": "infer",
    "report": "infer",
    "notify": "notify",
}
"""Which of `components` a task runs."""

NETWORK: tuple[Component, ...] = ("train", "evaluate", "infer")
"""Components whose image holds TensorFlow, and whose tasks may ask for an accelerator."""

EXTENDS = "extends"
"""Key of a profile that names another one beside it; what it says itself comes on top."""

_CORES = r"^(\d*\.)?\d+m?$"
_BYTES = r"^\d+([EPTGMK]i?)?$"


class Images(Frozen):
    """Which image a task runs in; by digest (`name@sha256:...`) where runs must be repeatable."""

    light: str = Field(description="image of fetch, stack, window and notify", min_length=1)
    network: str = Field(description="image of train, evaluate and infer", min_length=1)
    stages: dict[Component, str] = Field({}, description="images of single components instead")

    def of(self, component: Component) -> str:
        """The image of a component."""
        shared = self.network if component in NETWORK else self.light
        return self.stages.get(component, shared)


class Cpu(Frozen):
    """Cores of a task: `500m` is half of one."""

    request: str = Field(pattern=_CORES, description="promised; by it Kubernetes chooses the node")
    limit: str = Field(pattern=_CORES, description="the most it gets")


class Memory(Frozen):
    """Memory of a task, e.g. `2Gi`."""

    request: str = Field(pattern=_BYTES, description="promised; by it Kubernetes chooses the node")
    limit: str = Field(pattern=_BYTES, description="the most it gets; above it the task is killed")


class Accelerator(Frozen):
    """Accelerators of a task."""

    type: str = Field(description="resource name, e.g. nvidia.com/gpu")
    count: int = Field(1, ge=1, description="how many")


class Retries(Frozen):
    """What happens after a failure that may pass. Exit 2 (bad input) is never tried again."""

    max: int = Field(2, ge=0, description="attempts after the first")
    backoff: Duration = Field("30s", description="wait before the second")  # type: ignore[assignment]
    factor: float = Field(2.0, ge=1, description="each wait is this much longer")
    cap: Duration = Field("15min", description="longest wait")  # type: ignore[assignment]


class Claim(Frozen):
    """A shared volume: the store, or the user's own files."""

    claim: str = Field(description="name of the PersistentVolumeClaim")
    path: str = Field(description="where the task sees it", pattern="^/")
    sub_path: str = Field("", description="folder of the volume, instead of all of it")


class Scratch(Frozen):
    """A folder of one task's own that goes with it."""

    type: Literal["emptyDir", "ephemeral"] = Field(
        "emptyDir",
        description="`emptyDir`: on the node's disk, where everybody may write; `ephemeral`: a "
        "volume of its own, whose storage class must let the task's user write",
    )
    path: str = Field("/scratch", pattern="^/", description="where the task sees it")
    size: str = Field(pattern=_BYTES, description="the most it may hold, e.g. 50Gi")
    storage_class: str | None = Field(
        None, description="of an ephemeral volume; default: the cluster's own"
    )

    @model_validator(mode="after")
    def _class_of_a_volume(self) -> Self:
        if self.storage_class is not None and self.type != "ephemeral":
            raise ValueError("storage_class: the node's disk has none; expected type: ephemeral")
        return self


class Source(Frozen):
    """A secret or config map whose entries become environment variables."""

    name: str = Field(description="of the secret or config map")
    env: dict[str, str] = Field(description="entry -> environment variable")
    optional: bool = Field(False, description="start without it where it isn't there")


class Toleration(Frozen):
    """A taint of nodes that a task puts up with."""

    key: str = Field(description="of the taint")
    operator: Literal["Equal", "Exists"] = Field(
        "Equal", description="whether its value counts (Equal) or not (Exists)"
    )
    value: str | None = Field(None, description="of the taint")
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] | None = Field(
        None, description="which effect is put up with; all where it is left out"
    )


class Security(Frozen):
    """Who a task runs as, never root.

    Kubeflow itself drops all capabilities and forbids new privileges. It has no setting for a
    read-only root file system; the images need no writable one.
    """

    user: int = Field(10001, ge=1, description="id of the user; the volumes must let it write")
    group: int = Field(10001, ge=1, description="id of the group")


class TaskProfile(Frozen):
    """What one task gets."""

    cpu: Cpu
    memory: Memory
    accelerator: Accelerator | None = Field(None, description="only for tasks with the network")
    retries: Retries = Retries()
    timeout: Duration = Field(description="a task that takes longer is killed")
    claims: tuple[Claim, ...] = Field((), description="shared volumes: the store, the inputs")
    scratch: Scratch | None = Field(None, description="where stages work; default: below /tmp")
    shared_memory: str | None = Field(
        None, pattern=_BYTES, description="size of /dev/shm; counts against the memory limit"
    )
    environment: dict[str, str] = Field({}, description="variables that are no secret")
    secrets: tuple[Source, ...] = Field((), description="entries of secrets as variables")
    config_maps: tuple[Source, ...] = Field((), description="entries of config maps as variables")
    node_selector: dict[str, str] = Field({}, description="labels that the node must have")
    tolerations: tuple[Toleration, ...] = Field((), description="taints that the node may have")
    labels: dict[str, str] = Field({}, description="labels of the pod")
    annotations: dict[str, str] = Field({}, description="annotations of the pod")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="whether the registry is asked for the image"
    )
    pull_secrets: tuple[str, ...] = Field((), description="secrets for the registry")
    security: Security | None = Field(Security(), description="null: as the image says")


class Notify(Frozen):
    """Where the outcome of a run is told."""

    webhook_env: str = Field(
        "", description="environment variable of the notify task that holds the address"
    )
    file: str = Field("", description="file the outcome is added to as a line of JSON")


class Profile(Frozen):
    """A cluster."""

    images: Images
    store: str = Field(description="folder that all tasks see, where artifacts are kept")
    parallelism: int = Field(10, ge=1, description="cells worked on at the same time")
    notify: Notify = Notify()
    defaults: TaskProfile = Field(description="what every task gets")
    tasks: dict[TaskName, TaskProfile] = Field(
        {}, description="what differs from defaults, task by task; all tasks once it is read"
    )

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: Any) -> Any:
        """Give every task the defaults below its own values."""
        if not isinstance(values, dict) or not isinstance(values.get("defaults"), dict):
            return values
        own = values.get("tasks") or {}
        names = [*get_args(TaskName), *(name for name in own if name not in get_args(TaskName))]
        tasks = {name: merge(values["defaults"], own.get(name) or {}) for name in names}
        return values | {"tasks": tasks}

    @model_validator(mode="after")
    def _accelerators(self) -> Self:
        for name, task in self.tasks.items():
            if task.accelerator is not None and STAGE_OF[name] not in NETWORK:
                raise ValueError(
                    f"tasks.{name}.accelerator: only tasks of {', '.join(NETWORK)} can use one"
                )
        return self

    def with_images(self, file: Path) -> Self:
        """The profile with the images that `make images` has built, by digest.

        Components with tasks on an accelerator get `network-gpu`.

        Args:
            file: `build/images.json`.
        """
        on_gpu = {STAGE_OF[name] for name, task in self.tasks.items() if task.accelerator}
        stages = self.images.stages | _built(file, on_gpu)
        return self.model_copy(update={"images": self.images.model_copy(update={"stages": stages})})


def load(path: Path) -> Profile:
    """Read a profile.

    Raises:
        SettingsError: unreadable file, unknown key or bad value, with its place.
    """
    try:
        return Profile.model_validate(_read(path))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise SettingsError(
            f"profile {path}: {place or 'profile'}: {problem['msg']}, found "
            f"{_short(problem['input'])}; see docs/kubeflow.md"
        ) from None


def _read(path: Path) -> dict[str, Any]:
    """The values of a profile, upon those of the one it extends."""
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SettingsError(
            f"profile {path}: can't be read ({error.strerror}); expected a file such as "
            "pipelines/profiles/local.yaml"
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(f"profile {path}: no valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"profile {path}: expected images, store, ..., found {document!r}")
    base = document.pop(EXTENDS, None)
    return document if base is None else merge(_read(path.parent / base), document)


def _built(file: Path, on_gpu: Collection[Component]) -> dict[Component, str]:
    targets = {name: "network-gpu" if name in on_gpu else name for name in get_args(Component)}
    try:
        document = json.loads(file.read_text())
        return {
            component: document[target]["reference"]
            for component, target in targets.items()
            if target in document
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{file}: expected the images that `make images` lists, by stage ({error!r}). "
            "Run `make images`, or leave --images out"
        ) from error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
