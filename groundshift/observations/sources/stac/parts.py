"""Images far away, of which only those parts are loaded that are needed, each once."""

import io
import tempfile
from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from groundshift.observations.costs import Used
from groundshift.observations.sources.stac.connection import Connection

HEAD = 1 << 16
"""Bytes at the beginning of an image that are loaded first: they say where its tiles lie."""
_GAP = 16  # bytes between tiles that belong together: GDAL writes their sizes there

Span = tuple[int, int]
"""First byte and length."""


class Spool:
    """Parts of a scene's images, kept on disk while the scene is open."""

    def __init__(self, connection: Connection, collection: str, used: Used) -> None:
        """Nothing is loaded yet.

        Args:
            connection: Loads parts.
            collection: That the images belong to.
            used: Counts what it takes.
        """
        self._connection, self._collection, self._used = connection, collection, used
        self._disk = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the spool
        self._parts: dict[str, list[tuple[int, int, int]]] = {}
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> Self:
        """The spool itself."""
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Give up what was loaded."""
        self._disk.close()

    def size(self, href: str) -> int:
        """Bytes of an image of which something was loaded."""
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
        if href not in self._sizes:
            self._load(href, 0, 0)

    def find(self, href: str, start: int, length: int) -> bytes | None:
        """A part of an image; None if it isn't all here."""
        known = self._parts.get(href, [])
        at = bisect_right(known, (start, self._end(), 0)) - 1
        if at < 0:
            return None
        first, where, size = known[at]
        if start + length > first + size:
            return None
        self._disk.seek(where + start - first)
        return self._disk.read(length)

    def forget(self, href: str) -> None:
        """Have an image loaded again, since what came of it makes no sense."""
        self._parts.pop(href, None)
        self._sizes.pop(href, None)

    def _load(self, href: str, start: int, length: int) -> None:
        content, size = self._connection.part(self._collection, href, start, length, self._used)
        self._sizes[href] = size
        where = self._disk.seek(0, io.SEEK_END)
        self._disk.write(content)
        insort(self._parts.setdefault(href, []), (start, where, len(content)))

    def _end(self) -> int:
        return self._disk.seek(0, io.SEEK_END)


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
