"""When the ground changed: from the scores of overlapping windows, and from the radar series.

A change raises the scores of all windows that contain it, so the windows say that it is one, and
roughly when. The mean radar power over the changed pixels says it to the day: speckle averages out
over pixels, and a building lasts where a crop doesn't.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.time import DAY

HIGH = 0.5
"""A window counts for dating if it scores at least this share of the best window's score."""

DURATIONS_DAYS = (0, 30, 60, 90, 120, 150, 180)
"""How long a transition may take; 0 is a change from one look to the next."""

_FEW = 0.75
"""Support is a mean over at least this share of the most windows that contain one date."""

_CHUNK = 1 << 22  # numbers held at a time while support is computed

_MIN_LOOKS = 2
"""Least looks before and after the middle of a transition: a single one may be speckle."""


@dataclass(frozen=True)
class Transition:
    """When a change began, was half done and was complete, in seconds since 1970."""

    start: float
    middle: float
    end: float


@dataclass(frozen=True)
class MeanSeries:
    """Mean over an event's pixels of the looks of one radar stream.

    Attributes:
        times: [look] in seconds, sorted.
        power: [look, band] linear power. In decibels a slow change would seem to happen early,
            as half the decibels are reached long before half the power.
    """

    times: NDArray[np.int64]
    power: NDArray[np.float64]


@dataclass(frozen=True)
class Support:
    """How well all windows together support a change of each pixel.

    Attributes:
        value: [y, x] at its best date; NaN where a pixel has no score.
        date: [y, x] that date in seconds since 1970, one of the windows' centres.
    """

    value: NDArray[np.float32]
    date: NDArray[np.int64]


def support(
    scores: NDArray[np.float32], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> Support:
    """The best mean score of all the windows that contain one date.

    One window among ninety that scores high by chance makes a high maximum, but no support. Near
    the ends of the series few windows contain a date: those that are missing up to three quarters
    of the usual number count as 0.

    Args:
        scores: [window, y, x], NaN where a pixel has none.
        starts: [window] first instant, seconds since 1970.
        ends: [window] first instant after it.
    """
    centres = (starts + ends) // 2
    contains = (starts <= centres[:, None]) & (centres[:, None] < ends)
    count = contains.sum(axis=1, keepdims=True)
    weights = (contains / np.maximum(count, _FEW * count.max())).astype(np.float32)
    value = np.empty(scores.shape[1:], np.float32)
    date = np.empty(scores.shape[1:], np.int64)
    rows = max(1, _CHUNK // max(len(scores) * scores.shape[2], 1))
    for top in range(0, len(value), rows):
        part = np.asarray(scores[:, top : top + rows])
        known = ~np.isnan(part)
        mean = np.tensordot(weights, np.where(known, part, np.float32(0)), axes=1)
        value[top : top + rows] = np.where(known.any(axis=0), mean.max(axis=0), np.nan)
        date[top : top + rows] = centres[mean.argmax(axis=0)]
    return Support(value, date)


def window_dates(
    scores: NDArray[np.float32], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Date of the likeliest change of every pixel from the windows alone.

    The mean of the windows' centres weighted by score, over the windows that score at least
    `HIGH` of the pixel's best.

    Args:
        scores: [window, ...], NaN where a window has none.
        starts: [window] first instant, seconds since 1970.
        ends: [window] first instant after it.

    Returns:
        [...] in seconds since 1970, NaN where no window has a score above 0.
    """
    centres = (starts.astype(np.float64) + ends) / 2
    known = np.where(np.isnan(scores), 0, scores).astype(np.float64)
    weights = np.where(known >= HIGH * known.max(axis=0), known, 0)
    total = weights.sum(axis=0)
    dates = np.tensordot(centres, weights, axes=1)
    return np.asarray(np.divide(dates, total, out=np.full(total.shape, np.nan), where=total > 0))


def high_span(
    scores: NDArray[np.float32], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[int, int]:
    """The stretch of time that an event's high windows cover: start and end in seconds.

    Args:
        scores: [window], the event's mean.
        starts: [window].
        ends: [window].
    """
    high = scores >= HIGH * np.nanmax(scores)
    return int(starts[high].min()), int(ends[high].max())


def fit_transition(series: Sequence[MeanSeries], start: int, end: int) -> Transition | None:
    """The ramp from one level to another that explains the radar series best.

    Every middle between two looks and every duration of `DURATIONS_DAYS` is tried. For each band
    the two levels are fitted by least squares; the score of a ramp is the log likelihood ratio
    against a constant, sum over bands of n ln(T / (T - B)), with T the whole scatter, B the part
    the ramp explains and n the looks (the scatter's size is unknown and differs by band).

    Args:
        series: per radar stream.
        start: looks before it don't count, seconds since 1970.
        end: looks from it on don't count.

    Returns:
        None where there are too few looks to say.
    """
    inside = [_between(one, start, end) for one in series]
    inside = [one for one in inside if len(one.times) >= 2 * _MIN_LOOKS]
    if not inside:
        return None
    middles, durations = _candidates(np.unique(np.concatenate([one.times for one in inside])))
    gain = np.zeros(len(middles))
    possible = np.ones(len(middles), bool)
    for one in inside:
        ramps = _ramps(one.times, middles, durations)
        later = (one.times >= middles[:, None]).sum(axis=1)
        possible &= (later >= _MIN_LOOKS) & (len(one.times) - later >= _MIN_LOOKS)
        gain += _gain(ramps, one.power)
    if not possible.any():
        return None
    best = int(np.where(possible, gain, -np.inf).argmax())
    middle, half = float(middles[best]), float(durations[best]) / 2
    return Transition(middle - half, middle, middle + half)


def _between(series: MeanSeries, start: int, end: int) -> MeanSeries:
    inside = (series.times >= start) & (series.times < end)
    return MeanSeries(series.times[inside], series.power[inside])


def _candidates(
    times: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles between neighbouring looks and durations, each with each: [candidate] seconds."""
    middles = (times[1:] + times[:-1]) / 2
    durations = np.array(DURATIONS_DAYS, np.float64) * DAY
    return np.tile(middles, len(durations)), np.repeat(durations, len(middles))


def _ramps(
    times: NDArray[np.int64], middles: NDArray[np.float64], durations: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far each transition has come at each look, 0 to 1: [candidate, look]."""
    since = times[None] - middles[:, None]
    # One second stands for none, so that a sudden change is a ramp like the others.
    return np.clip(since / np.maximum(durations, 1)[:, None] + 0.5, 0, 1)


def _gain(ramps: NDArray[np.float64], power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log likelihood ratio of each ramp: [candidate]."""
    shape = ramps - ramps.mean(axis=1, keepdims=True)
    residual = power - power.mean(axis=0)
    whole = (residual**2).sum(axis=0)
    size = (shape**2).sum(axis=1, keepdims=True)
    explained = np.divide(
        (shape @ residual) ** 2, size, out=np.zeros((len(ramps), power.shape[1])), where=size > 0
    )
    # A perfect fit of a noiseless series leaves nothing: a part in 1e12 keeps the logarithm finite.
    rest = np.maximum(whole - explained, 1e-12 * whole)
    ratio = np.divide(whole, rest, out=np.ones_like(rest), where=rest > 0)
    gain: NDArray[np.float64] = len(power) * np.log(ratio).sum(axis=1)
    return gain
