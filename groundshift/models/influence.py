"""How far away something can lie and still change a score.

A 3 x 3 convolution at every step of a recurrence reaches as many pixels as there are steps, but
what it carries fades quickly. The distance beyond which nothing matters is measured: an image is
cut, the network sees zero padding where it saw ground before, and the scores are compared.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.store import CellCube, Cube
from groundshift.models.inputs import Inputs, Streams
from groundshift.models.neighbours import Steps, read_beside, steps_of

TOLERANCE = 1e-5
"""Change of a score that counts as none, a tenth of what tiled and whole maps may differ by."""
EDGE = 96
"""Edge of the images that are cut, in pixels."""

Score = Callable[[Streams, NDArray[np.bool_]], NDArray[np.float32]]
"""From streams by role and real steps [b, t] to scores [..., b, y, x]."""


def measure_radius(score: Score, scenes: Iterator[Streams]) -> int:
    """The influence radius in pixels over some scenes.

    Args:
        score: the model.
        scenes: streams of one sample each, values [1, t, y, x, band] and ages [1, t, y, x].

    Returns:
        The smallest distance from a cut beyond which no score changes by more than `TOLERANCE`;
        the longest that could be seen where one still does.
    """
    errors = np.zeros(0)
    for scene in scenes:
        found = cut_errors(score, scene)
        length = max(len(errors), len(found))
        errors, found = (np.pad(e, (0, length - len(e))) for e in (errors, found))
        errors = np.maximum(errors, found)
    changed = np.flatnonzero(errors > TOLERANCE)
    return int(changed[-1]) + 1 if len(changed) else 0


def cut_errors(score: Score, scene: Streams) -> NDArray[np.float64]:
    """Largest change of a score by its distance from a cut, over cuts from all four sides.

    Returns:
        float64 [distance], in pixels from the cut.
    """
    steps = np.ones(next(iter(scene.values()))[1].shape[:2], bool)
    whole = score(scene, steps)
    profiles = []
    for axis in (-2, -1):
        size = whole.shape[axis]
        at = size // 4
        for kept, towards in ((slice(at, None), 1), (slice(0, size - at), -1)):
            part = score(_cut(scene, axis, kept), steps)
            change = np.abs(np.take(whole, np.arange(size)[kept], axis=axis) - part)
            across = tuple(i for i in range(change.ndim) if i != change.ndim + axis)
            profiles.append(change.max(axis=across)[::towards])
    length = max(len(profile) for profile in profiles)
    errors: NDArray[np.float64] = np.max(
        [np.pad(profile, (0, length - len(profile))) for profile in profiles], axis=0
    ).astype(np.float64)
    return errors


def scenes(
    cube: Cube, windows: pd.DataFrame, inputs: Inputs, *, count: int = 4
) -> Iterator[Streams]:
    """Real windows, evenly spread over cells and time, in the middle of their cells.

    Args:
        cube: where from.
        windows: columns cell, first, stop, and the neighbours' where the network sees these.
        inputs: of the network.
        count: how many.
    """
    for number in np.unique(np.linspace(0, len(windows) - 1, count).astype(int)):
        window = windows.iloc[[number]]
        (cell,), (steps,) = window["cell"], steps_of(window, inputs)
        yield _scene(cube.cells[cell], steps, inputs)


def _scene(cell: CellCube, steps: Steps, inputs: Inputs) -> Streams:
    rows, columns = (
        slice((size - edge) // 2, (size - edge) // 2 + edge)
        for size, edge in ((size, min(size, EDGE)) for size in cell.shape)
    )
    first, stop = (int(step) for step in steps[:2])
    scene = {}
    for role in inputs.roles:
        frames = cell.read(cell.roles[role], first, stop, rows, columns)
        scene[role] = (frames.values[np.newaxis], frames.age_days[np.newaxis])
    around = read_beside(cell, inputs.roles, steps, rows, columns) if inputs.neighbours else {}
    return {**scene, **around}


def _cut(scene: Streams, axis: int, kept: slice) -> Streams:
    """A part of a scene along y (-2) or x (-1)."""
    index = (..., kept, slice(None)) if axis == -2 else (..., kept)
    return {
        role: (values[(*index, slice(None))], age_days[index])
        for role, (values, age_days) in scene.items()
    }
