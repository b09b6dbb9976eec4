"""Views: aligned tensors made from a cube on reading, never stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.fill import NEVER
from groundshift.cube.store import CellCube, Frames
from groundshift.domain.time import DAY


@dataclass(frozen=True)
class View:
    """What a model gets of a part of a cell.

    Attributes:
        times: int64 [t], seconds since 1970.
        streams: images by role, one per time, in the order of the cube's signature.
    """

    times: NDArray[np.int64]
    streams: dict[str, Frames]


def carried(
    cube: CellCube,
    first: int,
    stop: int,
    rows: slice,
    columns: slice,
    *,
    bands: Mapping[str, Sequence[int]] | None = None,
) -> View:
    """The deep-temporal view: at every step the last valid look of every sensor.

    Args:
        cube: one cell.
        first: step.
        stop: step, exclusive.
        rows: of the cell's grid.
        columns: likewise.
        bands: by role which ones, in the order wanted; roles that are left out come whole.
    """
    wanted = bands or {}
    streams = {
        role: cube.read(sensor, first, stop, rows, columns, wanted.get(role))
        for role, sensor in cube.roles.items()
    }
    return View(cube.times[first:stop], streams)


def mean_look(
    values: NDArray[np.float32], fresh: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """The mean image of some looks, each counted once however long it is carried forward.

    Args:
        values: [frame, y, x, band] in physical units.
        fresh: [frame, y, x], whether a new valid look fell into the frame.

    Returns:
        values: [y, x, band], 0 where there was no look.
        age_days: [y, x], 0, or -1 where there was no look.
    """
    count = fresh.sum(axis=0)
    # As one sum of products: nothing as large as the values is made beside them.
    total = np.einsum("tyx,tyxb->yxb", fresh.astype(np.float32), values)
    mean = total / np.maximum(count, 1)[..., None].astype(np.float32)
    return mean, np.where(count > 0, 0, NEVER).astype(np.int16)


def regular(
    cube: CellCube,
    sensor: str,
    instants: NDArray[np.int64],
    rows: slice,
    columns: slice,
    *,
    reach: int,
) -> NDArray[np.float32]:
    """The regular view: every pixel's valid looks, interpolated linearly to given instants.

    v(t) = v0 + (v1 - v0) (t - t0) / (t1 - t0) between the looks at t0 <= t <= t1 on either side.
    Before the first look and after the last one nothing is known, but for instants within reach
    of that look, which show it as it is.

    Args:
        cube: one cell.
        sensor: by name.
        instants: [t] seconds since 1970, ascending.
        rows: of the cell's grid.
        columns: likewise.
        reach: seconds.

    Returns:
        [t, y, x, band] in physical units; NaN where not known.

    Raises:
        ContractError: rows or columns outside the cube, or a damaged file.
    """
    values, fresh, steps = cube.looks(sensor, rows, columns)
    times = cube.times[steps]
    before = _nearest(values, fresh, times, instants, backwards=False)
    after = _nearest(values, fresh, times, instants, backwards=True)
    view = np.full((len(instants), *values.shape[1:]), np.nan, np.float32)
    for row, instant, early, late in zip(view, instants, before, after, strict=True):
        row[...] = _between(int(instant), early, late, reach)
    return view


@dataclass(frozen=True)
class _Look:
    """The look of every pixel that is nearest to an instant on one side.

    Attributes:
        values: [y, x, band].
        days: [y, x] days since 1970; NaN where there is none.
    """

    values: NDArray[np.float32]
    days: NDArray[np.float64]


def _nearest(
    values: NDArray[np.float32],
    fresh: NDArray[np.bool_],
    times: NDArray[np.int64],
    instants: NDArray[np.int64],
    *,
    backwards: bool,
) -> list[_Look]:
    """For each instant the last look up to it, or backwards the first one from it on."""
    way = -1 if backwards else 1
    held = np.zeros(values.shape[1:], np.float32)
    days = np.full(fresh.shape[1:], np.nan)
    found = []
    order = iter(range(len(times))[::way])
    frame = next(order, None)
    for instant in instants[::way]:
        while frame is not None and way * int(times[frame]) <= way * int(instant):
            seen = fresh[frame]
            held[seen], days[seen] = values[frame][seen], times[frame] / DAY
            frame = next(order, None)
        found.append(_Look(held.copy(), days.copy()))
    return found[::way]


def _between(instant: int, early: _Look, late: _Look, reach: int) -> NDArray[np.float32]:
    """What lies between two looks at an instant, [y, x, band]."""
    day, near = instant / DAY, reach / DAY
    span = late.days - early.days
    share = np.where(span > 0, (day - early.days) / np.where(span > 0, span, 1), 0)
    both = np.isfinite(span)
    only_early = ~both & (day - early.days <= near)
    only_late = ~both & (late.days - day <= near)
    mixed = early.values + (late.values - early.values) * share[..., None].astype(np.float32)
    chosen = np.where(only_early[..., None], early.values, np.float32(np.nan))
    chosen = np.where(only_late[..., None], late.values, chosen)
    return np.where(both[..., None], mixed, chosen).astype(np.float32)
