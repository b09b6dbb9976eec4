"""`groundshift run`: a pipeline from beginning to end, on this machine or on a cluster."""

import logging
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from groundshift.artifacts import ArtifactStore
from groundshift.errors import SettingsError
from groundshift.services import tracking
from pipelines import outcome
from pipelines.commands import options

if TYPE_CHECKING:
    # kfp takes seconds to import, which `groundshift --help` shall not.
    from pipelines.engines import Engine
    from pipelines.kubeflow.server import Server

LOCAL_PROFILE = Path("pipelines/profiles/local.yaml")
STORE = Path("data/store")
RUNS = Path("work/runs")
"""Where the engines of this machine keep runs, logs and what makes a second run short."""

_TRACKING = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


class EngineName(StrEnum):
    """What runs the tasks."""

    DVC = "dvc"
    PROCESS = "process"
    CONTAINER = "container"
    KUBEFLOW = "kubeflow"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    pipeline: Annotated[
        str, typer.Argument(help="training, monitoring or retraining.")
    ] = "training",
    area: options.Area = "demo",
    engine: Annotated[
        EngineName,
        typer.Option(
            help="dvc: the six stages in turn; process: the pipeline's tasks as processes; "
            "container: in Docker or Podman; kubeflow: on a cluster."
        ),
    ] = EngineName.DVC,
    params: options.Params = options.PARAMS,
    overrides: options.Overrides = None,
    as_of: Annotated[str, typer.Option(help="Last day of the period, e.g. 2026-11-21.")] = "",
    profile: Annotated[
        Path, typer.Option(help="Images, resources, retries of process and container.")
    ] = LOCAL_PROFILE,
    images: Annotated[
        Path | None, typer.Option(help="For container: what `make images` built.")
    ] = None,
    store: Annotated[
        Path, typer.Option(help="Folder of the artifacts of process and container.")
    ] = STORE,
    cache: Annotated[
        bool, typer.Option(help="Take over what an earlier run has done already.")
    ] = True,
    packages: options.Packages = options.PACKAGES,
    timeout: Annotated[
        float, typer.Option(help="For kubeflow: hours after which waiting for it ends.")
    ] = 24.0,
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Run a pipeline on an area, as far as it is not up to date, and name what came out."""
    with options.reported():
        _require_area(params, area)
        values = (pipeline, area, params, tuple(overrides or ()), as_of)
        if engine is EngineName.DVC:
            done = _with_dvc(*values)
        elif engine is EngineName.KUBEFLOW:
            server = options.connect(host, namespace)
            done = _on_a_cluster(*values, packages / f"{pipeline}.yaml", server, 3600 * timeout)
        else:
            done = _here(*values, engine, profile, images, store, cache)
    if not done:
        raise typer.Exit(options.FAILED)


def _with_dvc(
    pipeline: str, area: str, params: Path, overrides: tuple[str, ...], as_of: str
) -> bool:
    if pipeline != "training" or overrides or as_of or params != options.PARAMS:
        raise SettingsError(
            "--engine dvc runs the training pipeline as dvc.yaml and params.yaml say: change "
            "params.yaml, or choose --engine process"
        )
    started = time.time()
    with tracking.pipeline_run(f"groundshift run {pipeline} {area}", area):
        code = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", f"infer@{area}"], env=_environment(), check=False
        ).returncode
        if code:
            typer.echo(f"groundshift: {area} did not finish; the messages above say why", err=True)
            return False
    typer.echo(outcome.describe(Path("data") / area, since=started))
    return True


def _here(
    pipeline: str,
    area: str,
    params: Path,
    overrides: tuple[str, ...],
    as_of: str,
    engine: EngineName,
    profile: Path,
    images: Path | None,
    store: Path,
    cache: bool,
) -> bool:
    """Compile the pipeline and run it as processes or containers."""
    from pipelines import profile as profiles
    from pipelines.compile import compile_pipeline
    from pipelines.parameters import arguments

    logging.getLogger("pipelines").setLevel(logging.INFO)
    machine = profiles.load(profile)
    if images is not None:
        machine = machine.with_images(images)
    given = arguments(pipeline, area, params, overrides, as_of)
    package = RUNS / f"{pipeline}.yaml"
    compile_pipeline(pipeline, machine, package)
    artifacts = ArtifactStore.open(str(store))
    where = artifacts.root
    runner = _containers(params, area, where) if engine is EngineName.CONTAINER else _processes()
    runs = RUNS / engine.value
    with tracking.pipeline_run(f"groundshift run {pipeline} {area}", area):
        result = runner.run(package, given | {"store": str(where)}, root=runs, caching=cache)
    typer.echo(outcome.tasks(result))
    if result.state != "SUCCEEDED":
        return False
    if maps := artifacts.published(area):
        evaluation = artifacts.input_of(maps, "evaluation")
        typer.echo(outcome.named(artifacts.folder(maps), evaluation))
    return True


def _processes() -> "Engine":
    from pipelines.engines import ProcessEngine

    return ProcessEngine()


def _containers(params: Path, area: str, store: Path) -> "Engine":
    """Containers see the store and the area's own files, at the same places as we do."""
    from pipelines.engines import ContainerEngine

    mounts = {store: "rw"}
    if inputs := _areas(params)[area].get("inputs"):
        mounts[Path(inputs).absolute()] = "ro"
    environment = {name: os.environ[name] for name in _TRACKING if name in os.environ}
    return ContainerEngine(mounts=mounts, folder=Path.cwd(), environment=environment)


def _on_a_cluster(
    pipeline: str,
    area: str,
    params: Path,
    overrides: tuple[str, ...],
    as_of: str,
    package: Path,
    server: "Server",
    timeout: float,
) -> bool:
    """Submit the compiled pipeline and wait for its end."""
    from pipelines.kubeflow.backfill import run_name
    from pipelines.kubeflow.engine import KubeflowEngine
    from pipelines.kubeflow.packages import Package
    from pipelines.parameters import arguments

    values = arguments(pipeline, area, params, overrides, as_of)
    engine = KubeflowEngine(server)
    name = run_name(pipeline, area, as_of or f"{datetime.now(UTC):%Y%m%dT%H%M%S}")
    submitted = engine.submit(Package.read(package), values, name)
    typer.echo(f"{submitted.name}: {server.page(submitted.run_id)}", err=True)
    ended = engine.wait(submitted.run_id, timeout)
    typer.echo(f"{ended.name}: {ended.state.lower()}; `groundshift logs {submitted.run_id}`")
    return ended.state == "SUCCEEDED"


def _require_area(params: Path, area: str) -> None:
    """Refuse an area that isn't there before anything is started."""
    areas = _areas(params)
    if area not in areas:
        raise SettingsError(
            f"area {area!r} is not in {params}: expected one of {', '.join(areas) or 'none'}. "
            "Add it under `areas`"
        )


def _areas(params: Path) -> dict[str, Any]:
    try:
        areas: dict[str, Any] = (yaml.safe_load(params.read_text()) or {}).get("areas", {})
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(
            f"{params}: can't be read ({error}). Run from the project's folder"
        ) from error
    return areas


def _environment() -> dict[str, str]:
    """The stages' environment: this Python first on the path."""
    scripts = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
    }
