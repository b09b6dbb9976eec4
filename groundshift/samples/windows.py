"""Windows: runs of steps of a cell's time line, kept as indices and never as copies.

A window starts at a step and covers `[start, start + length)`; its steps are a half-open range of
indices. A triple adds the windows of the same length just before and just after it (method
section 6.2; the papers' Delta, rho, omega, Omega are `length`, `stride`, `min_steps`,
`max_steps`). Every stride-th step gives a window; one that can't be used says why, so that none is
cut short or paired wrongly in silence.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.domain.time import DAY, as_datetime64
from groundshift.errors import NoDataError, SettingsError

Kind = Literal["single", "triple"]
Period = tuple[int, int]
"""Start and end (exclusive) in seconds since 1970."""

PAST_END = "ends after the series"
FEW_STEPS = "too few steps"
MANY_STEPS = "too many steps"
NO_PREVIOUS = "no complete previous window"
NO_NEXT = "no complete next window"

_LONG_GAP = 0.95  # quantile of the gaps between steps

ABSENT = -1
"""Index where a window has no neighbour."""

OWN_STEPS = ("first", "stop")
"""Columns of the half-open range of a window's steps."""
NEIGHBOURS = ("previous_first", "previous_stop", "next_first", "next_stop")
"""Likewise of the windows before and after it."""

COLUMNS = (
    "id",
    "cell",
    "kind",
    *NEIGHBOURS[:2],
    *OWN_STEPS,
    *NEIGHBOURS[2:],
    "start",
    "end",
    "steps",
    "complete",
    "problem",
)


@dataclass(frozen=True)
class Windows:
    """Windows of one time line; every array is [window], ordered by start.

    Attributes:
        kind: Whether a window needs its neighbours to be complete.
        length: Length of a window in seconds.
        start: First instant, that of the first step, in seconds since 1970.
        ranges: [window, 3, 2] half-open step indices of the previous window, the window itself
            and the next; -1 where a neighbour is not complete.
        problem: Why a window can't be used, empty where it can.
    """

    kind: Kind
    length: int
    start: NDArray[np.int64]
    ranges: NDArray[np.int64]
    problem: NDArray[np.str_]

    @property
    def end(self) -> NDArray[np.int64]:
        """First instant after each window."""
        return self.start + self.length

    @property
    def steps(self) -> NDArray[np.int64]:
        """Number of steps of each window."""
        return self.ranges[:, 1, 1] - self.ranges[:, 1, 0]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Which windows can be used."""
        return np.asarray(self.problem == "")

    @property
    def paired(self) -> NDArray[np.bool_]:
        """Which windows have both neighbours."""
        return np.asarray((self.ranges[:, (0, 2), 0] != ABSENT).all(axis=1))

    def table(self, cell: str) -> pd.DataFrame:
        """The windows as rows of `samples.parquet`; `id` numbers those of one cell."""
        previous, current, following = np.moveaxis(self.ranges, 1, 0)
        columns = {
            "id": np.arange(len(self.start)),
            "cell": cell,
            "kind": self.kind,
            "previous_first": previous[:, 0],
            "previous_stop": previous[:, 1],
            "first": current[:, 0],
            "stop": current[:, 1],
            "next_first": following[:, 0],
            "next_stop": following[:, 1],
            "start": as_datetime64(self.start),
            "end": as_datetime64(self.end),
            "steps": self.steps,
            "complete": self.complete,
            "problem": self.problem.astype(object),
        }
        return pd.DataFrame(columns, columns=list(COLUMNS))


def single(
    times: NDArray[np.int64],
    *,
    length: int,
    stride: int,
    min_steps: int,
    max_steps: int,
    period: Period | None = None,
) -> Windows:
    """Windows `[t, t + length)` that start at every stride-th step.

    Neighbours are noted where they are complete, since synthetic labels compare them, but a window
    doesn't need them.

    Args:
        times: times of the steps in seconds, sorted.
        length: length of a window in seconds.
        stride: steps from one window's start to the next.
        min_steps: fewest steps of a complete window.
        max_steps: most steps of a complete window.
        period: what the series is meant to cover; by default what its steps cover.
    """
    return _cut("single", times, length, stride, (min_steps, max_steps), period)


def triple(
    times: NDArray[np.int64],
    *,
    length: int,
    stride: int,
    min_steps: int,
    max_steps: int,
    period: Period | None = None,
) -> Windows:
    """As `single`, for windows that are complete only with both neighbours.

    The neighbours are `[t - length, t)` and `[t + length, t + 2 length)`. They have at least
    `min_steps` too; `max_steps` binds only the window itself, which alone a network sees.
    """
    return _cut("triple", times, length, stride, (min_steps, max_steps), period)


def with_neighbours(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `samples.parquet` that have a previous and a next window."""
    return table[(table[["previous_first", "next_first"]] != ABSENT).all(axis=1)]


def covered(times: NDArray[np.int64], period: Period | None) -> Period:
    """The stretch of time that the series covers.

    It reaches one gap beyond the outermost steps, as long as one gap in twenty is, but not beyond
    the period: a period that ends in the future doesn't make windows complete.
    """
    gap = int(np.quantile(np.diff(times), _LONG_GAP)) if len(times) > 1 else 0
    begin, end = int(times[0]) - gap, int(times[-1]) + gap
    if period is None:
        return begin, end
    return max(begin, period[0]), min(end, period[1])


def longest_length(
    times: NDArray[np.int64], *, kind: Kind, stride: int, min_steps: int, period: Period | None
) -> int | None:
    """The longest length, in whole days as seconds, of which one complete window fits.

    None where none fits at all.
    """
    begin, end = covered(times, period)
    for days in range((end - begin) // DAY, 0, -1):
        windows = _cut(kind, times, days * DAY, stride, (min_steps, len(times)), period)
        if windows.complete.any():
            return days * DAY
    return None


def require_complete(
    windows: Windows,
    times: NDArray[np.int64],
    *,
    stride: int,
    min_steps: int,
    max_steps: int,
    period: Period | None,
    place: str,
) -> None:
    """Refuse settings that give no complete window, or windows too long for a network.

    Windows with more than `max_steps` steps are refused as a whole instead of dropped: which ones
    they are depends on how densely the satellites happened to pass, so that leaving them out
    would leave out seasons.

    Raises:
        SettingsError: naming the setting to change and a value that works.
    """
    crowded = windows.problem == MANY_STEPS
    if crowded.any():
        most = int(windows.steps[crowded].max())
        raise SettingsError(
            f"window.max_steps: {place} has {crowded.sum()} windows with more than {max_steps} "
            f"steps, the fullest with {most}. Set window.max_steps={most}, shorten window.length "
            "or lengthen stack.step"
        )
    if windows.complete.any():
        return
    days = windows.length / DAY
    fits = longest_length(
        times, kind=windows.kind, stride=stride, min_steps=min_steps, period=period
    )
    begin, end = covered(times, period)
    parts = {"single": 1, "triple": 3}[windows.kind]
    reasons = ", ".join(sorted(set(windows.problem.tolist())))
    advice = (
        f"Set window.length={fits // DAY}d or shorter, or lengthen the period"
        if fits
        else f"No length fits: lower window.min_steps (now {min_steps}) or lengthen the period"
    )
    raise NoDataError(
        f"window.length: no complete {windows.kind} window of {days:g} days fits into {place}: "
        f"it needs {parts * days:g} days with at least {min_steps} steps in each {days:g}, found "
        f"{(end - begin) / DAY:.0f} days with {len(times)} steps ({reasons})",
        advice,
    )


def _cut(
    kind: Kind,
    times: NDArray[np.int64],
    length: int,
    stride: int,
    steps: tuple[int, int],
    period: Period | None,
) -> Windows:
    times = np.asarray(times, np.int64)
    if len(times) == 0 or length <= 0:
        raise SettingsError(
            f"window.length: expected a length above 0 and a series with steps, found {length} s "
            f"and {len(times)} steps. Check window.length and the period"
        )
    begin, end = covered(times, period)
    start = times[::stride]
    edges = start[:, None] + length * np.arange(-1, 3)
    bounds = np.searchsorted(times, edges)
    ranges = np.stack([bounds[:, :-1], bounds[:, 1:]], axis=2).astype(np.int64)
    counts = ranges[:, :, 1] - ranges[:, :, 0]
    inside = (edges[:, :-1] >= begin) & (edges[:, 1:] <= end)
    # A window starts at a step of the series, so that only its end can lie outside.
    whole = (counts >= steps[0]) & inside
    problem = np.full(len(start), "", dtype="<U32")
    problem[counts[:, 1] > steps[1]] = MANY_STEPS
    if kind == "triple":
        problem[~whole[:, 2]] = NO_NEXT
        problem[~whole[:, 0]] = NO_PREVIOUS
    problem[counts[:, 1] < steps[0]] = FEW_STEPS
    problem[edges[:, 2] > end] = PAST_END
    for neighbour in (0, 2):
        ranges[~whole[:, neighbour], neighbour] = ABSENT
    return Windows(kind, length, start, ranges, problem)
