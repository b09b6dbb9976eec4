"""SHA-256 and MD5 of files that are read once, many files side by side; MD5s of rows in memory.

Every artifact's files get both: the first is their identity, by the second DVC names them. SHA-256
has instructions of its own in processors; an MD5 is one long chain of steps and takes twice as
long. So the compiled `md5.c` takes several files at a time, seven times faster than one by one.
"""

import ctypes
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift import compiled
from groundshift.compiled import address

LANES, _BLOCK = 16, 64  # as in `md5.c`
DIGEST_BYTES = 16
"""Of an MD5."""
READ = 1 << 18
"""Bytes of a file at a time: they are still in the core's own cache for the second hash."""

_BEGIN = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476], np.uint32)

Digests = tuple[str, str]
"""SHA-256 and MD5."""


def file_digests(paths: Sequence[Path]) -> list[Digests]:
    """SHA-256 and MD5 of the bytes of some files, in their order.

    Raises:
        OSError: a file can't be read.
    """
    kernel = _kernel()
    if kernel is None or len(paths) == 1:  # then there is nothing to lie beside it
        return [_digests(path) for path in paths]
    return _side_by_side(paths, kernel)


def row_digests(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """MD5 of each row, by which equal ones are found; against forgery it is no proof.

    Args:
        rows: [row, byte], contiguous; whole blocks of 64 bytes.

    Returns:
        [row, 16].
    """
    count, size = rows.shape
    kernel = _kernel()
    if kernel is None or size % _BLOCK:
        found = [hashlib.md5(row.data, usedforsecurity=False).digest() for row in rows]
        return np.frombuffer(b"".join(found), np.uint8).reshape(count, DIGEST_BYTES)
    digests = np.empty((count, DIGEST_BYTES), np.uint8)
    sizes = (ctypes.c_int64(count), ctypes.c_int64(size))
    kernel.md5_alike(address(digests), address(rows), *sizes)
    return digests


def _digests(path: Path) -> Digests:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    room = memoryview(bytearray(READ))
    with path.open("rb") as file:
        while size := file.readinto(room):
            sha256.update(room[:size])
            md5.update(room[:size])
    return sha256.hexdigest(), md5.hexdigest()


@cache
def _kernel() -> Any:
    """The functions of `md5.c`; None where it was not compiled."""
    return compiled.library("groundshift.artifacts._md5")


class _Message:
    """A file on its way through a lane."""

    def __init__(self, number: int, path: Path) -> None:
        self.number, self.ended = number, False
        self._sha256, self._size = hashlib.sha256(), 0
        self._file = path.open("rb")

    def read_on(self, room: memoryview) -> int:
        """Fill the lane's room; blocks that lie there now, at the end with what closes an MD5."""
        size = self._file.readinto(room[:READ])
        self._sha256.update(room[:size])
        self._size += size
        if size < READ:
            self.ended = True
            self._file.close()
            closing = b"\x80" + bytes(-(size + 9) % _BLOCK) + (8 * self._size).to_bytes(8, "little")
            room[size : size + len(closing)] = closing
            size += len(closing)
        return size // _BLOCK

    def close(self) -> None:
        """Give up."""
        self._file.close()

    @property
    def sha256(self) -> str:
        """Of the whole file."""
        return self._sha256.hexdigest()


def _side_by_side(paths: Sequence[Path], kernel: Any) -> list[Digests]:
    lanes = np.empty((LANES, READ + 2 * _BLOCK), np.uint8)
    rooms = [memoryview(lane) for lane in lanes]  # type: ignore[arg-type]
    places = lanes.ctypes.data + lanes.strides[0] * np.arange(LANES, dtype=np.uint64)
    states, counts = np.empty((4, LANES), np.uint32), np.zeros(LANES, np.int64)
    waiting = iter(enumerate(paths))
    busy: dict[int, _Message] = {}
    found: dict[int, Digests] = {}
    try:
        while len(found) < len(paths):
            for lane in set(range(LANES)) - set(busy):
                if (following := next(waiting, None)) is not None:
                    busy[lane] = _Message(*following)
                    states[:, lane] = _BEGIN
            counts[:] = 0
            for lane, message in busy.items():
                counts[lane] = message.read_on(rooms[lane])
            kernel.md5_update(address(states), address(places), address(counts))
            for lane in [lane for lane, message in busy.items() if message.ended]:
                message = busy.pop(lane)
                found[message.number] = message.sha256, states[:, lane].tobytes().hex()
    finally:
        for message in busy.values():
            message.close()
    return [found[number] for number in range(len(paths))]
