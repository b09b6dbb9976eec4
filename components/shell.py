"""What the six stages' command lines share: options, logging, exit codes."""

import json
import logging
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from groundshift.artifacts import Summary
from groundshift.errors import GroundshiftError, SourceError
from groundshift.services import tracking
from groundshift.settings import StageSettings, load, parse

log = logging.getLogger(__name__)

DONE, FAILED, BAD_INPUT, TRANSIENT = 0, 1, 2, 4
"""Exit codes: done (also nothing to do), anything else, bad input or settings, worth a retry."""

_Command = TypeVar("_Command", bound=Callable[..., Any])

Params = Annotated[Path, typer.Option(help="Settings file.")]
Area = Annotated[
    str | None, typer.Option(help="Which of the file's areas; may be left out if there is one.")
]
Settings = Annotated[
    str | None, typer.Option(help="This stage's settings as JSON, instead of --params.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting, e.g. window.length=90d.")
]
Input = Annotated[
    Path, typer.Option(help="Folder of an input artifact.", exists=True, file_okay=False)
]
Output = Annotated[Path, typer.Option(help="Folder the artifact is written to.")]


class _OneCommand(typer.Typer):
    """A command line of one command, whose help ends as the application's would.

    Typer shows an application's epilog only where it has several commands.
    """

    def command(self, *args: Any, **options: Any) -> Callable[[_Command], _Command]:
        """Register the command."""
        return super().command(*args, **{"epilog": self.info.epilog} | options)


def app(stage: str, example: str) -> typer.Typer:
    """A stage's command line, with one example at the end of its help."""
    return _OneCommand(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog=f"Example: python -m components.{stage} {example}",
    )


def execute(
    stage: str,
    run: Callable[..., Summary],
    *,
    params: Path,
    area: str | None,
    settings: str | None,
    overrides: Sequence[str] | None,
    **folders: Path,
) -> None:
    """Run a stage as a command: settings in, artifact out, one line of JSON, an exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname).1s %(name)s: %(message)s"
    )
    try:
        values = _settings(stage, params, area, settings, overrides)
        with tracking.stage_run(stage, values, folders) as tracked:
            summary = run(values, **folders)
            tracked.finish(summary)
    except GroundshiftError as error:
        log.error("%s: %s", stage, error)
        transient = isinstance(error, SourceError) and error.transient
        raise typer.Exit(TRANSIENT if transient else BAD_INPUT) from error
    except Exception:
        log.error("%s failed:\n%s", stage, traceback.format_exc())
        raise typer.Exit(FAILED) from None
    for note in summary.notes:
        log.info("%s", note)
    typer.echo(summary.to_json())


def _settings(
    stage: str,
    params: Path,
    area: str | None,
    settings: str | None,
    overrides: Sequence[str] | None,
) -> StageSettings:
    if settings is None:
        return load(stage, params, area=area, overrides=overrides or ())
    values: dict[str, Any] | str = settings
    if settings.lstrip()[:1] not in "{[":
        values = json.dumps(settings)
    return parse(stage, values)
