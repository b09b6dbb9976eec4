"""The published windows: runs of steps that fit a length of time (method sections 6.1 to 6.3, 6.7).

The papers' parameters are called here: Delta = `length`, rho = `stride`, omega = `min_steps`,
Omega = `max_steps`. All ranges are half open indices into the sorted times.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundshift.errors import ContractError, SettingsError

Ranges = NDArray[np.int64]

EMPTY = (-1, -1)
"""An empty range."""


@dataclass(frozen=True)
class WindowRow:
    """One row of the published window list: times in whole seconds since 1970 UTC."""

    id: int
    first: int
    last: int
    count: int


def single_windows(
    times: ArrayLike, *, length: float, stride: int, min_steps: int, max_steps: int
) -> Ranges:
    """Windows [t[m], t[m] + length) that start at every `stride`-th step m (section 6.1).

    Quirk Q5: windows near the end are returned although the series does not span their length.

    Args:
        times: sorted times of the steps in seconds.
        length: length of a window in seconds; its end is excluded.
        stride: steps between the starts of two windows.
        min_steps: windows with fewer steps are left out.
        max_steps: windows are cut after as many steps.

    Returns:
        [window, 2] first step and step after the last.

    Raises:
        SettingsError: a parameter out of range, or times that are not sorted.
    """
    seconds = _checked(times, length, stride, min_steps, max_steps)
    start = np.arange(0, len(seconds), stride)
    stop = np.minimum(_edge(seconds, start, length), start + max_steps)
    ranges = np.stack([start, stop], axis=1).astype(np.int64)
    return ranges[stop - start >= min_steps]


def triple_windows(
    times: ArrayLike, *, length: float, stride: int, min_steps: int, max_steps: int
) -> Ranges:
    """Previous, current and next windows around every `stride`-th step (section 6.2).

    Quirk Q6: current and next share 2 * `max_steps` candidates, so that current can be longer than
    `max_steps`. Quirk Q7: with a stride above 1 the candidates of previous belong to another step.

    Args:
        times: sorted times of the steps in seconds.
        length: length of each of the three windows in seconds.
        stride: steps between the starts of two current windows.
        min_steps: triples of which one window has fewer steps are left out.
        max_steps: number of candidates of a previous window.

    Returns:
        [window, 3, 2] ranges of previous, current, next; [-1, -1] where one is empty.

    Raises:
        SettingsError: a parameter out of range, or times that are not sorted.
    """
    seconds = _checked(times, length, stride, min_steps, max_steps)
    steps = len(seconds)
    element = np.arange(-(-steps // stride))
    start = element * stride
    growing = element < max_steps  # the first elements see all earlier steps, counted unstrided
    lowest = np.where(growing, 0, (element - max_steps) * stride)
    highest = np.minimum(np.where(growing, element, lowest + max_steps), steps)
    limit = np.minimum(start + 2 * max_steps, steps)
    edges = [_edge(seconds, start, n * length) for n in (-1, 0, 1, 2)]
    pairs = [
        (np.maximum(lowest, edges[0]), np.minimum(highest, edges[1])),
        (start, np.minimum(limit, edges[2])),
        (edges[2], np.minimum(limit, edges[3])),
    ]
    return _kept(pairs, min_steps)


def triple_windows_2021(
    times: ArrayLike, *, length: float, min_steps: int, max_steps: int
) -> Ranges:
    """Triples of the earlier program, anchored at the first step of previous (section 6.7).

    The published data sets of 2021 and their window lists come from it. The three windows share
    3 * `max_steps` candidates, and the same current window can occur several times.

    Args and returns are those of `triple_windows`; every step is an anchor.
    """
    seconds = _checked(times, length, 1, min_steps, max_steps)
    start = np.arange(len(seconds))
    limit = np.minimum(start + 3 * max_steps, len(seconds))
    edges = [start, *(_edge(seconds, start, n * length) for n in (1, 2, 3))]
    pairs = [(edges[n], np.minimum(limit, edges[n + 1])) for n in range(3)]
    return _kept(pairs, min_steps)


def windows_list(times: ArrayLike, ranges: ArrayLike) -> list[WindowRow]:
    """The published list of windows, of which triples show the current one (section 6.3).

    Args:
        times: sorted times of the steps in seconds.
        ranges: [window, 2] of `single_windows` or [window, 3, 2] of `triple_windows`.
    """
    seconds = np.asarray(times)
    kept = np.asarray(ranges, np.int64)
    current = kept[:, 1] if kept.ndim == 3 else kept
    return [
        WindowRow(number, int(seconds[first]), int(seconds[stop - 1]), int(stop - first))
        for number, (first, stop) in enumerate(current)
    ]


def write_windows_list(rows: list[WindowRow], path: Path) -> None:
    """Write a list of windows as CSV, times as `YYYY-mm-dd HH:MM:SS` in UTC."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        for row in rows:
            writer.writerow([row.id, _text(row.first), _text(row.last), row.count])


def window_values(
    frames: NDArray[np.float32], first: int, stop: int, *, padded: int | None = None
) -> NDArray[np.float32]:
    """Content of a window (section 6.4): its steps, and the batches' padding of -1 on demand.

    Args:
        frames: [t, y, x, channel] steps of a tile: ascending, descending, optical.
        first: first step.
        stop: step after the last.
        padded: length to pad to (Omega), or None for the real length.

    Returns:
        [t, y, x, channel], a view of `frames` unless padded.

    Raises:
        ContractError: the window is longer than `padded` (what quirk Q6 can produce).
    """
    window = frames[first:stop]
    if padded is None:
        return window
    if len(window) > padded:
        raise ContractError(
            f"window of steps {first} to {stop}: expected at most {padded} steps, found "
            f"{len(window)}. Leave it out, or pad to more (quirk Q6)"
        )
    values = np.full((padded, *window.shape[1:]), -1, np.float32)
    values[: len(window)] = window
    return values


def _edge(
    seconds: NDArray[np.float64], start: NDArray[np.int64], after: float
) -> NDArray[np.int64]:
    """First step at or after so many seconds from each of some steps."""
    return np.searchsorted(seconds, seconds[start] + after).astype(np.int64)


def _kept(pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]], min_steps: int) -> Ranges:
    """[window, 3, 2] of the triples all of whose windows are long enough."""
    ranges = np.stack([np.stack(pair, axis=1) for pair in pairs], axis=1).astype(np.int64)
    count = np.maximum(ranges[..., 1] - ranges[..., 0], 0)
    ranges[count == 0] = EMPTY
    kept: Ranges = ranges[(count >= min_steps).all(axis=1)]
    return kept


def _checked(
    times: ArrayLike, length: float, stride: int, min_steps: int, max_steps: int
) -> NDArray[np.float64]:
    given = np.asarray(times)
    if given.dtype.kind not in "iuf":
        raise SettingsError(f"times of windows: expected seconds, found {given.dtype} values")
    seconds = given.astype(np.float64)
    if seconds.ndim != 1 or (np.diff(seconds) < 0).any():
        raise SettingsError(
            f"times of windows: expected a sorted list, found shape {seconds.shape} unsorted or of "
            "more than one axis. Sort them"
        )
    bounds = {"length": (length, 0), "stride": (stride, 1), "max_steps": (max_steps, 1)}
    for name, (value, least) in (bounds | {"min_steps": (min_steps, 0)}).items():
        if value < least:
            raise SettingsError(f"{name} of windows: expected at least {least}, found {value}")
    return seconds


def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
