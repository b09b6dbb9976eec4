"""Modules of the package that a C compiler makes when it is installed, if there is one."""

import ctypes
import importlib.util
from typing import Any

from numpy.typing import NDArray


def library(name: str) -> ctypes.CDLL | None:
    """A compiled module by its full name; None where none was compiled."""
    found = importlib.util.find_spec(name)
    return None if found is None or found.origin is None else ctypes.CDLL(found.origin)


def address(array: NDArray[Any]) -> ctypes.c_void_p:
    """Where an array begins."""
    return ctypes.c_void_p(array.ctypes.data)
