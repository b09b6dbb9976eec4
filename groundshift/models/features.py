"""Ways to make channels of a stream: what a network sees of a band at a step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Scope = Literal["frame", "step", "window"]


@dataclass(frozen=True)
class Series:
    """One stream of some windows, standardised.

    Attributes:
        levels: [b, t, y, x, band] float32, 0 where never seen.
        known: [b, t, y, x] bool, whether there was a look yet.
        age_days: [b, t, y, x] int16, days since the last look; -1 where there was none.
        steps: [b, t] bool, real steps.
    """

    levels: NDArray[np.float32]
    known: NDArray[np.bool_]
    age_days: NDArray[np.int16]
    steps: NDArray[np.bool_]


@dataclass(frozen=True)
class Feature:
    """A way to make channels of a stream.

    Attributes:
        scope: what a step's channels depend on: its frame alone, its frame's age too, or the
            whole window. Frames that several windows share are worked through once if they can.
        channels: number of channels made of a stream of so many bands.
        compute: the channels, float32 [b, t, y, x, channel].
    """

    scope: Scope
    channels: Callable[[int], int]
    compute: Callable[[Series], NDArray[np.float32]]


def _level(series: Series) -> NDArray[np.float32]:
    return series.levels


def _anomaly(series: Series) -> NDArray[np.float32]:
    """Levels less their mean over the window's known real steps, per pixel."""
    return _less(series, series.steps)


def _rise(series: Series) -> NDArray[np.float32]:
    """Levels less their mean over the first third of the window's real steps, per pixel."""
    return _less(series, thirds(series.steps)[0])


def thirds(steps: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which real steps, bool [b, t], belong to the first and to the last third of their window."""
    number = np.cumsum(steps, axis=1)
    length = np.maximum(number[:, -1:], 3)
    return steps & (3 * number <= length), steps & (3 * (number[:, -1:] - number) < length)


def _less(series: Series, counted: NDArray[np.bool_]) -> NDArray[np.float32]:
    weight = (series.known & counted[:, :, None, None])[..., None].astype(np.float32)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    mean = (series.levels * weight).sum(axis=1, keepdims=True) / total
    return np.where(series.known[..., None], series.levels - mean, np.float32(0))


def _recency(series: Series) -> NDArray[np.float32]:
    """1 for a look of today, falling to 1/e in 30 days, 0 where there was none."""
    recency = np.exp(-series.age_days.astype(np.float32) / 30)
    return np.where(series.known, recency, np.float32(0))[..., None]


FEATURES: dict[str, Feature] = {
    "level": Feature("frame", lambda bands: bands, _level),
    "anomaly": Feature("window", lambda bands: bands, _anomaly),
    "rise": Feature("window", lambda bands: bands, _rise),
    "recency": Feature("step", lambda bands: 1, _recency),
}
"""Every feature by the name that settings and models use."""
