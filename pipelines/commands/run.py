"""`groundshift run`: a pipeline from beginning to end, on this machine or on a cluster."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from groundshift.artifacts import ArtifactStore
from pipelines import launch
from pipelines.commands import options

HERE = "Here (process, container)"
CLUSTER = "On a cluster"


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
    pipeline: options.Pipeline = "training",
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
    as_of: options.AsOf = "",
    profile: Annotated[
        Path, typer.Option(help="Images, resources, retries.", rich_help_panel=HERE)
    ] = Path("pipelines/profiles/local.yaml"),
    images: Annotated[
        Path | None,
        typer.Option(help="What `make images` built (build/images.json).", rich_help_panel=HERE),
    ] = None,
    network: Annotated[
        str, typer.Option(help="Network of the containers, e.g. host.", rich_help_panel=HERE)
    ] = "",
    store: Annotated[
        str,
        typer.Option(
            help="Where the artifacts are kept: a folder, or s3://bucket/folder.",
            envvar=options.STORE,
            rich_help_panel=HERE,
        ),
    ] = options.STORE_FOLDER,
    cache: Annotated[
        bool, typer.Option(help="Take over what was done before.", rich_help_panel=HERE)
    ] = True,
    packages: options.Packages = options.PACKAGES,
    hours: Annotated[
        float, typer.Option(help="Longest wait for its end.", rich_help_panel=CLUSTER)
    ] = 24.0,
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Run a pipeline on an area, as far as it is not up to date, and name what came out."""
    with options.reported():
        job = launch.Job(pipeline, area, params, tuple(overrides or ()), as_of)
        if engine is EngineName.DVC:
            done = launch.with_dvc(job)
        elif engine is EngineName.KUBEFLOW:
            server = options.connect(host, namespace)
            done = launch.on_a_cluster(job, packages / f"{pipeline}.yaml", server, 3600 * hours)
        else:
            artifacts = ArtifactStore.open(store)
            package = launch.compiled(job, profile, images)
            runner = (
                launch.processes()
                if engine is EngineName.PROCESS
                else launch.containers(job, artifacts, network)
            )
            done = launch.here(job, package, runner, artifacts, caching=cache)
    if not done:
        raise typer.Exit(options.FAILED)
