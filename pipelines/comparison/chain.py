"""The stages from images to scores, each run once per settings and inputs, and what it cost.

A stage's artifact lies in a folder named after its settings and those of all stages before it, so
that variants share what they have in common and a comparison that was interrupted goes on. Images
are read once per folder: where files changed under the same settings, take a new folder.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from groundshift import __version__
from groundshift.artifacts import digest, is_artifact
from groundshift.errors import GroundshiftError
from groundshift.memory import peak_of
from groundshift.settings import StageSettings, load

log = logging.getLogger(__name__)

READS: dict[str, tuple[str, ...]] = {
    "fetch": (),
    "stack": ("observations",),
    "window": ("observations", "cube"),
    "train": ("cube", "samples"),
    "evaluate": ("cube", "samples", "model"),
}
"""The stages that are compared, and the artifacts each one reads."""

WRITES = {
    "fetch": "observations",
    "stack": "cube",
    "window": "samples",
    "train": "model",
    "evaluate": "evaluation",
}
"""What each stage makes."""

_COST = "cost.json"
_LOG = "log.txt"
_LAST_LINES = 3
_LOOK_EVERY = 0.05  # seconds


class RunError(GroundshiftError):
    """A stage of one variant ended with an error; the message says which, and where its log is."""

    def __init__(self, message: str, code: int) -> None:
        """Keep the message and the stage's exit code."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Cost:
    """What making one artifact took.

    Attributes:
        cpu_seconds: of the stage's process and its children.
        peak_mb: most memory resident at a time.
        written_mb: size of the artifact.
    """

    cpu_seconds: float
    peak_mb: float
    written_mb: float


@dataclass(frozen=True)
class Run:
    """The artifacts of one variant.

    Attributes:
        folders: by artifact.
        costs: by stage, also of those that were made for another variant.
        fresh: stages that were run now.
    """

    folders: dict[str, Path]
    costs: dict[str, Cost]
    fresh: tuple[str, ...]


class Chain:
    """Runs the stages of an area.

    Args:
        params: settings file.
        area: one of its areas.
        folder: where artifacts are kept.
        last: the stage after which it ends.
    """

    def __init__(self, params: Path, area: str, folder: Path, last: str = "evaluate") -> None:
        self._params, self._area, self._folder = params, area, folder
        self._stages = list(READS)[: list(READS).index(last) + 1]

    def settings(self, overrides: Sequence[str]) -> dict[str, StageSettings]:
        """The settings of every stage.

        Raises:
            SettingsError: they can't be read, or contradict one another.
        """
        return {
            stage: load(stage, self._params, area=self._area, overrides=overrides)
            for stage in self._stages
        }

    def run(self, overrides: Sequence[str]) -> Run:
        """Make what is missing of the artifacts.

        Raises:
            SettingsError: settings that can't be read.
            RunError: a stage failed.
        """
        folders: dict[str, Path] = {}
        costs: dict[str, Cost] = {}
        fresh = []
        for stage, settings, place in self._places(overrides):
            folders[WRITES[stage]] = place / WRITES[stage]
            if not _is_made(stage, place):
                inputs = {name: folders[name] for name in READS[stage]}
                self._make(stage, settings, inputs, place)
                fresh.append(stage)
            costs[stage] = _cost(place)
        return Run(folders, costs, tuple(fresh))

    def finished(self, overrides: Sequence[str]) -> Run | None:
        """The artifacts, if all of them are there; nothing is run."""
        places = {stage: place for stage, _, place in self._places(overrides)}
        if not all(_is_made(stage, place) for stage, place in places.items()):
            return None
        folders = {WRITES[stage]: place / WRITES[stage] for stage, place in places.items()}
        return Run(folders, {stage: _cost(place) for stage, place in places.items()}, ())

    def _places(self, overrides: Sequence[str]) -> Iterator[tuple[str, StageSettings, Path]]:
        """Stage, settings and folder, which is named after these and all that come before."""
        keys: dict[str, str] = {}
        for stage, settings in self.settings(overrides).items():
            values: dict[str, Any] = settings.model_dump(mode="json")
            before = [keys[name] for name in READS[stage]]
            keys[WRITES[stage]] = digest([__version__, stage, values, before])
            yield stage, settings, self._folder / stage / keys[WRITES[stage]][:16]

    def _make(
        self, stage: str, settings: StageSettings, inputs: dict[str, Path], place: Path
    ) -> None:
        """Run one stage in a process of its own, and note what it took."""
        place.mkdir(parents=True, exist_ok=True)
        output = place / WRITES[stage]
        words = [sys.executable, "-m", f"components.{stage}"]
        words += ["--settings", settings.model_dump_json()]
        for name, folder in (*inputs.items(), (WRITES[stage], output)):
            words += [f"--{name}", str(folder)]
        log.info("%s -> %s", stage, output)
        with (place / _LOG).open("wb") as file:
            code, cpu_seconds, peak_mb = measured(words, file)
        if code:
            lines = (place / _LOG).read_text(errors="replace").strip().splitlines()
            said = " / ".join(lines[-_LAST_LINES:])
            raise RunError(f"{stage} ended with exit code {code}: {said} ({place / _LOG})", code)
        written = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
        cost = Cost(round(cpu_seconds, 2), round(peak_mb, 1), round(written / 1e6, 2))
        (place / _COST).write_text(json.dumps(asdict(cost)) + "\n")


def measured(words: Sequence[str], log_file: BinaryIO) -> tuple[int, float, float]:
    """Run a command: its exit code, CPU seconds and most memory in MB.

    The high-water mark is asked for while it runs: the one that the system tells at its end is
    never below the memory of the process that started it.
    """
    process = subprocess.Popen(words, stdout=log_file, stderr=subprocess.STDOUT)
    peak, ended = 0.0, 0
    while not ended:
        peak = max(peak, peak_of(process.pid) / 2**20)
        time.sleep(_LOOK_EVERY)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, peak


def _is_made(stage: str, place: Path) -> bool:
    return is_artifact(place / WRITES[stage]) and (place / _COST).is_file()


def _cost(place: Path) -> Cost:
    return Cost(**json.loads((place / _COST).read_text()))
