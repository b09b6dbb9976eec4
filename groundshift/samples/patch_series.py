"""A patch of ground over the whole time line, decoded once for all windows that are cut from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.store import CellCube
from groundshift.cube.timeline import days
from groundshift.cube.views import mean_look

NEVER = -1
"""Age of a pixel without a look yet."""


@dataclass(frozen=True)
class PatchStream:
    """Frames of a patch: each once [frame, y, x, band], which one a step shows, ages by step."""

    values: NDArray[np.float32]
    fresh: NDArray[np.bool_]
    frame_of_step: NDArray[np.int64]
    age_days: NDArray[np.int16]

    def mean_look(self, first: int, stop: int) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
        """The mean of the looks that fell into steps [first, stop), as `views.mean_look`."""
        shown = np.unique(self.frame_of_step[first:stop])
        if first > 0 and shown[0] == self.frame_of_step[first - 1]:
            shown = shown[1:]  # carried in: nothing of it is new
        return mean_look(self.values[shown], self.fresh[shown])


@dataclass(frozen=True)
class PatchSeries:
    """Everything of a patch, over the whole time line."""

    streams: dict[str, PatchStream]
    days: NDArray[np.float32]
    labels: NDArray[np.float32]
    row_of_window: dict[int, int]


def patch_stream(cell: CellCube, role: str, rows: slice, columns: slice) -> PatchStream:
    """One stream of a patch, decoded.

    Args:
        cell: the patch's cell.
        role: of the stream.
        rows: of the cell's grid.
        columns: likewise.
    """
    frames, frame_of_step = cell.frames(cell.roles[role], 0, len(cell.times), rows, columns)
    begins = np.unique(frame_of_step, return_index=True)[1]
    day = days(cell.times)
    elapsed = (day - day[begins][frame_of_step])[:, None, None]
    ages = frames.age_days[frame_of_step]
    older = np.minimum(ages + elapsed, np.iinfo(np.int16).max)
    ages = np.where(ages == NEVER, NEVER, older).astype(np.int16)
    return PatchStream(frames.values, frames.fresh, frame_of_step, ages)
