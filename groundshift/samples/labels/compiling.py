"""Compiling kernels that run over every pixel."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile on the first call; division by zero gives inf or NaN as in numpy.

    Nothing is cached on disk: compiling takes about a second, and the package's folder may be
    read-only.
    """
    return cast(_Function, numba.njit(error_model="numpy", nogil=True)(function))
