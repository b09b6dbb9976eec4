"""What an engine promises, and what it tells about a run."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from groundshift.artifacts.writing import write_text

RunState = Literal["RUNNING", "SUCCEEDED", "FAILED", "INTERRUPTED"]
TaskState = Literal["SUCCEEDED", "CACHED", "FAILED"]

RUN_FILE = "run.json"


@dataclass(frozen=True)
class Ending:
    """How one attempt at a task ended."""

    code: int | None
    """The exit code; negative where a signal killed it, None where it never started."""
    reason: str = ""
    """Why the engine counts it as failed, where the exit code doesn't tell."""

    @property
    def succeeded(self) -> bool:
        """Whether the task is done."""
        return self.code == 0 and not self.reason

    @property
    def refused(self) -> bool:
        """Whether the task said that another attempt is useless: bad input or settings."""
        return self.code == 2 and not self.reason

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        if self.code is not None and self.code < 0:
            return f"killed by signal {-self.code}"
        return f"exit code {self.code}"


@dataclass(frozen=True)
class TaskResult:
    """What became of one task of a run."""

    name: str
    """Its name in the pipeline, with the number of the iteration inside a loop (`stack-17`)."""
    cell: str
    """The cell it worked on, if it has one."""
    state: TaskState
    codes: tuple[int | None, ...] = ()
    """The exit code of each attempt (`Ending.code`)."""
    reason: str = ""
    """Why it failed."""
    log: str = ""
    """What the last attempt printed (a file), empty where none ran."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.name} (cell {self.cell})" if self.cell else self.name


@dataclass(frozen=True)
class RunResult:
    """What became of a run."""

    run: str
    pipeline: str
    state: RunState
    folder: Path
    """Holds `run.json` (this), `logs/<task>-<attempt>.log` and the tasks' outputs."""
    tasks: tuple[TaskResult, ...] = ()
    """In the order they ended. Tasks that never began, behind a failed one, are not listed."""
    seconds: float = 0.0

    @property
    def failed(self) -> list[TaskResult]:
        """The tasks that failed."""
        return [task for task in self.tasks if task.state == "FAILED"]

    def write(self) -> None:
        """Keep it as `run.json` in the run's folder."""
        document = asdict(self) | {"folder": str(self.folder)}
        write_text(self.folder / RUN_FILE, json.dumps(document, indent=1) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "RunResult":
        """Read what a run left in its folder.

        A run that was killed says "RUNNING" for ever; nothing but its end is written later.
        """
        document = json.loads((folder / RUN_FILE).read_text())
        tasks = [
            TaskResult(**{**task, "codes": tuple(task["codes"])}) for task in document["tasks"]
        ]
        return cls(**{**document, "folder": folder, "tasks": tuple(tasks)})


class Engine(Protocol):
    """Runs a compiled pipeline."""

    def run(
        self, package: Path, arguments: Mapping[str, Any], *, root: Path, caching: bool = True
    ) -> RunResult:
        """Run a pipeline to its end.

        Args:
            package: the compiled pipeline (IR YAML).
            arguments: values of the pipeline's parameters; the others keep their defaults.
            root: where runs and the cache of finished tasks live.
            caching: whether tasks that are done already are taken from the cache.
        """
        ...
