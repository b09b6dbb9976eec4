"""Scores of windows over whole cells, block by block, the same whatever the blocks.

A block is scored with a halo as wide as the model's influence radius, so that what lies outside
changes nothing. At the edge of the cell's grid the halo ends where the image ends: the network's
own zero padding belongs there. All blocks of a cell have one shape, for which the network is
compiled once. Memory is bounded by the number of windows that are scored together. A window's
score is the same to the last bit whichever windows are scored beside it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.layout import NO_SLOT, SensorIndex, read_index
from groundshift.cube.store import CellCube, Frames
from groundshift.domain.signature import Kind
from groundshift.errors import SettingsError
from groundshift.models.blocks import Block, around, blocks_of
from groundshift.models.footprint import MEMORY, SPAN, apart_bytes, budget_of, groups
from groundshift.models.inputs import KINDS, Inputs, Streams
from groundshift.models.neighbours import Steps, read_beside, steps_of
from groundshift.models.stepping import CHUNK
from groundshift.models.store import Detector
from groundshift.models.walk import Image, Images, Spans


class PlaceScores(NamedTuple):
    """Scores of windows at one place.

    Attributes:
        mean: of the ensemble, [window, y, x].
        spread: standard deviation over its members, [window, y, x]; None of a single network.
    """

    mean: NDArray[np.float32]
    spread: NDArray[np.float32] | None

    def part(self, rows: slice, columns: slice) -> "PlaceScores":
        """The scores of some of its rows and columns."""
        place = (slice(None), rows, columns)
        return PlaceScores(self.mean[place], None if self.spread is None else self.spread[place])


def map_cell(
    detector: Detector,
    cell: CellCube,
    windows: pd.DataFrame,
    *,
    block: int = 256,
    halo: int | None = None,
    memory: int | None = None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Score windows of a cell: the mean of the ensemble.

    Args:
        detector: the model.
        cell: the cell.
        windows: columns id, first, stop (half-open range of steps), and where the model sees
            neighbours their steps.
        block: edge of a block without its halo, in pixels.
        halo: pixels of context around a block; None is the model's influence radius.
        memory: bytes that scoring may take, roughly; it does not change the scores. None is
            some hundred megabytes.

    Yields:
        Window id and scores [y, x] of the cell's core, in the order of `windows`.

    Raises:
        ContractError: the cell's numbers are not what the model takes, or a window without the
            neighbours that it sees.
        SettingsError: the cell's own halo is narrower than the model needs.
    """
    for window, scores in map_members(
        detector, cell, windows, block=block, halo=halo, memory=memory
    ):
        yield window, scores.mean(axis=0)


def map_members(
    detector: Detector,
    cell: CellCube,
    windows: pd.DataFrame,
    *,
    block: int = 256,
    halo: int | None = None,
    memory: int | None = None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """As `map_cell`, with the scores of every member, [member, y, x]: their spread is a warning."""
    detector.require(cell.signature, owner=f"the model for cell {cell.cell.id}")
    halo = detector.radius if halo is None else halo
    _require_context(cell, halo)
    memory = budget_of(detector, memory)
    blocks = list(blocks_of(cell, block, halo))
    ids = windows["id"].to_numpy(np.int64)
    ranges = steps_of(windows, detector.inputs)
    for group in groups(detector, ranges, blocks[0].pixels, cell.cell.core.shape, memory):
        chosen = ranges[group]
        scores = np.empty((len(detector.members), len(chosen), *cell.cell.core.shape), np.float32)
        for part in blocks:
            found = _score_block(detector, cell, part, chosen, memory)
            scores[:, :, *part.target] = found[:, :, *part.core]
        for number, window in enumerate(ids[group]):
            yield int(window), scores[:, number]


def score_place(
    detector: Detector,
    cell: CellCube,
    windows: pd.DataFrame,
    rows: slice,
    columns: slice,
    *,
    memory: int | None = None,
) -> PlaceScores:
    """Score windows at one place of a cell, as `map_members` does there.

    Args:
        detector: the model.
        cell: the cell.
        windows: columns first, stop (half-open range of steps).
        rows: of the cell's grid.
        columns: likewise.
        memory: bytes that scoring may take, roughly; it does not change the scores. None is
            some hundred megabytes.

    Raises:
        ContractError: the cell's numbers are not what the model takes.
        SettingsError: the cell's own halo is narrower than the model needs.
    """
    detector.require(cell.signature, owner=f"the model for cell {cell.cell.id}")
    _require_context(cell, detector.radius)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    (read_rows, kept_rows), (read_columns, kept_columns) = (
        around(place, total, edge + 2 * detector.radius, detector.radius)
        for place, edge, total in zip((rows, columns), size, cell.shape, strict=True)
    )
    target = (slice(0, size[0]), slice(0, size[1]))
    part = Block(read_rows, read_columns, (kept_rows, kept_columns), target)
    ranges = steps_of(windows, detector.inputs)
    mean = np.empty((len(ranges), *size), np.float32)
    spread = np.empty_like(mean) if len(detector.members) > 1 else None
    memory = budget_of(detector, memory)
    for group in groups(detector, ranges, part.pixels, size, memory):
        members = _score_block(detector, cell, part, ranges[group], memory)[:, :, *part.core]
        mean[group] = members.mean(axis=0)
        if spread is not None:
            spread[group] = members.std(axis=0)
    return PlaceScores(mean, spread)


def score_window(
    detector: Detector,
    cell: CellCube,
    steps: Sequence[int],
    rows: slice,
    columns: slice,
    *,
    block: int = 256,
    memory: int | None = None,
) -> NDArray[np.float32]:
    """Score one window at a part of a cell's core, to the last bit what `map_cell` gives there.

    Args:
        detector: the model.
        cell: the cell.
        steps: of the window, as `steps_of` gives them.
        rows: of the cell's core.
        columns: likewise.
        block: edge of a block without its halo, as `map_cell` takes it; whole blocks are scored.
        memory: bytes that scoring may take, roughly; it does not change the scores. None is
            some hundred megabytes.

    Returns:
        Scores [y, x]: the mean of the ensemble.

    Raises:
        ContractError: the cell's numbers are not what the model takes.
        SettingsError: the cell's own halo is narrower than the model needs.
    """
    detector.require(cell.signature, owner=f"the model for cell {cell.cell.id}")
    _require_context(cell, detector.radius)
    scores = np.empty(cell.cell.core.shape, np.float32)
    memory = budget_of(detector, memory)
    for part in blocks_of(cell, block, detector.radius):
        spans = zip(part.target, (rows, columns), strict=True)
        if all(mine.start < asked.stop and asked.start < mine.stop for mine, asked in spans):
            found = _score_block(detector, cell, part, np.array([steps]), memory)
            scores[part.target] = found[:, 0, *part.core].mean(axis=0)
    return scores[rows, columns]


def shown_digests(detector: Detector, cell: CellCube, windows: pd.DataFrame) -> list[str]:
    """What a model sees of each window, as a digest: windows that show the same score the same.

    Args:
        detector: the model.
        cell: the cell.
        windows: as `map_cell` takes them.
    """
    indices = [read_index(cell.group, cell.roles[role]) for role in detector.inputs.roles]
    steps = [
        b"".join([time.tobytes(), *(_shown(index, step) for index in indices)])
        for step, time in enumerate(cell.times)
    ]
    return [
        hashlib.sha256(b"".join(steps[min(own[::2]) : max(own[1::2])])).hexdigest()[:32]
        for own in steps_of(windows, detector.inputs)
    ]


def _shown(index: SensorIndex, step: int) -> bytes:
    """Content and time of the frame that a step shows of a sensor."""
    slot = index.slot_of_step[step]
    if slot == NO_SLOT:
        return b"nothing"
    return bytes(index.slot_times[slot].tobytes() + index.digests[slot].tobytes())


def _require_context(cell: CellCube, halo: int) -> None:
    if cell.cell.own_size or cell.cell.halo >= halo:
        return
    raise SettingsError(
        f"area.halo: cell {cell.cell.id} has {cell.cell.halo} pixels of context, but the model is "
        f"influenced from {halo} pixels away. Set area.halo={halo} and rerun from fetch"
    )


def _score_block(
    detector: Detector, cell: CellCube, block: Block, ranges: NDArray[np.int64], memory: int
) -> NDArray[np.float32]:
    """Every member's scores of some windows in one block, halo included: [member, window, y, x]."""
    first, stop = int(ranges[:, 0].min()), int(ranges[:, 1].max())
    if detector.inputs.scope == "window":
        return _score_apart(detector, cell, block, ranges, memory)
    return np.stack(
        [
            stepper.score(_spans_of(detector, cell, block, first, stop), ranges)
            for stepper in detector.steppers
        ]
    )


def _spans_of(detector: Detector, cell: CellCube, block: Block, first: int, stop: int) -> Spans:
    """What each branch sees of a block, read from the cube some steps at a time."""
    for begin in range(first, stop, SPAN):
        yield _images(detector, cell, block, begin, min(begin + SPAN, stop))


def _images(
    detector: Detector, cell: CellCube, block: Block, first: int, stop: int
) -> list[Images]:
    """What each branch sees of a block, frames that several steps show only once."""
    inputs = detector.inputs
    images = []
    for kind in KINDS:
        roles = inputs.roles_of(kind)
        if not roles:
            continue
        place = (first, stop, block.rows, block.columns)
        if inputs.scope == "frame":
            parts = {role: cell.frames(cell.roles[role], *place) for role in roles}
        else:
            every = np.arange(stop - first)
            parts = {role: (cell.read(cell.roles[role], *place), every) for role in roles}
        shown = np.stack([frame_of_step for _, frame_of_step in parts.values()])
        unique, image_of_step = np.unique(shown, axis=1, return_inverse=True)
        frames = {
            role: (found, chosen)
            for (role, (found, _)), chosen in zip(parts.items(), unique, strict=True)
        }
        images.append(Images(partial(_image, inputs, kind, frames), image_of_step.ravel()))
    return images


def _image(
    inputs: Inputs, kind: Kind, frames: dict[str, tuple[Frames, NDArray[np.int64]]], number: int
) -> Image:
    """One image of a branch; of each role the frames, and which one an image shows."""
    streams = {
        role: _stream(found, chosen[number : number + 1])
        for role, (found, chosen) in frames.items()
    }
    image: Image = inputs.branch(kind, streams, np.ones((1, 1), bool))[0, 0]
    return image


def _stream(
    frames: Frames, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    return frames.values[chosen][np.newaxis], frames.age_days[chosen][np.newaxis]


def _score_apart(
    detector: Detector, cell: CellCube, block: Block, ranges: NDArray[np.int64], memory: int
) -> NDArray[np.float32]:
    """As `_score_block`, where a window's channels depend on the whole window or its neighbours."""
    first, stop = int(ranges[:, 0].min()), int(ranges[:, 1].max())
    view = {
        role: cell.read(cell.roles[role], first, stop, block.rows, block.columns)
        for role in detector.inputs.roles
    }
    longest = int((ranges[:, 1] - ranges[:, 0]).max())
    # What the others of the group hold meanwhile is not there for windows side by side.
    spare = min(memory, MEMORY)
    size = apart_bytes(detector, ranges, block.pixels)
    together = max(1, min(len(ranges), spare // size, 4 * CHUNK))
    scores = []
    for begin in range(0, len(ranges), together):
        part = ranges[begin : begin + together]
        made = [_window_channels(detector, cell, block, view, steps, first) for steps in part]
        values = [_padded(values, longest) for values, _ in made]
        lengths = part[:, 1] - part[:, 0]
        stacked = np.stack(_filled(values, together))
        contexts = np.stack(_filled([context for _, context in made], together))
        lengths = np.pad(lengths, (0, together - len(part)), mode="edge")
        scores.append(
            [
                stepper.score_apart(stacked, lengths, contexts)[: len(part)]
                for stepper in detector.steppers
            ]
        )
    return np.concatenate(scores, axis=1)


def _window_channels(
    detector: Detector,
    cell: CellCube,
    block: Block,
    view: dict[str, Frames],
    steps: Steps,
    first: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """All channels of one window, [t, y, x, channel] and [y, x, channel] of its context.

    Args:
        detector: the model.
        cell: the cell.
        block: the place.
        view: its images, from the step `first` on.
        steps: of the window and its neighbours.
        first: step.
    """
    inputs = detector.inputs
    chosen = np.arange(steps[0], steps[1]) - first
    streams: Streams = {role: _stream(frames, chosen) for role, frames in view.items()}
    if inputs.neighbours:
        around = read_beside(cell, inputs.roles, steps, block.rows, block.columns)
        streams = {**streams, **around}
    real = np.ones((1, len(chosen)), bool)
    return inputs.values(streams, real)[0], inputs.context(streams, real)[0]


def _padded(values: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    return np.pad(values, ((0, longest - len(values)), (0, 0), (0, 0), (0, 0)))


def _filled(values: Sequence[NDArray[np.float32]], count: int) -> list[NDArray[np.float32]]:
    """Windows and repetitions of the last: one number of windows is compiled for once."""
    return [*values, *[values[-1]] * (count - len(values))]
