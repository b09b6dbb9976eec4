"""Hashes of source files that outlive a run."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from groundshift.artifacts.hashing import file_digest
from groundshift.artifacts.writing import write_text

_SETTLED = 2_000_000_000
"""Nanoseconds after which another change of a file gets another time, on any file system."""


class FileDigests:
    """SHA-256 of files, remembered from run to run by path, size and time of the last change.

    Of thousands of images, only those are read again that changed, so that a plan costs seconds.
    """

    def __init__(self, memory: Path | None = None) -> None:
        """Recall what is known.

        Args:
            memory: file that holds it; without one nothing outlives the process.
        """
        self._memory = memory
        self._known: dict[str, list[Any]] = {}
        if memory is not None and memory.is_file():
            with contextlib.suppress(ValueError):  # a damaged memory only costs time
                self._known = json.loads(memory.read_text())
        self._fresh: dict[str, list[Any]] = {}

    def of(self, path: Path) -> str:
        """SHA-256 of a file's bytes."""
        status, now = path.stat(), time.time_ns()
        name = str(path.absolute())
        known = self._known.get(name)
        if known is not None and known[:2] == [status.st_size, status.st_mtime_ns]:
            return str(known[2])
        sha256 = file_digest(path)
        if now - status.st_mtime_ns > _SETTLED:
            self._fresh[name] = [status.st_size, status.st_mtime_ns, sha256]
        return sha256

    def save(self) -> None:
        """Remember what is new; of two processes that do so at once, the later one wins."""
        if self._memory is not None and self._fresh:
            write_text(self._memory, json.dumps(self._known | self._fresh))
