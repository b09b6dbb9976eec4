"""Chance without state: random numbers that depend on names and places alone."""

import hashlib
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import gamma, norm

Floats = NDArray[np.float32]
Places = NDArray[np.int64]

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of splitmix64
_ROW = np.uint64(0x9E3779B97F4A7C15)
_COLUMN = np.uint64(0xD1B54A32D192ED03)
_TABLE_BITS = 16
_OCTAVES = (1.0, 0.5, 0.25, 0.125)
"""Scales of a field, relative to its largest; the amplitude falls with the square root."""


def key(*names: object) -> int:
    """A number of 64 bits for names, the same on every machine."""
    text = "\x1f".join(map(str, names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def generator(*names: object) -> np.random.Generator:
    """Random numbers for the few facts of one date or one image."""
    return np.random.Generator(np.random.PCG64(key(*names)))


def hashes(name: int, rows: Places, columns: Places) -> NDArray[np.uint64]:
    """A number of 64 bits per place; `rows` and `columns` broadcast.

    Args:
        name: Of `key`: what the numbers are for.
        rows: Whole numbers of any sign.
        columns: Likewise.
    """
    with np.errstate(over="ignore"):
        mixed = rows.astype(np.uint64) * _ROW ^ np.uint64(name)
        mixed = _mix(mixed) + columns.astype(np.uint64) * _COLUMN
        return _mix(mixed)


def uniform(name: int, rows: Places, columns: Places) -> NDArray[np.float64]:
    """Uniform numbers 0 <= u < 1 per place."""
    return np.asarray((hashes(name, rows, columns) >> np.uint64(11)) * 2.0**-53)


def normal(name: int, rows: Places, columns: Places) -> Floats:
    """Standard normal numbers per place."""
    return _looked_up(_normal_table(), name, rows, columns)


def speckle(looks: float, name: int, rows: Places, columns: Places) -> Floats:
    """Gamma distributed factors of mean 1 per place: the speckle of so many looks."""
    return _looked_up(_gamma_table(looks), name, rows, columns)


def smooth(name: int, y: NDArray[np.float64], x: NDArray[np.float64], scale: float) -> Floats:
    """A smooth field of mean 0 and standard deviation 1, [y, x].

    Random numbers on lattices of ever finer pitch, interpolated by cubic splines (value noise).

    Args:
        name: Of `key`.
        y: Positions of the rows in metres.
        x: Positions of the columns in metres.
        scale: Pitch of the coarsest lattice in metres.
    """
    total = np.zeros((len(y), len(x)), np.float32)
    for octave, part in enumerate(_OCTAVES):
        pitch = scale * part
        rows, down = _spline(y / pitch)
        columns, right = _spline(x / pitch)
        first, last = columns.min() - 1, columns.max() + 2
        lattice = np.arange(first, last + 1)[None, :]
        lines = [normal(name + octave, (rows + i)[:, None], lattice) for i in _TAPS]
        along = np.zeros(lines[0].shape, np.float32)
        for weights, line in zip(down, lines, strict=True):
            along += weights[:, None] * line
        for i, weights in zip(_TAPS, right, strict=True):
            total += np.float32(math.sqrt(part)) * weights * along[:, columns + i - first]
    return total / np.float32(math.sqrt(sum(_OCTAVES)) * _SPLINE_DEVIATION)


_SPLINE_DEVIATION = 0.479
"""Of a cubic B-spline through independent standard normal numbers: mean over places, in 2-D."""
_TAPS = (-1, 0, 1, 2)
"""Lattice points that a place is interpolated from, counted from the one before it."""


def _spline(positions: NDArray[np.float64]) -> tuple[Places, Floats]:
    """The lattice point before each position; weights [tap, position] of those around it."""
    before = np.floor(positions)
    rest = (positions - before).astype(np.float32)
    weights = (
        (1 - rest) ** 3 / 6,
        (3 * rest**3 - 6 * rest**2 + 4) / 6,
        (-3 * rest**3 + 3 * rest**2 + 3 * rest + 1) / 6,
        rest**3 / 6,
    )
    return before.astype(np.int64), np.asarray(weights, np.float32)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def _looked_up(table: Floats, name: int, rows: Places, columns: Places) -> Floats:
    found: Floats = table[hashes(name, rows, columns) >> np.uint64(64 - _TABLE_BITS)]
    return found


def _probabilities() -> NDArray[np.float64]:
    return (np.arange(1 << _TABLE_BITS) + 0.5) / (1 << _TABLE_BITS)


@lru_cache(maxsize=1)
def _normal_table() -> Floats:
    return np.asarray(norm.ppf(_probabilities()), np.float32)


@lru_cache(maxsize=4)
def _gamma_table(looks: float) -> Floats:
    return np.asarray(gamma.ppf(_probabilities(), looks) / looks, np.float32)
