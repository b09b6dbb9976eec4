"""The options of the stages' command lines: folders, and what every stage takes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from components.folders import Folder
from groundshift.errors import SettingsError
from groundshift.settings import StageSettings, load, parse


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def folder(help_text: str) -> Any:
    """An option that names a folder; pipelines pass empty text for what is not given."""
    return typer.Option(help=help_text, parser=_path, metavar="DIR")


_READ = folder("Folder of an input artifact.")
_WRITTEN = folder("Folder the artifact is written to.")

Input = Annotated[Path, Folder(read=True), _READ]
OptionalInput = Annotated[Path | None, Folder(read=True), _READ]
Output = Annotated[Path, Folder(written=True), _WRITTEN]
OptionalOutput = Annotated[Path | None, Folder(written=True), _WRITTEN]
Between = Annotated[
    Path | None,
    Folder(read=True, written=True),
    folder("Folder of an artifact: written if no later one is named, else read."),
]


DESCRIPTIONS = {
    "area": "name of the area",
    "as_of": "date at which the period ends (YYYY-MM-DD); empty: where the settings say",
    "store": "folder or volume that all tasks see, where artifacts are kept",
}
"""What pipelines pass on to every task, as Kubeflow's forms say it."""


@dataclass(frozen=True)
class Common:
    """The options that every stage takes; empty text counts as not given."""

    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml")
    area: Annotated[
        str, typer.Option(help="Which of the file's areas; may be left out if there is one.")
    ] = ""
    settings: Annotated[
        str, typer.Option(help="This stage's settings as JSON, instead of --params.")
    ] = ""
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting of the file, e.g. window.length=90d."),
    ] = None
    store: Annotated[
        str, typer.Option(help="Artifact store: a folder that all tasks see.", metavar="DIR")
    ] = ""
    cell: Annotated[str, typer.Option(help="Work on one cell of the area.")] = ""
    key: Annotated[str, typer.Option(help="The cell's key in the plan.")] = ""
    as_of: Annotated[
        str,
        typer.Option(
            help="End the period at this date (00:00 UTC), earlier or later than the settings say."
        ),
    ] = ""
    executor_output: Annotated[
        str, typer.Option(help="Kubeflow's executor input {{$}}, to be answered.", metavar="JSON")
    ] = ""

    def settings_of(self, stage: str) -> StageSettings:
        """A stage's settings, as the options say.

        Raises:
            SettingsError: they can't be read, or contradict one another.
        """
        settings = self._from_json(stage) if self.settings else self._from_file(stage)
        return _ended(settings, self.as_of) if self.as_of else settings

    def _from_file(self, stage: str) -> StageSettings:
        return load(stage, self.params, area=self.area or None, overrides=self.overrides or ())

    def _from_json(self, stage: str) -> StageSettings:
        if self.overrides:
            raise SettingsError("--set changes what --params holds: leave it or --settings out")
        # What is not JSON at all is no settings either; the parser then says what it expects.
        is_json = self.settings.lstrip()[:1] in ("{", "[")
        settings = parse(stage, self.settings if is_json else json.dumps(self.settings))
        if self.area and self.area != settings.name:
            raise SettingsError(
                f"--area {self.area}: expected the area that --settings names, found "
                f"{settings.name!r} there. Make the two equal, or leave --area out"
            )
        return settings


def _ended(settings: StageSettings, as_of: str) -> StageSettings:
    """The settings with a period that ends at a date."""
    try:
        date = datetime.fromisoformat(as_of.replace("Z", "+00:00"))
    except ValueError as error:
        raise SettingsError(f"--as-of: expected a date like 2024-05-31, found {as_of!r}") from error
    end = date if date.tzinfo else date.replace(tzinfo=UTC)
    if end <= settings.period.start:
        raise SettingsError(
            f"--as-of: expected a date after period.start ({settings.period.start}), found {as_of}"
        )
    period = settings.period.model_copy(update={"end": end})
    return settings.model_copy(update={"period": period})
