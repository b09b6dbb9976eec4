"""What the network takes of memory, before it is taken: training by batch, scoring by windows.

Bytes per number follow from what the layers keep (`layers`, `recurrence`); their factors were
measured (`python -m benchmarks.memory`), the one of training as the whole of a step's tensors.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.store import CellCube
from groundshift.models.blocks import blocks_of
from groundshift.models.networks import NetworkSpec
from groundshift.models.stepping import CHUNK
from groundshift.models.store import Detector

MEMORY = 400 << 20
"""Bytes that scoring may take, roughly, where frames are shared."""

APART = 1500 << 20
"""Likewise where a window's channels depend on the whole window: all its steps are held."""

SPAN = 8
"""Steps whose frames are in memory at a time. A chunk of the cube has twice as many and is decoded
again; but what that leaves of memory goes to windows, which share the work on frames."""

_FLOAT = 4
_PER_CHANNEL = 12 * _FLOAT
"""Of every look of a batch: batches made ahead, their copies on the way into the network."""
_PER_FILTER = 10 * _FLOAT
"""Gates, outputs and memories of all steps, and their gradients."""
_PER_BLOCK = 10 * _FLOAT
"""What a block keeps of every frame for its gradient, per filter, and the gradient."""
_COMPILED = 250 << 20
"""The compiled step, whatever it is given."""


def training_bytes(spec: NetworkSpec, looks: int) -> int:
    """What a step of training takes.

    Args:
        spec: the network.
        looks: pixels times steps of a batch.
    """
    kept = sum(
        filters * (_PER_FILTER + _PER_BLOCK * blocks) for _, _, filters, blocks in spec.planned
    )
    return _COMPILED + looks * (_PER_CHANNEL * spec.channels + kept)


def budget_of(detector: Detector, memory: int | None) -> int:
    """Bytes that scoring is given: what it takes where nothing is said, or less."""
    usual = APART if detector.inputs.scope == "window" else MEMORY
    return usual if memory is None else min(usual, memory)


def groups(
    detector: Detector,
    ranges: NDArray[np.int64],
    pixels: int,
    core: tuple[int, int],
    memory: int,
) -> Iterator[slice]:
    """Windows that follow one another, as many at a time as memory holds.

    Args:
        detector: the model.
        ranges: half-open ranges of steps, [window, 2].
        pixels: of a block, halo included.
        core: rows and columns of the maps.
        memory: bytes.
    """
    begin = 0
    while begin < len(ranges):
        end = begin + 1
        while (
            end < len(ranges)
            and scoring_bytes(detector, ranges[begin : end + 1], pixels, core) <= memory
        ):
            end += 1
        yield slice(begin, end)
        begin = end


def scoring_bytes(
    detector: Detector, ranges: NDArray[np.int64], pixels: int, core: tuple[int, int]
) -> int:
    """What scoring these windows together takes: frames, memories, maps. As `groups`."""
    maps = _FLOAT * (len(detector.members) + 1) * len(ranges) * core[0] * core[1]
    steps = int(ranges[:, 1].max() - ranges[:, 0].min())
    if detector.inputs.scope == "window":
        if detector.inputs.neighbours:  # one of them is read at a time, beside all that is held
            steps += int((ranges[:, 1] - ranges[:, 0]).max())
        return pixels * steps * _view(detector) + apart_bytes(detector, ranges, pixels) + maps
    frames = 2 * min(steps, SPAN) * detector.spec.channels
    gates = 4 * detector.spec.filters
    memories = 2 * detector.spec.filters * (len(ranges) + CHUNK)
    return _FLOAT * pixels * (frames + gates + memories) + maps


def least_bytes(
    detector: Detector,
    cell: CellCube,
    windows: pd.DataFrame,
    *,
    block: int = 256,
    halo: int | None = None,
) -> int:
    """What scoring a cell takes at least, one window at a time.

    Args:
        detector: the model.
        cell: the cell.
        windows: columns first, stop.
        block: edge of a block without its halo, in pixels.
        halo: pixels of context around a block; None is the model's influence radius.
    """
    halo = detector.radius if halo is None else halo
    ranges = windows[["first", "stop"]].to_numpy(np.int64)
    longest = ranges[np.argmax(ranges[:, 1] - ranges[:, 0])][np.newaxis]
    pixels = next(blocks_of(cell, block, halo)).pixels
    return scoring_bytes(detector, longest, pixels, cell.cell.core.shape)


def apart_bytes(detector: Detector, ranges: NDArray[np.int64], pixels: int) -> int:
    """What scoring one of these windows takes where it shares no frame with the others."""
    longest = int((ranges[:, 1] - ranges[:, 0]).max())
    spec = detector.spec
    return _FLOAT * pixels * (3 * longest * spec.channels + 12 * spec.filters)


def _view(detector: Detector) -> int:
    """Bytes of a pixel at a step as it is read: values and age of every stream."""
    return sum(_FLOAT * len(stream.mean) + 2 for stream in detector.inputs.streams)
