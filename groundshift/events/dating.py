"""When the ground changed: a change point in the mean series of an event, with its interval.

A ramp from one level to another is fitted to all series at once: radar power per track, and indices
of the optical sensor, whose seasons are fitted along. The date is the ramp's middle. Its interval
holds all ramps, from their beginning to their end, that explain the series nearly as well
(likelihood ratio): a change that takes months has no day of its own, and which moment of it moves
the series most depends on what is built. A sudden change lies between two looks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.time import DAY, YEAR_DAYS
from groundshift.events.series import MeanSeries

DURATIONS_DAYS = (0, 30, 60, 90, 120, 150, 180, 270, 360, 540)
"""How long a transition may take; 0 is a change from one look to the next."""

CRITICAL = 7.35
"""Fall of twice the log likelihood at the ends of a 95 % interval: -2 ln(1 - sqrt(0.95)), the
distribution of the likelihood ratio of a break's date (Hansen, Econometrica 68(3), 2000)."""

BELIEVED = 16.0
"""Twice the log likelihood ratio against no change, below which the series date nothing."""

_SLOW_DAYS = 60
"""Duration from which on the middle need not be tried at every look."""

_MIN_LOOKS = 2
"""Least looks before and after the middle of a transition: a single one may be speckle."""

_SEASONAL_YEARS = 1.25
"""Least length of a series whose seasons can be told from a change."""

_SHARE = 0.05
"""Least prior of a date, as a share of the best: the windows advise, the series decide."""

Prior = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""How likely dates [instant] are before a look at the series; any scale, at least 0."""


@dataclass(frozen=True)
class Evidence:
    """What one series says of a change.

    Attributes:
        sensor: name.
        gain: twice the log likelihood ratio against no change.
        changes: change of each quantity and its own gain: {quantity: (after - before, gain)}.
        times: [look] the looks, in seconds.
    """

    sensor: str
    gain: float
    changes: dict[str, tuple[float, float]]
    times: NDArray[np.int64]


@dataclass(frozen=True)
class ChangePoint:
    """A dated change, in seconds since 1970.

    Attributes:
        start: when the transition began.
        middle: when it was half done.
        end: when it was complete.
        earliest: when the earliest of the likely transitions began, or the last look before it.
        latest: when the latest of them was complete, or the first look after it.
        evidence: of each series.
    """

    start: float
    middle: float
    end: float
    earliest: float
    latest: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class _Ramps:
    """All transitions that are tried, [candidate] each, in seconds."""

    middle: NDArray[np.float64]
    duration: NDArray[np.float64]
    before: NDArray[np.float64]
    """The last look before the middle."""
    after: NDArray[np.float64]
    """The first look after it."""

    @classmethod
    def between(cls, times: NDArray[np.int64]) -> "_Ramps":
        """Each gap between neighbouring looks with each duration; of slow ones every third gap."""
        gaps = np.stack([times[:-1], times[1:]]).astype(np.float64)
        tried = [gaps[:, :: 1 if days < _SLOW_DAYS else 3] for days in DURATIONS_DAYS]
        before, after = np.concatenate(tried, axis=1)
        counts = [part.shape[1] for part in tried]
        durations = np.repeat(np.array(DURATIONS_DAYS, np.float64) * DAY, counts)
        return cls((before + after) / 2, durations, before, after)

    def at(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """How far each transition has come at each look, 0 to 1: [candidate, look]."""
        since = times[None] - self.middle[:, None]
        # One second stands for none, so that a sudden change is a ramp like the others.
        return np.clip(since / np.maximum(self.duration, 1)[:, None] + 0.5, 0, 1)


@dataclass(frozen=True)
class _Fit:
    """One series with every ramp fitted: the parts that steady ground doesn't explain."""

    series: MeanSeries
    shape: NDArray[np.float64]
    """[candidate, look]"""
    rest: NDArray[np.float64]
    """[look, quantity]"""
    enough: NDArray[np.bool_]
    """[candidate], whether there are looks on both sides."""

    def gains(self) -> NDArray[np.float64]:
        """Twice the log likelihood ratio of each ramp, [candidate, quantity].

        n ln(T / (T - B)), with T the whole scatter, B the part the ramp explains and n the looks
        (the scatter's size is unknown). Neighbouring looks that resemble one another count less:
        n (1 - r) / (1 + r), with r the correlation of what the best ramp leaves over.
        """
        whole = (self.rest**2).sum(axis=0)
        size = (self.shape**2).sum(axis=1, keepdims=True)
        explained = np.divide(
            (self.shape @ self.rest) ** 2,
            size,
            out=np.zeros((len(self.shape), self.rest.shape[1])),
            where=size > 1e-9,
        )
        # A perfect fit of a noiseless series leaves nothing: 1e-12 keeps the logarithm finite.
        left = np.maximum(whole - explained, 1e-12 * whole)
        ratio = np.log(np.divide(whole, left, out=np.ones_like(left), where=left > 0))
        ratio[~self.enough] = 0
        best = int(ratio.sum(axis=1).argmax())
        return np.asarray(ratio * len(self.rest) * self._independent(best))

    def changes(self, candidate: int) -> NDArray[np.float64]:
        """After less before of a fitted ramp, [quantity]."""
        shape = self.shape[candidate]
        size = float(shape @ shape)
        return shape @ self.rest / size if size > 0 else np.zeros(self.rest.shape[1])

    def _independent(self, candidate: int) -> NDArray[np.float64]:
        """Share of the looks that count as independent ones, [quantity]."""
        left = self.rest - np.outer(self.shape[candidate], self.changes(candidate))
        size = np.maximum((left**2).sum(axis=0), 1e-300)
        correlation = np.clip((left[1:] * left[:-1]).sum(axis=0) / size, 0, 0.9)
        return np.asarray((1 - correlation) / (1 + correlation))


def fit_change_point(
    series: Sequence[MeanSeries], start: int, end: int, prior: Prior | None = None
) -> ChangePoint | None:
    """The ramp from one level to another that explains the series best.

    Every middle between two looks and every duration of `DURATIONS_DAYS` is tried. The levels are
    fitted by least squares, of a seasonal series together with a sine and a cosine of a year.

    Args:
        series: of the event.
        start: of the dates that come into question, seconds since 1970. Looks before it don't
            count either, but those of series whose seasons are fitted.
        end: likewise, exclusive.
        prior: what is known of the date already.

    Returns:
        None where there are too few looks to say, or they show no change.
    """
    inside = [used for one in series if (used := _used(one, start, end)) is not None]
    if not inside:
        return None
    times = np.unique(np.concatenate([one.times for one in inside]))
    ramps = _Ramps.between(times[(times >= start) & (times < end)])
    if not len(ramps.middle):
        return None
    fits = [_fitted(one, ramps) for one in inside]
    gains = [fit.gains() for fit in fits]
    evidence = np.sum([gain.sum(axis=1) for gain in gains], axis=0)
    weighed = evidence if prior is None else evidence + 2 * np.log(_weights(prior, ramps.middle))
    possible = np.any([fit.enough for fit in fits], axis=0)
    best = int(np.where(possible, weighed, -np.inf).argmax())
    if not possible.any() or evidence[best] < BELIEVED:
        return None
    likely = possible & (weighed >= weighed[best] - CRITICAL)
    begins, ends = ramps.middle - ramps.duration / 2, ramps.middle + ramps.duration / 2
    return ChangePoint(
        float(begins[best]),
        float(ramps.middle[best]),
        float(ends[best]),
        float(np.minimum(ramps.before, begins)[likely].min()),
        float(np.maximum(ramps.after, ends)[likely].max()),
        tuple(_evidence(fit, gain, best) for fit, gain in zip(fits, gains, strict=True)),
    )


def _used(series: MeanSeries, start: int, end: int) -> MeanSeries | None:
    """The looks that count; None if they are too few."""
    years = (series.times[-1] - series.times[0]) / DAY / YEAR_DAYS if len(series.times) else 0
    if not series.seasonal or years < _SEASONAL_YEARS:
        inside = (series.times >= start) & (series.times < end)
        series = MeanSeries(
            series.sensor, series.quantities, series.times[inside], series.values[inside]
        )
    return series if len(series.times) >= 2 * _MIN_LOOKS else None


def _fitted(series: MeanSeries, ramps: _Ramps) -> _Fit:
    """Take away what steady ground explains, of the series and of every ramp."""
    phase = 2 * np.pi * series.times / DAY / YEAR_DAYS
    columns = [np.ones(len(phase))]
    if series.seasonal:
        columns += [np.sin(phase), np.cos(phase)]
    steady, _ = np.linalg.qr(np.stack(columns, axis=1))
    shape = ramps.at(series.times)
    later = (series.times >= ramps.middle[:, None]).sum(axis=1)
    enough = (later >= _MIN_LOOKS) & (len(series.times) - later >= _MIN_LOOKS)
    shape = shape - (shape @ steady) @ steady.T
    rest = series.values - steady @ (steady.T @ series.values)
    return _Fit(series, shape, rest, enough)


def _weights(prior: Prior, instants: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = prior(instants)
    best = float(weights.max())
    return np.maximum(weights / best, _SHARE) if best > 0 else np.ones_like(weights)


def _evidence(fit: _Fit, gains: NDArray[np.float64], candidate: int) -> Evidence:
    own = gains[candidate]
    changes = {
        name: (float(change), float(gain))
        for name, change, gain in zip(
            fit.series.quantities, fit.changes(candidate), own, strict=True
        )
    }
    return Evidence(fit.series.sensor, float(own.sum()), changes, fit.series.times)
