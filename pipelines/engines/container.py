"""Every task a container, through Docker's API: Docker, or Podman's service."""

import os
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.types import DeviceRequest

from groundshift.errors import SettingsError
from pipelines.engines.base import Ending
from pipelines.engines.local import LocalEngine, ended, is_alive
from pipelines.engines.package import Demands, Package
from pipelines.engines.tasks import Attempt

_LOOK = 0.2
"""Seconds between looks at a running container."""

_KILLED = 128 + 9
"""Exit code of a container that was killed."""

_LAST_WORDS = 0.5
"""Seconds for following a log to its end; Podman's stream sometimes stays open for ever."""

_ROOT, _RUN = "groundshift.root", "groundshift.run"
"""Labels by which a later engine finds containers that a killed one left."""


@dataclass(frozen=True, kw_only=True)
class ContainerEngine(LocalEngine):
    """Runs each task in a container of its image.

    The container has a read-only root, `/tmp` in memory, no capabilities, this user's ids and the
    command as its entry point, as on a cluster. Its limits of processors, memory and time hold.
    It sees the engine's root, the folders of `mounts`, its scratch volumes and its volume claims,
    and of the environment only what is named: its own variables, its secrets, `environment`.
    A `folder` is where it begins but not lent: its parts that tasks read belong into `mounts`.
    """

    host: str | None = None
    """Address of the Docker service; `DOCKER_HOST` or its usual socket by default."""
    mounts: Mapping[Path, str] = field(default_factory=dict)
    """Folders that tasks see under the same path: folder -> "ro" or "rw"."""
    claims: Mapping[str, Path] = field(default_factory=dict)
    """The folder that stands for a volume claim: claim -> folder."""
    network: str | None = None
    """Docker's network mode; the service's own default if None."""
    user: str = field(default_factory=lambda: f"{os.getuid()}:{os.getgid()}")
    """`uid:gid` that tasks run as; must be able to write to the engine's root and mounts."""

    def _check(self, pipeline: Package) -> None:
        super()._check(pipeline)
        wanted = {claim for d in pipeline.demands.values() for claim, _ in d.claims.values()}
        missing = sorted(wanted - set(self.claims))
        if missing:
            raise SettingsError(
                f"pipeline {pipeline.name} mounts the volume claims {', '.join(missing)}: name a "
                "folder for each, or compile it with a profile without them"
            )
        try:
            self._client().close()
        except DockerException as error:
            raise SettingsError(
                f"no container engine answers ({error}). Start Docker or Podman's service and set "
                "DOCKER_HOST, or use --engine process"
            ) from error

    def _client(self) -> Any:
        client = docker.DockerClient(base_url=self.host) if self.host else docker.from_env()
        client.ping()
        return client

    def _attempt(self, attempt: Attempt) -> Ending:
        try:
            client = self._client()
            try:
                container = _create(client, attempt, self._options(attempt))
                try:
                    return self._watch(container, attempt)
                finally:
                    container.remove(force=True)
            finally:
                client.close()
        except DockerException as error:
            return Ending(None, f"the container engine failed: {error}")

    def _options(self, attempt: Attempt) -> dict[str, Any]:
        """What the container is created with (docker-py's names)."""
        demands = attempt.demands
        options: dict[str, Any] = {
            "command": attempt.command[1:],
            "entrypoint": attempt.command[:1],
            "environment": self._variables(attempt),
            "labels": {_ROOT: str(_root(attempt)), _RUN: attempt.run},
            "user": self.user,
            "read_only": True,
            "tmpfs": {"/tmp": "mode=1777"} | _in_memory(demands),
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "volumes": self._volumes(attempt),
        }
        if self.folder:
            options["working_dir"] = str(self.folder.resolve())
        if self.network:
            options["network_mode"] = self.network
        if demands.memory:
            options |= {"mem_limit": demands.memory, "memswap_limit": demands.memory}
        if demands.cpu:
            options["nano_cpus"] = int(demands.cpu * 1e9)
        if demands.accelerators:
            options["device_requests"] = [
                DeviceRequest(count=demands.accelerators, capabilities=[["gpu"]])
            ]
        return options

    def _volumes(self, attempt: Attempt) -> list[str]:
        """Folders of this machine in the container, as Docker writes them: `folder:path:mode`."""
        folders = {_root(attempt): "rw"} | {
            path.resolve(): mode for path, mode in self.mounts.items()
        }
        volumes = [f"{folder}:{folder}:{mode}" for folder, mode in folders.items()]
        for path, (claim, inside) in attempt.demands.claims.items():
            volumes.append(f"{(self.claims[claim] / inside).resolve()}:{path}:rw")
        for number, path in enumerate(attempt.demands.scratch):
            folder = attempt.scratch / str(number)
            folder.mkdir(parents=True)
            volumes.append(f"{folder}:{path}:rw")
        return volumes

    def _watch(self, container: Any, attempt: Attempt) -> Ending:
        """Start a container and wait for its end; its log is complete afterwards."""
        began = time.monotonic()
        container.start()
        follower = threading.Thread(target=_follow, args=(container, attempt.log), daemon=True)
        follower.start()
        reason = ""
        while container.status not in ("exited", "dead"):
            reason = ended(attempt, began)
            if reason:
                container.stop(timeout=int(self.grace))  # asks, then kills
            else:
                time.sleep(_LOOK)
            container.reload()
        follower.join(_LAST_WORDS)
        # Podman leaves lines out for a reader that is slower than it, so the whole comes at once.
        _save([container.logs()], attempt.log)
        state = container.attrs["State"]
        limit = attempt.demands.memory
        if not reason and limit and (state.get("OOMKilled") or state["ExitCode"] == _KILLED):
            # Podman doesn't tell who killed it; a container above its limit is killed so.
            reason = f"killed, most likely above its {limit / 2**20:g} MiB of memory"
        return Ending(int(state["ExitCode"]), reason)

    def _end_leftovers(self, root: Path) -> None:
        client = self._client()
        try:
            left = client.containers.list(all=True, filters={"label": f"{_ROOT}={root}"})
            for container in left:
                if not is_alive(root / container.labels[_RUN]):
                    with suppress(NotFound):
                        container.remove(force=True)
        finally:
            client.close()


def _root(attempt: Attempt) -> Path:
    return attempt.folder.parents[2]  # ROOT/run/tasks/name


def _in_memory(demands: Demands) -> dict[str, str]:
    return {
        path: "mode=1777" + (f",size={size}" if size else "")
        for path, size in demands.in_memory.items()
    }


def _create(client: Any, attempt: Attempt, options: dict[str, Any]) -> Any:
    try:
        return client.containers.create(attempt.image, **options)
    except ImageNotFound:
        client.images.pull(attempt.image)
        return client.containers.create(attempt.image, **options)


def _follow(container: Any, path: Path) -> None:
    with suppress(DockerException, OSError):  # the log is saved whole at the end
        _save(container.logs(stream=True, follow=True), path)


def _save(chunks: Iterable[bytes], path: Path) -> None:
    """Write a log to a file of its own, so that a stream that hangs can't disturb the next."""
    path.unlink(missing_ok=True)
    with path.open("wb", buffering=0) as file:
        for chunk in chunks:
            file.write(chunk)
