"""Plain `.npy` files, opened from several threads.

NumPy parses a file's header as Python source. Before Python 3.11.8 two threads that do so at the
same moment may end with `SystemError: AST constructor recursion depth mismatch`
(python/cpython#106905), so headers are parsed one at a time; the arrays themselves are not.
"""

from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

_PARSING = Lock()


class Readable(Protocol):
    """A file that NumPy reads from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most so many bytes."""


def map_array(path: Path) -> NDArray[Any]:
    """An array, mapped from its file.

    Raises:
        OSError: the file can't be opened.
        ValueError: it is no whole `.npy` file, or holds Python objects.
    """
    with _PARSING:
        array: NDArray[Any] = np.load(path, mmap_mode="r")
    return array


def read_header(file: Readable) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type; the file then stands at the first value.

    Raises:
        ValueError: it is no `.npy` file, or holds Python objects.
    """
    with _PARSING:
        version = np.lib.format.read_magic(file)
        first = version == (1, 0)
        parse = (
            np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = parse(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return shape, fortran, dtype
