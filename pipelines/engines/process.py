"""Every task a process of this machine: for tests, and laptops without a container engine."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.engines.base import Ending
from pipelines.engines.local import LocalEngine, ended
from pipelines.engines.tasks import Attempt

_LOOK = 0.5
"""Seconds between looks at a running task."""


@dataclass(frozen=True, kw_only=True)
class ProcessEngine(LocalEngine):
    """Runs each task as a process with this Python, in its own process group.

    Time-outs hold, and so does the memory limit, where the machine has `/proc`: the group's own
    pages (not mapped files, which the system may drop) are counted twice a second and the group
    is killed above the limit. `RLIMIT_AS` would be exact but counts address space, of which
    TensorFlow reserves far more than it uses. Processor limits, accelerators, volumes and the
    image are not mapped: a task sees the machine as it is, and its environment is this one.
    """

    def _attempt(self, attempt: Attempt) -> Ending:
        command = [*_tied_to_us(), *_with_this_python(attempt.command)]
        with attempt.log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | self._variables(attempt),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        began = time.monotonic()
        try:
            while True:
                try:
                    return Ending(process.wait(_LOOK))
                except subprocess.TimeoutExpired:
                    reason = ended(attempt, began) or _too_large(process.pid, attempt)
                if reason:
                    self._end(process)
                    return Ending(process.returncode, reason)
        finally:
            _signal(process.pid, signal.SIGKILL)  # also children it left behind
            process.wait()

    def _end_leftovers(self, root: Path) -> None:
        """Nothing is left: tasks die with the engine."""

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        """Ask it to end, then kill it."""
        _signal(process.pid, signal.SIGTERM)
        try:
            process.wait(self.grace)
        except subprocess.TimeoutExpired:
            _signal(process.pid, signal.SIGKILL)
            process.wait()


def _with_this_python(command: list[str]) -> list[str]:
    is_python = command[0] in ("python", "python3")
    return [sys.executable, *command[1:]] if is_python else command


def _tied_to_us() -> list[str]:
    """What makes a task die with the engine, also when that is killed, where the system can."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _too_large(group: int, attempt: Attempt) -> str:
    limit = attempt.demands.memory
    if limit is None or _memory(group) <= limit:
        return ""
    return f"out of memory: used more than its {limit / 2**20:g} MiB"


def _memory(group: int) -> int:
    """Bytes of a process group's own pages: anonymous and shared memory."""
    return sum(_pages(entry) for entry in Path("/proc").glob("[0-9]*") if _group(entry) == group)


def _group(entry: Path) -> int:
    try:
        # The name in parentheses may hold anything; behind it: state, parent, group.
        return int((entry / "stat").read_text().rpartition(")")[2].split()[2])
    except (OSError, IndexError):  # it ended meanwhile
        return 0


def _pages(entry: Path) -> int:
    try:
        lines = (entry / "status").read_text().splitlines()
    except OSError:
        return 0
    values = dict(line.split(":", 1) for line in lines)
    kibibytes = (values[key].split()[0] for key in ("RssAnon", "RssShmem") if key in values)
    return sum(map(int, kibibytes)) * 1024
