"""What the cluster's commands share: options, the connection, exit codes."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundshift.errors import GroundshiftError, SourceError

if TYPE_CHECKING:
    # kfp takes seconds to import, which `groundshift --help` shall not.
    from pipelines.kubeflow.server import Server

FAILED, BAD_INPUT, TRANSIENT, INTERRUPTED = 1, 2, 4, 130
"""Exit codes: anything else, bad input or credentials, worth a retry, Ctrl-C."""

Host = Annotated[
    str,
    typer.Option(
        help="Address of Kubeflow Pipelines, or KFP_HOST. Credentials come from KFP_TOKEN, "
        "KFP_TOKEN_FILE or KFP_COOKIES, a private authority's certificate from KFP_CA_FILE."
    ),
]
Namespace = Annotated[
    str, typer.Option(help="Your namespace where Kubeflow has several users, or KFP_NAMESPACE.")
]
Experiment = Annotated[str, typer.Option(help="Experiment of the runs.")]
Pipeline = Annotated[str, typer.Argument(help="training, monitoring or retraining.")]
Run = Annotated[str, typer.Argument(help="Id of a run, as `submit` prints it.")]
Area = Annotated[str, typer.Option(help="Which of the settings file's areas.")]
Params = Annotated[Path, typer.Option(help="Settings file.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting, e.g. infer.stride=5.")
]
AsOf = Annotated[
    str, typer.Option(help="The period ends when this day begins (UTC), e.g. 2026-11-21.")
]
Packages = Annotated[
    Path, typer.Option(help="Folder of the compiled pipelines, PIPELINE.yaml each.")
]

PARAMS, PACKAGES = Path("params.yaml"), Path("build")

STORE, STORE_FOLDER = "GROUNDSHIFT_STORE", "data/store"
"""Environment variable that names the artifact store, and where it lies otherwise."""

Store = Annotated[
    str,
    typer.Option(help="Where the artifacts are: a folder, or s3://bucket/folder.", envvar=STORE),
]


@contextmanager
def reported() -> Iterator[None]:
    """Turn an error that is meant for the user into a message and an exit code."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="groundshift: %(message)s")
    # We say ourselves that we ask again; urllib3 would say it three times more.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        yield
    except GroundshiftError as error:
        typer.echo(f"groundshift: {error}", err=True)
        raise typer.Exit(_exit_code(error)) from error
    except KeyboardInterrupt:
        typer.echo("groundshift: interrupted; runs on the cluster go on", err=True)
        raise typer.Exit(INTERRUPTED) from None


def connect(host: str, namespace: str) -> "Server":
    """Connect as options and environment say."""
    from pipelines.kubeflow.server import Connection, Server

    return Server(Connection.from_environment(os.environ, host=host, namespace=namespace))


def _exit_code(error: GroundshiftError) -> int:
    if isinstance(error, SourceError):
        return TRANSIENT if error.transient else BAD_INPUT
    from pipelines.kubeflow.server import ClusterError

    if isinstance(error, SourceError) and error.transient:
        return TRANSIENT
    if not isinstance(error, ClusterError):
        return BAD_INPUT
    if error.transient:
        return TRANSIENT
    return BAD_INPUT if error.status in (400, 401, 403, 404) else FAILED
