"""The common time line of a cell, and which looks of a sensor make which frame (method 5.3).

Bins of one step's length are anchored at the start of the period. Every bin that holds an
acquisition becomes a step, stamped with the last acquisition in it; empty bins become nothing.
A sensor has a frame of its own at a step only if it brought a valid pixel since the step before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.time import DAY
from groundshift.errors import SettingsError
from groundshift.settings import StackStage


@dataclass(frozen=True)
class Bins:
    """The period, cut into bins of equal length; times are seconds since 1970."""

    start: int
    end: int
    """Exclusive."""
    step: int

    @classmethod
    def of(cls, settings: StackStage) -> "Bins":
        """The bins that a stage's settings ask for.

        Raises:
            SettingsError: the step is not a whole number of seconds above zero.
        """
        step = settings.stack.step.total_seconds()
        if step < 1 or step != int(step):
            raise SettingsError(
                f"stack.step: expected whole seconds from 1 on, found {step:g} s; try 2d"
            )
        return cls(settings.period.start_seconds, settings.period.end_seconds, int(step))

    def number(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The bin that each time falls into; negative before the start."""
        numbers: NDArray[np.int64] = (np.asarray(times, np.int64) - self.start) // self.step
        return numbers


@dataclass(frozen=True)
class Frame:
    """One sensor's image after carrying forward everything up to a step."""

    step: int
    """Index on the time line."""
    bin: int
    """Number of the step's bin, which later scenes don't change as they may change the index."""
    looks: tuple[int, ...]
    """Times of the observations merged into it, ascending."""
    early: int
    """How many of `looks` lie before the period: they count as seen, not as fresh."""

    @property
    def time(self) -> int:
        """The frame's own time: its last look, whatever other sensors do in the same step."""
        return self.looks[-1]


def day(time: int) -> int:
    """Number of a time's calendar day in UTC; ages in such days add up exactly over steps."""
    return time // DAY


def days(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """`day` of each time."""
    numbers: NDArray[np.int64] = np.asarray(times, np.int64) // DAY
    return numbers


def time_line(acquisitions: Iterable[NDArray[np.int64]], bins: Bins) -> NDArray[np.int64]:
    """The effective steps of a cell: the last acquisition of each bin that has one.

    Args:
        acquisitions: of each sensor, also those without a valid pixel.
        bins: only acquisitions with `start <= time < end` count.

    Returns:
        int64 [steps], ascending.
    """
    merged = np.unique(np.concatenate([np.empty(0, np.int64), *acquisitions]))
    merged = merged[(merged >= bins.start) & (merged < bins.end)]
    last = np.diff(bins.number(merged), append=np.iinfo(np.int64).max) > 0
    times: NDArray[np.int64] = merged[last]
    return times


def frames_of(looks: Sequence[int], times: NDArray[np.int64], bins: Bins) -> tuple[Frame, ...]:
    """Merge a sensor's observations into one frame per step that has any.

    Args:
        looks: times of the observations with a valid pixel, ascending. Those before the period
            join the first step's frame; those at or after its end are left out.
        times: the time line, int64 [steps].
        bins: the bins of `times`.
    """
    if not times.size:
        return ()
    within = np.array([look for look in looks if look < bins.end], np.int64)
    steps = np.searchsorted(times, within)
    numbers = bins.number(times)
    frames = []
    for step in np.unique(steps).tolist():
        members = within[steps == step]
        early = int((members < bins.start).sum())
        frames.append(Frame(step, int(numbers[step]), tuple(members.tolist()), early))
    return tuple(frames)
