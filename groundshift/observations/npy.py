"""Plain `.npy` files, opened from several threads.

NumPy parses a file's header as Python source, which takes longer than all else of opening it, so
equal headers are parsed once. Before Python 3.11.8 two threads that do so at the same moment may
end with `SystemError: AST constructor recursion depth mismatch` (python/cpython#106905), so headers
are parsed one at a time; the arrays themselves are not.
"""

import math
import mmap
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_PARSING = Lock()
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
"""Size of the header's length, by version of the format."""

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""Shape, whether in Fortran's order, and type."""


class Readable(Protocol):
    """A file that NumPy reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes."""


def map_array(path: Path | str) -> NDArray[Any]:
    """An array, mapped from its file.

    Raises:
        OSError: the file can't be opened.
        ValueError: it is no whole `.npy` file, or holds Python objects.
    """
    with open(path, "rb", buffering=0) as file:
        shape, fortran, dtype = read_header(file)
        begin = file.tell()
        # The file is at least as long as its header, so that there is something to map.
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if len(content) < begin + math.prod(shape) * dtype.itemsize:
        raise ValueError(f"expected an array of shape {shape}, found a file that was cut off")
    return np.ndarray(shape, dtype, content, begin, order="F" if fortran else "C")


def read_header(file: Readable) -> Header:
    """Shape, whether in Fortran's order, and type; the file then stands at the first value.

    Raises:
        ValueError: it is no `.npy` file, or holds Python objects.
    """
    version = np.lib.format.read_magic(file)
    if version not in _LENGTH_BYTES:
        raise ValueError(f"expected version 1 to 3 of the format, found {version}")
    length = file.read(_LENGTH_BYTES[version])
    shape, fortran, dtype = _parsed(version, length + file.read(int.from_bytes(length, "little")))
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return shape, fortran, dtype


@lru_cache(256)
def _parsed(version: tuple[int, int], header: bytes) -> Header:
    parse = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    with _PARSING:
        return parse(BytesIO(header))
