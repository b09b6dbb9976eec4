"""Arrays as text: what travels to a served model and back.

Nested lists of numbers in JSON take eight times the room and most of the time of a request; a
compressed npz archive in base64 is one string.
"""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.errors import ContractError


def pack(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Named arrays as one string: a compressed npz archive in base64."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return base64.b64encode(buffer.getvalue()).decode()


def unpack(text: str) -> dict[str, NDArray[Any]]:
    """The arrays that `pack` wrote.

    Raises:
        ContractError: another text, or arrays of Python objects, which are never loaded.
    """
    try:
        with np.load(
            io.BytesIO(base64.b64decode(text, validate=True)), allow_pickle=False
        ) as found:
            return dict(found)
    except Exception as error:
        # zipfile, numpy and base64 each have their own errors for a text that is none of theirs.
        raise ContractError(
            f"expected a base64 npz archive of plain arrays, found {text[:40]!r}... ({error}). "
            "Pack arrays with groundshift.services.packed.pack"
        ) from error
