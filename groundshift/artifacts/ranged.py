"""Files of an artifact in S3 that are read by parts, as far as they are needed.

Such a file stands here as one of the right size with nothing in it. Who reads a part asks for it
first (`need`), and it is brought then and stays; a file that is really here needs nothing.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from groundshift.artifacts.versions import Version
from groundshift.errors import ContractError
from groundshift.storage import Blob, Bucket, download
from groundshift.storage.bucket import WORKERS

_SMALL = 64 << 10
"""Bytes up to which a file is brought whole: one request anyway."""
_GAP = 128 << 10
"""Bytes between two parts that are brought along, which is faster than another request."""

Span = tuple[int, int]
"""Offset and length in bytes."""

_distant: dict[str, "_Distant"] = {}


@dataclass
class _Distant:
    """A file of which only parts are here."""

    bucket: Bucket
    blob: Blob
    received: int = 0
    _here: list[Span] = field(default_factory=list)
    """Begin and end of what is here, ordered and apart."""
    _lock: Lock = field(default_factory=Lock)

    def need(self, spans: Iterable[Span]) -> None:
        """Bring what is not here of some parts."""
        with self._lock:
            missing = [span for span in _joined(spans, _GAP) if not self._has(span)]
            if not missing:
                return
            with ThreadPoolExecutor(min(WORKERS, len(missing))) as pool:
                parts = list(pool.map(self._read, missing))
            with self.blob.path.open("r+b") as file:
                for (begin, _), part in zip(missing, parts, strict=True):
                    os.pwrite(file.fileno(), part, begin)
            self.received += sum(map(len, parts))
            self._here = _joined([(b, e - b) for b, e in self._here + missing], 0)

    def _has(self, span: Span) -> bool:
        place = bisect_right(self._here, span[0], key=lambda here: here[0]) - 1
        return place >= 0 and self._here[place][1] >= span[1]

    def _read(self, span: Span) -> bytes:
        begin, end = span
        part = self.bucket.read_range(self.blob.name, begin, end - begin)
        if part is None or len(part) != end - begin:
            raise ContractError(
                f"{self.bucket.address}: expected {end - begin} bytes at {begin} of "
                f"{self.blob.name}, found {len(part or b'')}. Rerun the stage that writes it, with "
                "caching off"
            )
        return part


def lend(bucket: Bucket, version: Version, folder: Path, by_parts: Callable[[str], bool]) -> None:
    """Let an artifact in S3 be read in a folder, some of its files by parts.

    Args:
        bucket: of the store.
        version: the artifact.
        folder: empty; it may go when nobody reads it any more, see `give_back`.
        by_parts: which files, by their path inside the artifact; small ones come whole anyway.

    Raises:
        ContractError: an object is missing or damaged.
    """
    whole: list[Blob] = []
    parts: list[Blob] = []
    for blob in version.blobs(folder):
        large = blob.size > _SMALL and by_parts(blob.path.relative_to(folder).as_posix())
        (parts if large else whole).append(blob)
    download(bucket, whole)
    for blob in parts:
        blob.path.parent.mkdir(parents=True, exist_ok=True)
        with blob.path.open("wb") as file:
            file.truncate(blob.size)
        _distant[str(blob.path)] = _Distant(bucket, blob)


def give_back(folder: Path) -> int:
    """Forget the files of a folder that were lent; bytes that were brought of them."""
    inside = [path for path in _distant if Path(path).is_relative_to(folder)]
    return sum(_distant.pop(path).received for path in inside)


def need(path: Path, spans: Iterable[Span]) -> None:
    """See to it that some parts of a file are here.

    Args:
        path: of the file, as it was lent.
        spans: that will be read next.

    Raises:
        ContractError: the object is gone or was cut off.
        SourceError: S3 refuses or can't be reached.
    """
    if _distant and (file := _distant.get(str(path))) is not None:
        file.need((begin, min(length, file.blob.size - begin)) for begin, length in spans)


def _joined(spans: Iterable[Span], gap: int) -> list[Span]:
    """Parts as begin and end, ordered, those that lie closer than a gap made one."""
    joined: list[Span] = []
    for begin, length in sorted(spans):
        if joined and begin <= joined[-1][1] + gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], begin + length))
        else:
            joined.append((begin, begin + length))
    return joined
