"""The command `groundshift compile`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from groundshift.errors import GroundshiftError


class Format(StrEnum):
    """What a pipeline is compiled to."""

    IR = "ir"
    K8S = "k8s"


def register(app: typer.Typer) -> None:
    """Add the command to a command line."""
    app.command("compile")(compile_command)


def compile_command(
    pipeline: Annotated[str, typer.Argument(help="training, monitoring or retraining.")],
    profile: Annotated[
        Path, typer.Option(help="Profile of the cluster, e.g. pipelines/profiles/kind.yaml.")
    ],
    output: Annotated[Path, typer.Option(help="File to write (YAML).")],
    to: Annotated[
        Format, typer.Option("--format", help="What Kubeflow uploads, or manifests for GitOps.")
    ] = Format.IR,
    images: Annotated[
        Path | None,
        typer.Option(help="Images by digest, as `make images` lists them (build/images.json)."),
    ] = None,
    area: Annotated[
        str, typer.Option(help="Fill the form in with this area's settings from --params.")
    ] = "",
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
) -> None:
    """Compile a pipeline for a cluster."""
    # kfp takes seconds to import, and no other command needs it.
    from pipelines import profile as profiles
    from pipelines.compile import compile_pipeline
    from pipelines.parameters import arguments

    try:
        cluster = profiles.load(profile)
        if images is not None:
            cluster = cluster.with_images(images)
        values = arguments(pipeline, area, params) if area else {}
        compile_pipeline(
            pipeline, cluster, output, kubernetes_manifests=to is Format.K8S, values=values
        )
    except GroundshiftError as error:
        typer.echo(f"groundshift: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(f"{output}: {pipeline}, compiled for {profile.stem}")
