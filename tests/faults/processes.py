"""Stages in processes of their own that begin at once, so that they can be killed anywhere."""

import errno
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.faults.world import FOLDERS, app

_CONTEXT = multiprocessing.get_context("forkserver")
_PASSED_ON = ("AWS_", "GROUNDSHIFT_S3_")
"""How the names of variables begin that a stage gets as the test has set them."""
# A child begins as a copy of a process that has imported everything (TensorFlow takes longer than
# the work), but computed nothing.
_WORK = [f"groundshift.tasks.change.{name}" for name in ("index", "train", "evaluate", "infer")]
_CONTEXT.set_forkserver_preload([f"components.{stage}.__main__" for stage in FOLDERS] + _WORK)

Trouble = Callable[[str, tuple[object, ...]], None]
"""An audit hook: it sees what a process is about to do."""


@dataclass
class FileOperations:
    """Counts the operations that change files below a folder."""

    folder: str
    kinds: tuple[str, ...] = ("open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir")
    count: int = field(default=0, init=False)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """See an event."""
        if event not in self.kinds or not self._counts(event, arguments):
            return
        self.count += 1
        self.meet()

    def _counts(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event == "open" and not int(arguments[2]) & (os.O_WRONLY | os.O_RDWR):  # type: ignore[call-overload]
            return False
        # Folders are removed from within: their content has names without a path.
        inside = event in ("os.remove", "os.rmdir") and arguments[1] != -1
        return inside or str(arguments[0]).startswith(f"{self.folder}/")

    def meet(self) -> None:
        """Do something about the operation that was just counted."""


@dataclass
class Counted(FileOperations):
    """Writes down how many there were, and the processor seconds until the last one."""

    into: str = ""

    def meet(self) -> None:
        """Write it down."""
        Path(self.into).write_text(f"{self.count} {time.process_time()}")

    def read(self) -> tuple[int, float]:
        """What it wrote in the process that is over."""
        count, seconds = Path(self.into).read_text().split()
        return int(count), float(seconds)


@dataclass
class KilledAt(FileOperations):
    """Kills its process before an operation."""

    number: int = 0

    def meet(self) -> None:
        """Die."""
        if self.count == self.number:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class KilledAfter:
    """Kills its process after some processor seconds, which don't depend on the machine's load."""

    seconds: float
    watched: bool = field(default=False, init=False)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Begin to watch the clock with the first thing that happens."""
        if not self.watched:
            self.watched = True
            threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while time.process_time() < self.seconds:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class StoppedAt(FileOperations):
    """Stops its process before an operation, until it is told to go on."""

    number: int = 0
    sign: str = ""
    """File that appears when it stops."""

    def meet(self) -> None:
        """Stop."""
        if self.count == self.number:
            Path(self.sign).touch()
            os.kill(os.getpid(), signal.SIGSTOP)


@dataclass
class DiskFull(FileOperations):
    """Lets nothing be added from an operation on."""

    kinds: tuple[str, ...] = ("open", "os.mkdir", "os.link")
    number: int = 0

    def meet(self) -> None:
        """Refuse."""
        if self.count >= self.number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True)
class SmallFiles:
    """Lets no file grow beyond a size, whatever program writes it."""

    size: int

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Set the limit before the first thing that happens."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if soft != self.size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, hard))


def start(
    stage: str, arguments: list[str], work: Path, log: Path, trouble: Trouble | None = None
) -> BaseProcess:
    """Start a stage's command.

    Args:
        stage: its name.
        arguments: of its command line.
        work: folder for work in progress.
        log: file that gets what it prints.
        trouble: what it meets with.
    """
    variables = {n: value for n, value in os.environ.items() if n.startswith(_PASSED_ON)}
    variables |= {"GROUNDSHIFT_WORK": str(work), "GROUNDSHIFT_TRACKING": "off"}
    process = _CONTEXT.Process(target=_run, args=(stage, arguments, variables, str(log), trouble))
    process.start()
    return process


def finish(process: BaseProcess) -> int:
    """Wait for a process: its exit code, negative for a signal."""
    process.join(120)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def run(*arguments: object, **options: object) -> int:
    """`start`, then `finish`."""
    return finish(start(*arguments, **options))  # type: ignore[arg-type]


def _run(
    stage: str,
    arguments: list[str],
    variables: dict[str, str],
    log: str,
    trouble: Trouble | None,
) -> None:
    os.environ |= variables
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    command = app(stage)
    if trouble is not None:
        sys.addaudithook(trouble)
    command(arguments)
