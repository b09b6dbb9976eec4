"""Intervals by drawing whole blocks with replacement.

Neighbouring pixels and overlapping windows say nearly the same, so a bootstrap over pixels would
give intervals far too narrow; blocks are the smallest pieces that are near enough independent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.assessment.scores import Labels, Values, rates

Draws = NDArray[np.int64]
Statistic = NDArray[np.float64]
_Area = Callable[[Statistic, Statistic], Statistic]

_CHUNK = 100  # draws whose cumulative sums are held at a time


@dataclass(frozen=True)
class Interval:
    """Limits of the middle 95 % of draws, or none and the reason."""

    low: float | None
    high: float | None
    reason: str = ""

    def as_json(self, digits: int = 6) -> list[float] | None:
        """Low and high, or null."""
        if self.low is None or self.high is None:
            return None
        return [round(self.low, digits), round(self.high, digits)]


def block_draws(blocks: int, draws: int, seed: int) -> Draws:
    """How often each block occurs in each draw: [draw, block], rows sum to `blocks`."""
    generator = np.random.default_rng(seed)
    picks = generator.integers(0, max(blocks, 1), (draws, blocks))
    counts = np.zeros((draws, blocks), np.int64)
    np.add.at(counts, (np.arange(draws)[:, None], picks), 1)
    return counts


def interval(values: Statistic, blocks: int) -> Interval:
    """The 95 % percentile interval of a statistic's draws.

    Args:
        values: [draw], NaN where a draw leaves it undefined; such draws are left out.
        blocks: how many blocks were drawn from.
    """
    if blocks < 2:
        return Interval(None, None, f"{blocks} block can't be drawn from: expected at least 2")
    known = values[np.isfinite(values)]
    if not values.size or len(known) * 2 < len(values):
        return Interval(None, None, f"defined in {len(known)} of {len(values)} draws only")
    low, high = np.percentile(known, [2.5, 97.5])
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class RankedCounts:
    """Positives and negatives of each block in groups of falling score: int64 [block, group]."""

    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]


def ranked_counts(
    labels: Sequence[Labels], scores: Sequence[Values], groups: int = 8192
) -> RankedCounts:
    """Cut the pooled ranking into groups, so that a draw is a sum of counts and needs no sorting.

    A group holds one score, or where there are more than `groups` different ones, pixels that
    are neighbours in rank; equal scores are never parted.

    Args:
        labels: per block [pixel].
        scores: per block [pixel].
        groups: at most so many.
    """
    pooled = np.concatenate(scores)
    blocks = np.repeat(np.arange(len(scores)), [len(s) for s in scores])
    order = np.argsort(-pooled, kind="stable")
    ordered = pooled[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)])
    group = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(ordered))))
    if len(starts) > groups:
        group = starts[group] * groups // len(ordered)
    size = int(group[-1]) + 1 if len(group) else 0
    positive = np.concatenate(labels)[order]
    cell = blocks[order] * size + group
    shape = (len(scores), size)
    total = np.bincount(cell, minlength=shape[0] * size).reshape(shape)
    hits = np.bincount(cell[positive], minlength=shape[0] * size).reshape(shape)
    return RankedCounts(hits, total - hits)


def draw_average_precision(counts: RankedCounts, draws: Draws) -> Statistic:
    """Average precision of each draw [draw], NaN without a positive."""
    return _by_chunk(counts, draws, _average_precision)


def draw_roc_auc(counts: RankedCounts, draws: Draws) -> Statistic:
    """Area under the ROC curve of each draw [draw], NaN where not defined."""
    return _by_chunk(counts, draws, _roc_auc)


def draw_rates(counts: NDArray[np.float64], draws: Draws) -> dict[str, Statistic]:
    """Precision, recall, F1, kappa and balanced accuracy of each draw.

    Args:
        counts: [block, 4], as `scores.rates` takes them.
        draws: [draw, block].
    """
    return rates(draws @ counts)


def _by_chunk(counts: RankedCounts, draws: Draws, area: _Area) -> Statistic:
    # Few blocks have few different draws: four have 35 among a thousand.
    different, place = np.unique(draws, axis=0, return_inverse=True)
    # As floats the products are those of BLAS, and counts stay exact up to 2^53.
    positives, negatives = counts.positives.astype(np.float64), counts.negatives.astype(np.float64)
    parts = [
        area(part @ positives, part @ negatives)
        for part in (
            different[i : i + _CHUNK].astype(np.float64) for i in range(0, len(different), _CHUNK)
        )
    ]
    return np.concatenate(parts)[place.ravel()] if parts else np.empty(0)


def _average_precision(positives: Statistic, negatives: Statistic) -> Statistic:
    hits, all_found = positives.cumsum(1), (positives + negatives).cumsum(1)
    precision = hits / np.maximum(all_found, 1)
    with np.errstate(invalid="ignore"):
        return np.asarray((positives * precision).sum(1) / positives.sum(1))


def _roc_auc(positives: Statistic, negatives: Statistic) -> Statistic:
    above = positives.cumsum(1) - positives / 2
    with np.errstate(invalid="ignore"):
        return np.asarray((negatives * above).sum(1) / (positives.sum(1) * negatives.sum(1)))
