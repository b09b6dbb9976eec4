"""Statistics of a sensor's looks inside windows, from running sums over the whole time line.

A look is a valid pixel that fell into a step; a frame carried forward is no new look and is not
counted again. All windows of a block share the same running sums, so a mean costs two reads.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FLOOR = 1e-5
"""Least linear power that is turned into decibels (-50 dB): zero power has no logarithm."""

_MIN_LOOKS = 2
"""Least looks on either side of a step, so that one speckled look is no step."""

_CONSTANT = 1e-6
"""Scatter below which a series counts as constant, so that no ratio is infinite."""


def decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """10 log10 of linear power, any shape, cut off at `FLOOR`."""
    return np.asarray(10 * np.log10(np.maximum(power, np.float32(FLOOR))))


def normalised_difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(a - b) / (a + b), 0 where the sum is 0."""
    total = a + b
    return np.asarray(np.divide(a - b, total, out=np.zeros_like(total), where=total != 0))


@dataclass(frozen=True)
class Step:
    """The best split of a window into before and after.

    Attributes:
        strength: [y, x], the largest sum over bands of the F statistic of a step in the mean.
        change: [y, x, band], mean after less mean before at that split, 0 where there is none.
    """

    strength: Array
    change: Array


class Looks:
    """The looks of one sensor at one piece of ground.

    Args:
        values: [t, y, x, band], carried forward.
        fresh: [t, y, x], a new look fell into the step.
        seen: [t, y, x], there has been a look up to the step.
    """

    def __init__(
        self, values: NDArray[np.float32], fresh: NDArray[np.bool_], seen: NDArray[np.bool_]
    ) -> None:
        self.values, self.fresh, self.seen = values, fresh, seen

    @cached_property
    def _counts(self) -> Array:
        return running(self.fresh[..., None].astype(np.float64))

    @cached_property
    def _sums(self) -> Array:
        return running(np.where(self.fresh[..., None], self.values, 0).astype(np.float64))

    @cached_property
    def _squares(self) -> Array:
        weighted = np.where(self.fresh[..., None], self.values, 0).astype(np.float64)
        return running(weighted * weighted)

    def mean(self, first: int, stop: int) -> Array:
        """Mean of the looks in steps [first, stop): [y, x, band].

        Where no look fell into them it is the value carried to their end, and NaN where the
        ground was never seen up to then.
        """
        if stop <= first:
            raise ValueError(f"an empty span of steps [{first}, {stop}) has no mean")
        count = self._counts[stop] - self._counts[first]
        total = self._sums[stop] - self._sums[first]
        carried = np.where(self.seen[stop - 1][..., None], self.values[stop - 1], np.nan)
        return np.where(count > 0, total / np.maximum(count, 1), carried)

    def deviation(self, first: int, stop: int) -> Array:
        """Standard deviation of the looks in steps [first, stop): [y, x, band], 0 below two."""
        count = self._counts[stop] - self._counts[first]
        return np.asarray(np.sqrt(self._scatter(first, stop) / np.maximum(count - 1, 1)))

    def extremes(self, first: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Least and largest value in steps [first, stop), carried ones included: [y, x, band]."""
        values = self.values[first:stop]
        return values.min(axis=0), values.max(axis=0)

    def best_step(self, first: int, stop: int, bands: slice = slice(None)) -> Step:
        """The split of steps [first, stop) whose two parts differ most for their scatter.

        The strength is the maximum over splits of sum over bands of
        B / ((T - B) / (n - 2)): the variance ratio of a model with one step in the mean against
        a constant one, with B the scatter between the two parts' means, T the whole scatter and
        n the looks. Its square root for one band is the two-sample t statistic.

        Args:
            first: first step.
            stop: step after the last one.
            bands: which bands count.
        """
        splits = slice(first + 1, stop)
        left = self._counts[splits] - self._counts[first]
        right = self._counts[stop] - self._counts[splits]
        sums = self._sums[..., bands]
        before = (sums[splits] - sums[first]) / np.maximum(left, 1)
        after = (sums[stop] - sums[splits]) / np.maximum(right, 1)
        enough = (left >= _MIN_LOOKS) & (right >= _MIN_LOOKS)
        change = np.where(enough, after - before, 0)
        looks = np.maximum(left + right, 1)
        between = left * right / looks * change**2
        within = np.maximum(self._scatter(first, stop)[..., bands] - between, _CONSTANT)
        ratio = (between / (within / np.maximum(looks - 2, 1))).sum(axis=-1)
        if not len(ratio):
            return Step(np.zeros(change.shape[1:3]), np.zeros(change.shape[1:]))
        best = ratio.argmax(axis=0)[None]
        return Step(
            np.take_along_axis(ratio, best, axis=0)[0],
            np.take_along_axis(change, best[..., None], axis=0)[0],
        )

    def _scatter(self, first: int, stop: int) -> Array:
        """Sum of squared distances from the mean: [y, x, band]."""
        count = np.maximum(self._counts[stop] - self._counts[first], 1)
        total = self._sums[stop] - self._sums[first]
        squares = self._squares[stop] - self._squares[first]
        return np.asarray(np.maximum(squares - total**2 / count, 0))


def running(values: Array) -> Array:
    """Sums of the first 0, 1, ..., t steps: [t + 1, ...]."""
    sums = np.zeros((len(values) + 1, *values.shape[1:]))
    np.cumsum(values, axis=0, out=sums[1:])
    return sums
