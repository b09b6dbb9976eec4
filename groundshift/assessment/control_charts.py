"""Control charts on an index: what monitoring without a network looks at, as baselines.

The NDVI of each pixel is predicted from its looks before the window; the residuals of the window's
looks, in standard deviations, feed a chart. The prediction is the mean, and an annual harmonic once
the looks before the window span a year (Brooks et al., IEEE TGRS 52(6), 2014, monitor the residuals
of harmonics by EWMA). A window's score is the largest value that its chart reaches.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.assessment.strips import Spans, Strip
from groundshift.assessment.window_statistics import normalised_difference, running

Array = NDArray[np.float64]

_YEAR = 365.25
_FEWEST_LOOKS = 5
"""Looks before a window below which nothing is predicted."""
_LEAST_DEVIATION = 0.01
"""Of the index: series of fewer different numbers are not steadier than the instrument."""
_RIDGE = 1e-3
"""Weight of no season at all, so that looks of one season don't invent another one."""

WEIGHT = 0.3
"""Of a new look in the EWMA (Brooks et al.: 0.1 to 0.3)."""
SLACK = 0.5
"""Standard deviations that a CUSUM forgives each look (Page, Biometrika 41, 1954)."""


@dataclass(frozen=True)
class Residuals:
    """Residuals of one window's looks.

    Attributes:
        values: [t, y, x] in standard deviations, 0 where there is no new look.
        fresh: [t, y, x], a new look that could be predicted.
    """

    values: Array
    fresh: NDArray[np.bool_]


Chart = Callable[[Residuals], Array]
"""The largest value of a chart, [y, x]."""


@dataclass(frozen=True)
class ControlChart:
    """A chart as a detector of every window."""

    chart: Chart

    def __call__(self, strip: Strip, spans: Spans) -> NDArray[np.float32]:
        """Scores of a strip, [window, y, x]; 0 where too little was seen before the window."""
        history = _History.of(strip)
        scores = [self.chart(history.residuals(*span)) for span in spans.current.tolist()]
        return np.stack(scores).astype(np.float32)


def ewma(residuals: Residuals) -> Array:
    """Exponentially weighted mean of the residuals, in its own standard deviations."""
    mean = np.zeros(residuals.values.shape[1:])
    forgotten, largest = np.ones_like(mean), np.zeros_like(mean)
    for value, fresh in zip(residuals.values, residuals.fresh, strict=True):
        mean = np.where(fresh, WEIGHT * value + (1 - WEIGHT) * mean, mean)
        forgotten = np.where(fresh, forgotten * (1 - WEIGHT) ** 2, forgotten)
        deviation = np.sqrt(WEIGHT / (2 - WEIGHT) * (1 - forgotten))
        step = np.divide(np.abs(mean), deviation, out=np.zeros_like(mean), where=deviation > 0)
        largest = np.maximum(largest, step)
    return largest


def cusum(residuals: Residuals) -> Array:
    """Largest cumulative sum of residuals beyond the slack, upwards or downwards."""
    up = np.zeros(residuals.values.shape[1:])
    down, largest = np.zeros_like(up), np.zeros_like(up)
    for value, fresh in zip(residuals.values, residuals.fresh, strict=True):
        up = np.where(fresh, np.maximum(up + value - SLACK, 0), up)
        down = np.where(fresh, np.maximum(down - value - SLACK, 0), down)
        largest = np.maximum(largest, np.maximum(up, down))
    return largest


@dataclass(frozen=True)
class _History:
    """Running sums of a strip's NDVI, from which any window's history is predicted.

    Attributes:
        days: [t] since 1970.
        index: [t, y, x].
        fresh: [t, y, x].
        moments: [t + 1, y, x, 3, 3] sums of the terms' products over looks.
        products: [t + 1, y, x, 3] sums of terms times index.
        squares: [t + 1, y, x] sums of squares of the index.
    """

    days: Array
    index: Array
    fresh: NDArray[np.bool_]
    moments: Array
    products: Array
    squares: Array

    @classmethod
    def of(cls, strip: Strip) -> "_History":
        if strip.optical is None:
            raise ValueError("a strip without optical images has no index")
        values, fresh = strip.optical.values, strip.optical.fresh
        bands = (values[..., strip.places[role]] for role in ("nir", "red"))
        index = normalised_difference(*bands).astype(np.float64)
        terms = _terms(strip.days)
        weighted = np.where(fresh, index, 0)
        pairs = terms[:, None, None, :, None] * terms[:, None, None, None, :]
        return cls(
            strip.days,
            index,
            fresh,
            running(fresh[..., None, None] * pairs),
            running(weighted[..., None] * terms[:, None, None, :]),
            running(weighted**2),
        )

    def residuals(self, first: int, stop: int) -> Residuals:
        """Residuals of steps [first, stop), predicted from all looks before them."""
        used = 3 if self.days[first] - self.days[0] >= _YEAR else 1
        moments = self.moments[first, ..., :used, :used]
        products = self.products[first, ..., :used]
        count = self.moments[first, ..., 0, 0]
        shrunk = moments + _RIDGE * np.diag([0, 1, 1][:used]) + 1e-9 * np.eye(used)
        weights = np.linalg.solve(shrunk, products[..., None])[..., 0]
        # Sum of squares left over: y'y - 2 w'X'y + w'X'X w.
        left = self.squares[first] - 2 * (weights * products).sum(-1)
        left += np.einsum("yxi,yxij,yxj->yx", weights, moments, weights)
        variance = np.maximum(left, 0) / np.maximum(count - used, 1)
        deviation = np.maximum(np.sqrt(variance), _LEAST_DEVIATION)
        expected = np.einsum("ti,yxi->tyx", _terms(self.days[first:stop])[:, :used], weights)
        fresh = self.fresh[first:stop] & (count >= _FEWEST_LOOKS)
        return Residuals(np.where(fresh, (self.index[first:stop] - expected) / deviation, 0), fresh)


def _terms(days: Array) -> Array:
    """Mean and annual harmonic: [t, 3]."""
    angle = 2 * np.pi * days / _YEAR
    return np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=-1)
