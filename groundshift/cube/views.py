"""Views: aligned tensors made from a cube on reading, never stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.store import CellCube, Frames


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
