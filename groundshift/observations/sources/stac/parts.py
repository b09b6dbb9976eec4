"""Images far away, of which only those parts are loaded that are needed, each once."""

import fcntl
import io
import os
import shutil
import tempfile
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from groundshift.artifacts import digest
from groundshift.observations.costs import Used
from groundshift.observations.sources.stac.connection import Connection

HEAD = 1 << 16
"""Bytes at the beginning of an image that are loaded first: they say where its tiles lie."""
_GAP = 16  # bytes between tiles that belong together: GDAL writes their sizes there

Span = tuple[int, int]
"""First byte and length."""


class Spool:
    """Parts of a scene's images, kept on disk while the scene is open.

    A scene that was finished gives them up; one whose run was killed is gone on with from them.

        <folder>/<digest of an image's address>/<first byte>-<length>-<size of the image>
    """

    def __init__(
        self, connection: Connection, collection: str, used: Used, folder: Path | None = None
    ) -> None:
        """Nothing is loaded yet.

        Args:
            connection: Loads parts.
            collection: That the images belong to.
            used: Counts what it takes.
            folder: Where an earlier run may have left parts of this very scene; None: nowhere.
        """
        self._connection, self._collection, self._used = connection, collection, used
        self._wanted, self._lock = folder, -1
        self._parts: dict[str, list[tuple[int, int]]] = {}
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> Self:
        """The spool, in its folder unless another run works there."""
        self._lock = _claimed(self._wanted) if self._wanted else -1
        if self._wanted is None or self._lock < 0:
            self._folder = Path(tempfile.mkdtemp(prefix="groundshift-"))
        else:
            self._folder = self._wanted
        return self

    def __exit__(
        self, failed: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Give up what was loaded, unless a later run shall go on with it."""
        if failed is None or self._lock < 0:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)

    def size(self, href: str) -> int:
        """Bytes of an image of which something was loaded."""
        self._recall(href)
        return self._sizes[href]

    def load(self, href: str, spans: Iterable[Span]) -> None:
        """Load what isn't here yet, in as few requests as there are runs of bytes.

        Raises:
            SourceError: the service refuses, fails, or has no such image.
        """
        for start, length in joined([span for span in spans if self.find(href, *span) is None]):
            self._load(href, start, length)

    def load_all(self, href: str) -> None:
        """Load a whole image, unless it is here.

        Raises:
            SourceError: the service refuses, fails, or has no such image.
        """
        if not self._recall(href):
            self._load(href, 0, 0)

    def find(self, href: str, start: int, length: int) -> bytes | None:
        """A part of an image, as far as the image goes; None if it isn't all here."""
        known = self._recall(href)
        at = bisect_right(known, start, key=lambda part: part[0]) - 1
        if at < 0:
            return None
        first, held = known[at]
        if min(start + length, self._sizes[href]) > first + held:
            return None
        with self._path(href, first, held).open("rb") as file:
            file.seek(start - first)
            return file.read(length)

    def forget(self, href: str) -> None:
        """Have an image loaded again, since what came of it makes no sense."""
        shutil.rmtree(self._place(href), ignore_errors=True)
        self._parts[href] = []
        self._sizes.pop(href, None)

    def _load(self, href: str, start: int, length: int) -> None:
        content, size = self._connection.part(self._collection, href, start, length, self._used)
        if self._sizes.get(href, size) != size:
            self.forget(href)  # another image has its address now
        self._sizes[href] = size
        path = self._path(href, start, len(content))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        partial.write_bytes(content)
        partial.rename(path)
        insort(self._parts.setdefault(href, []), (start, len(content)))

    def _recall(self, href: str) -> list[tuple[int, int]]:
        """First bytes and lengths of an image's parts; at first those that are left from before."""
        if href not in self._parts:
            left = [path.name.split("-") for path in self._place(href).glob("*-*-*[0-9]")]
            self._parts[href] = sorted((int(first), int(length)) for first, length, _ in left)
            if left:
                self._sizes[href] = int(left[0][2])
        return self._parts[href]

    def _place(self, href: str) -> Path:
        return self._folder / digest(href)[:16]

    def _path(self, href: str, start: int, length: int) -> Path:
        return self._place(href) / f"{start}-{length}-{self._sizes[href]}"


def _claimed(folder: Path) -> int:
    """A descriptor that holds a lock on a folder; -1 where another run works in it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it last removes the folder: a lock on one that is gone keeps nobody out.
        if os.path.samestat(folder.stat(), os.fstat(descriptor)):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return -1


class RemoteFile(io.RawIOBase):
    """An image far away as a file: what is read of it and isn't here is loaded."""

    def __init__(self, spool: Spool, href: str) -> None:
        """The image has been begun to load."""
        self._spool, self._href, self._at = spool, href, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, and say where to."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Where it stands."""
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Bytes from here on, fewer only at the end."""
        rest = max(self._size - self._at, 0)
        length = rest if size < 0 else min(size, rest)
        if not length:
            return b""
        content = self._spool.find(self._href, self._at, length)
        if content is None:
            self._spool.load(self._href, [(self._at, min(max(length, HEAD), rest))])
            content = self._spool.find(self._href, self._at, length) or b""
        self._at += len(content)
        return content

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    @property
    def _size(self) -> int:
        return self._spool.size(self._href)


def joined(spans: Sequence[Span]) -> list[Span]:
    """Runs of bytes that spans make where they follow each other."""
    runs: list[Span] = []
    for start, length in sorted(spans):
        if runs and start <= sum(runs[-1]) + _GAP:
            first, before = runs[-1]
            runs[-1] = first, max(before, start + length - first)
        else:
            runs.append((start, length))
    return runs
