"""Running a pipeline to its end: by DVC, by an engine of this machine, on a cluster."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import yaml

from components.unmapped import UNMAPPED, report_of
from groundshift.artifacts import ArtifactStore
from groundshift.artifacts.cache import LIMIT
from groundshift.errors import SettingsError
from groundshift.services import tracking
from groundshift.storage.bucket import PATIENCE, TIMEOUT
from pipelines import outcome

if TYPE_CHECKING:
    # kfp takes seconds to import, which `groundshift --help` shall not.
    from pipelines.engines import Engine
    from pipelines.kubeflow.server import Server

RUNS = Path("work/runs")
"""Where the engines of this machine keep runs, logs and what makes a second run short."""

_PASSED_ON = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    TIMEOUT,
    PATIENCE,
    LIMIT,
)
"""Variables that containers get too: MLflow and S3 count wherever a task runs."""


_UNMAPPED = {
    "training": "The model did not become the champion (groundshift models show says why): nothing "
    "was mapped, and what is published stays.",
    "monitoring": "Nothing new: every cell is published as it is.",
    "retraining": "Nothing was mapped.",
}


@dataclass(frozen=True)
class Job:
    """What is to be run.

    Attributes:
        pipeline: training, monitoring or retraining.
        area: one of the settings file's.
        params: the settings file.
        overrides: `infer.stride=5`, applied last.
        as_of: last day of the period; empty: where the settings say.
    """

    pipeline: str
    area: str
    params: Path
    overrides: tuple[str, ...] = ()
    as_of: str = ""

    def __post_init__(self) -> None:
        """Refuse an area that isn't there before anything is started."""
        areas = self._areas()
        if self.area not in areas:
            raise SettingsError(
                f"area {self.area!r} is not in {self.params}: expected one of "
                f"{', '.join(areas) or 'none'}. Add it under `areas`"
            )

    @property
    def title(self) -> str:
        """Name of its run in MLflow."""
        return f"groundshift run {self.pipeline} {self.area}"

    @property
    def inputs(self) -> Path | None:
        """Folder of the area's own files, if it has one."""
        inputs = self._areas()[self.area].get("inputs")
        return Path(inputs).absolute() if inputs else None

    def arguments(self) -> dict[str, str]:
        """Values of the pipeline's parameters."""
        from pipelines.parameters import arguments

        return arguments(self.pipeline, self.area, self.params, self.overrides, self.as_of)

    def _areas(self) -> dict[str, Any]:
        try:
            areas: dict[str, Any] = (yaml.safe_load(self.params.read_text()) or {}).get("areas", {})
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(
                f"{self.params}: can't be read ({error}). Run from the project's folder"
            ) from error
        return areas


def with_dvc(job: Job) -> bool:
    """Run the six stages in turn, those that are not up to date; False if one failed.

    Raises:
        SettingsError: something else than what dvc.yaml and params.yaml say.
    """
    if job != Job("training", job.area, Path("params.yaml")):
        raise SettingsError(
            "--engine dvc runs the training pipeline as dvc.yaml and params.yaml say: change "
            "params.yaml, or choose --engine process"
        )
    started = time.time()
    command = [sys.executable, "-m", "dvc", "repro", f"infer@{job.area}"]
    with tracking.pipeline_run(job.title, job.area):
        if subprocess.run(command, env=_this_python_first(), check=False).returncode:
            typer.echo(
                f"groundshift: {job.area} did not finish; the messages above say why", err=True
            )
            _tell_of_no_map(Path("data") / job.area / UNMAPPED, started)
            return False
    typer.echo(outcome.describe(Path("data") / job.area, since=started))
    return True


def _tell_of_no_map(place: Path, since: float) -> None:
    """Name the report of a run that ended for want of data."""
    if report := report_of(place, since):
        typer.echo(f"  report  {report} (there is no map: it says why)")


def here(job: Job, package: Path, engine: "Engine", store: ArtifactStore, *, caching: bool) -> bool:
    """Run a compiled pipeline as processes or containers; False if a task failed."""
    logging.getLogger("pipelines").setLevel(logging.INFO)
    started = time.time()
    values = job.arguments() | {"store": store.address}
    runs = RUNS / type(engine).__name__
    with tracking.pipeline_run(job.title, job.area):
        result = engine.run(package, values, root=runs, caching=caching)
    typer.echo(outcome.tasks(result))
    if result.state != "SUCCEEDED":
        if store.root is not None:
            _tell_of_no_map(store.root / UNMAPPED / job.area, started)
        return False
    if not any(task.name.startswith("report") for task in result.tasks):
        typer.echo(_UNMAPPED[job.pipeline])
    elif maps := store.published(job.area):
        typer.echo(outcome.named(store.folder(maps), store.input_of(maps, "evaluation")))
    return True


def compiled(job: Job, profile: Path, images: Path | None) -> Path:
    """Compile the pipeline for this machine."""
    from pipelines import profile as profiles
    from pipelines.compile import compile_pipeline

    machine = profiles.load(profile)
    if images is not None:
        machine = machine.with_images(images)
    package = RUNS / f"{job.pipeline}.yaml"
    compile_pipeline(job.pipeline, machine, package)
    return package


def processes() -> "Engine":
    """The engine that runs tasks as processes."""
    from pipelines.engines import ProcessEngine

    return ProcessEngine()


def containers(job: Job, store: ArtifactStore, network: str) -> "Engine":
    """The engine of containers, which see the store and the area's files where we see them."""
    from pipelines.engines import ContainerEngine

    mounts = {} if store.root is None else {store.root: "rw"}
    if job.inputs is not None:
        mounts[job.inputs] = "ro"
    return ContainerEngine(
        mounts=mounts,
        folder=Path.cwd(),
        environment=passed_on(),
        network=network or None,
    )


def passed_on() -> dict[str, str]:
    """Variables that containers get; they are in no pipeline and no record of a run."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def on_a_cluster(job: Job, package: Path, server: "Server", timeout: float) -> bool:
    """Submit a compiled pipeline and wait for its end; False if it failed.

    Args:
        job: what is run.
        package: the pipeline, compiled for the cluster.
        server: Kubeflow Pipelines.
        timeout: seconds.
    """
    from pipelines.kubeflow.backfill import run_name
    from pipelines.kubeflow.engine import KubeflowEngine
    from pipelines.kubeflow.packages import Package

    engine = KubeflowEngine(server)
    name = run_name(job.pipeline, job.area, job.as_of or f"{datetime.now(UTC):%Y%m%dT%H%M%S}")
    run = engine.submit(Package.read(package), job.arguments(), name)
    typer.echo(f"{run.name}: {server.page(run.run_id)}", err=True)
    ended = engine.wait(run.run_id, timeout)
    typer.echo(f"{ended.name}: {ended.state.lower()}; see groundshift logs {run.run_id}")
    return ended.state == "SUCCEEDED"


def _this_python_first() -> Mapping[str, str]:
    """The stages' environment, in which `python` is this one."""
    scripts = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
