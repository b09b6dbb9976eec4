"""What overlapping windows say about change: support and date of a pixel, alarms of an event.

A change raises the scores of all windows that contain it, so the windows say that it is one, and
roughly when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

HIGH = 0.5
"""A window counts for dating if it scores at least this share of the best window's score."""

PROBABILITY, SPREAD = "probability", "spread"
"""Layers that maps may have beside their scores: calibrated probability, and deviation of the
members of an ensemble."""

_FEW = 0.75
"""Support is a mean over at least this share of the most windows that contain one date."""

_CHUNK = 1 << 22  # numbers held at a time while support is computed


@dataclass(frozen=True)
class Support:
    """How well all windows together support a change of each pixel.

    Attributes:
        value: [y, x] at its best date; NaN where a pixel has no score.
        date: [y, x] that date in seconds since 1970, one of the windows' centres.
    """

    value: NDArray[np.float32]
    date: NDArray[np.int64]


@dataclass(frozen=True)
class Course:
    """Scores of an event window by window, as sums that parts of it can add.

    Attributes:
        starts: [window] first instant in seconds since 1970, ascending.
        ends: [window] first instant after it.
        total: [window] sum of the scores of its pixels.
        count: [window] number of its pixels that have a score.
        layers: [window] sums of what else the maps say of these pixels, by name.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    total: NDArray[np.float64]
    count: NDArray[np.int64]
    layers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean score, [window]; NaN where no pixel has one."""
        return self._per_pixel(self.total)

    def layer(self, name: str) -> NDArray[np.float64]:
        """Mean of a layer, [window]; NaN where no pixel has a score, or the maps lack the layer."""
        return self._per_pixel(self.layers.get(name, np.full(len(self.starts), np.nan)))

    @property
    def high(self) -> NDArray[np.bool_]:
        """The windows that score at least `HIGH` of the best, [window]: they carry the event."""
        scores = self.mean
        return np.asarray(scores >= HIGH * np.nanmax(scores))

    def _per_pixel(self, total: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):
            return np.asarray(total / np.where(self.count > 0, self.count, np.nan))

    def __add__(self, other: "Course") -> "Course":
        """The course of two parts together; their windows may differ."""
        starts, place = np.unique(np.concatenate([self.starts, other.starts]), return_inverse=True)
        ends, count = np.zeros(len(starts), np.int64), np.zeros(len(starts), np.int64)
        ends[place] = np.concatenate([self.ends, other.ends])
        np.add.at(count, place, np.concatenate([self.count, other.count]))

        def together(one: NDArray[np.float64], their: NDArray[np.float64]) -> NDArray[np.float64]:
            total = np.zeros(len(starts))
            np.add.at(total, place, np.concatenate([one, their]))
            return total

        layers = {
            name: together(own, other.layers[name])
            for name, own in self.layers.items()
            if name in other.layers
        }
        return Course(starts, ends, together(self.total, other.total), count, layers)


@dataclass(frozen=True)
class Alarm:
    """When windows rang, in seconds since 1970.

    Attributes:
        first: end of the first window that scored high.
        confirmed: end of the window that confirmed it; None if none has yet.
        ended: end of the last window that still rang; None while the newest one does.
    """

    first: int
    confirmed: int | None
    ended: int | None


def support(
    scores: NDArray[np.float32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    smooth: int = 1,
) -> Support:
    """The best mean score of all the windows that contain one date.

    One window among ninety that scores high by chance makes a high maximum, but no support. Near
    the ends of the series few windows contain a date: those that are missing up to three quarters
    of the usual number count as 0.

    Args:
        scores: [window, y, x], NaN where a pixel has none.
        starts: [window] first instant, seconds since 1970.
        ends: [window] first instant after it.
        smooth: windows of a running median that is taken first; 1 leaves scores as they are.
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
        filled = running_median(np.where(known, part, np.float32(0)), smooth)
        mean = np.tensordot(weights, filled, axes=1)
        value[top : top + rows] = np.where(known.any(axis=0), mean.max(axis=0), np.nan)
        date[top : top + rows] = centres[mean.argmax(axis=0)]
    return Support(value, date)


def running_median(series: NDArray[np.floating], length: int) -> NDArray[np.floating]:
    """Median of `length` neighbours along the first axis; the ends are repeated."""
    if length == 1:
        return series
    return np.asarray(median_filter(series, (length, *(1,) * (series.ndim - 1)), mode="nearest"))


def supported(course: Course, instants: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean score of the windows that contain each instant, [instant]; 0 where none does."""
    mean = np.nan_to_num(course.mean)
    contains = (course.starts <= instants[:, None]) & (instants[:, None] < course.ends)
    return np.asarray(contains @ mean / np.maximum(contains.sum(axis=1), 1))


def window_dates(
    scores: NDArray[np.floating], starts: NDArray[np.int64], ends: NDArray[np.int64]
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


def high_span(course: Course) -> tuple[int, int]:
    """The stretch of time that an event's high windows cover: start and end in seconds."""
    return int(course.starts[course.high].min()), int(course.ends[course.high].max())


def alarm_of(course: Course, *, high: float, low: float, confirm: int, smooth: int = 1) -> Alarm:
    """When an event rang first, was confirmed and ended.

    It rings from the first window that scores `high`, for as long as windows score `low` without a
    break; of several such stretches the one with the best window counts.

    Args:
        course: of the event.
        high: mean score that raises an alarm; of an event that never reaches it, its best score.
        low: mean score that keeps it up.
        confirm: the alarm is confirmed by so many windows in a row, the first one included.
        smooth: windows of a running median that is taken first.
    """
    scores = running_median(np.nan_to_num(course.mean), smooth)
    best = int(scores.argmax())
    high = min(high, float(scores[best]))
    silent = np.flatnonzero(scores < min(low, high))
    before, after = silent[silent < best], silent[silent > best]
    begin = int(before[-1]) + 1 if len(before) else 0
    stop = int(after[0]) if len(after) else len(scores)
    first = begin + int(np.argmax(scores[begin:stop] >= high))
    sure = first + confirm - 1
    return Alarm(
        int(course.ends[first]),
        int(course.ends[sure]) if sure < stop else None,
        int(course.ends[stop - 1]) if stop < len(scores) else None,
    )
