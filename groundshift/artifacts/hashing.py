"""Hashes of bytes, of settings and of decoded values."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of a JSON-ready value in canonical form."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ValueHash:
    """A hash of decoded values that storage, compression and processors can't change.

    Feed named arrays in the contract's canonical order. Scores are rounded to 1/1000 first, so
    that two processors whose last digits differ agree.
    """

    def __init__(self) -> None:
        """Start with nothing fed."""
        self._state = hashlib.sha256()

    def add(self, name: str, values: NDArray[Any]) -> None:
        """Feed an array of integers, booleans, times or exactly stored floats."""
        array = np.ascontiguousarray(values)
        if array.dtype.kind in "Mm":
            array = array.astype(np.int64)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        self._state.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        self._state.update(array.data)

    def add_scores(self, name: str, scores: NDArray[Any]) -> None:
        """Feed an array of scores, rounded to 1/1000; NaN (no score) counts as -1."""
        rounded = np.rint(np.nan_to_num(scores, nan=-1.0).astype(np.float64) * 1000)
        self.add(name, rounded.astype(np.int32))

    def add_text(self, name: str, lines: Iterable[str]) -> None:
        """Feed lines of text, e.g. the rows of a table in canonical order."""
        for line in lines:
            self._state.update(f"{name}:{line}\n".encode())

    def hexdigest(self) -> str:
        """The hash of everything fed so far."""
        return self._state.hexdigest()
