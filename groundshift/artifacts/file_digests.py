"""Hashes of source files that outlive a run."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from groundshift.artifacts.hashing import file_digest

_SETTLED = 2_000_000_000
"""Nanoseconds after which another change of a file gets another time, on any file system."""


class FileDigests:
    """SHA-256 of files, remembered from run to run by path, size and time of the last change.

    Of thousands of images, only those are read again that changed, so that a plan costs seconds.
    """

    def __init__(
        self,
        known: Mapping[str, Any] | None = None,
        remember: Callable[[Mapping[str, Any]], None] = lambda known: None,
    ) -> None:
        """Recall what is known.

        Args:
            known: what an earlier run remembered, if it did.
            remember: keeps it; without that nothing outlives the process.
        """
        self._known: dict[str, list[Any]] = dict(known or {})
        self._remember = remember
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
        if self._fresh:
            self._remember(self._known | self._fresh)
