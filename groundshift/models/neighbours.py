"""The windows before and after a window, for networks that see them: their steps and mean looks."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.store import CellCube
from groundshift.cube.views import mean_look
from groundshift.errors import ContractError
from groundshift.models.inputs import Inputs, Streams
from groundshift.samples.loader import beside
from groundshift.samples.windows import ABSENT, NEIGHBOURS, OWN_STEPS

Steps = NDArray[np.int64]
"""Half-open ranges of steps: of the window itself, then of the windows before and after it."""


def steps_of(windows: pd.DataFrame, inputs: Inputs) -> Steps:
    """The steps of windows, [window, 2], or [window, 6] where the network sees neighbours.

    Args:
        windows: columns first, stop, and those of `NEIGHBOURS` where these are seen.
        inputs: of the network.

    Raises:
        ContractError: a window without the neighbours that are seen.
    """
    columns = [*OWN_STEPS, *(NEIGHBOURS if inputs.neighbours else ())]
    steps: Steps = windows.reindex(columns=columns, fill_value=ABSENT).to_numpy(np.int64)
    if missing := int((steps == ABSENT).any(axis=1).sum()):
        raise ContractError(
            f"the model sees the windows before and after (train.neighbours): expected both, found "
            f"{missing} of {len(steps)} windows without. Index the cube with window.kind=triple, "
            "or train with train.neighbours=false"
        )
    return steps


def read_beside(
    cell: CellCube, roles: tuple[str, ...], steps: Steps, rows: slice, columns: slice
) -> Streams:
    """The mean looks of the windows before and after one window, by `beside(role)`.

    Args:
        cell: the cell.
        roles: of the network.
        steps: of the window, [6].
        rows: of the cell's grid.
        columns: likewise.
    """
    found = {}
    for role in roles:
        means = []
        for first, stop in steps[2:].reshape(2, 2):
            frames, _ = cell.frames(cell.roles[role], int(first), int(stop), rows, columns)
            means.append(mean_look(frames.values, frames.fresh))
        values, ages = (np.stack(parts)[np.newaxis] for parts in zip(*means, strict=True))
        found[beside(role)] = (values, ages)
    return found
