"""The command line `groundshift`: run an area's six stages here, explain the settings."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
import yaml

from groundshift.errors import GroundshiftError, SettingsError
from groundshift.services import tracking
from pipelines import outcome
from pipelines.reference_page import settings_page

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """Find where and when the ground changed, from years of satellite images."""


@app.command()
def run(
    area: Annotated[str, typer.Argument(help="Which of the areas in params.yaml.")] = "demo",
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
) -> None:
    """Run the six stages of an area, those that are not up to date, and name what came out."""
    try:
        _require_area(params, area)
    except GroundshiftError as error:
        typer.echo(f"groundshift: {error}", err=True)
        raise typer.Exit(2) from error
    started = time.time()
    with tracking.pipeline_run(f"groundshift run {area}", area):
        code = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", f"infer@{area}"], env=_environment(), check=False
        ).returncode
        if code:
            typer.echo(f"groundshift: {area} did not finish; the messages above say why", err=True)
            raise typer.Exit(1)
    typer.echo(outcome.describe(Path("data") / area, since=started))


@app.command()
def settings() -> None:
    """Print every setting with its default and meaning (the page docs/settings.md)."""
    typer.echo(settings_page(), nl=False)


def _require_area(params: Path, area: str) -> None:
    """Refuse an area that isn't there before anything is started."""
    try:
        areas = (yaml.safe_load(params.read_text()) or {}).get("areas", {})
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(
            f"{params}: can't be read ({error}). Run from the project's folder"
        ) from error
    if area not in areas:
        raise SettingsError(
            f"area {area!r} is not in {params}: expected one of {', '.join(areas) or 'none'}. "
            "Add it under `areas`"
        )


def _environment() -> dict[str, str]:
    """The stages' environment: this Python first on the path."""
    scripts = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
    }
