"""Scores of baselines on the blocks of a split, strip by strip in bounded memory."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from groundshift.assessment.baselines import Predictor
from groundshift.assessment.boosting import TRAINING_ROWS, BoostedTrees, Table, features
from groundshift.assessment.protocol import Block, Panel, positive
from groundshift.assessment.strips import Strip
from groundshift.cube.store import CellCube, Cube
from groundshift.errors import ContractError

_STRIP_VALUES = 1 << 22
"""Most numbers of a strip (16 MiB; its running sums take six times as much)."""
KEPT_VALUES = 1 << 24
"""Most numbers of the strips that are kept for the next baseline."""
BYTES_PER_VALUE = 28
"""Of a strip with its running sums."""
LEAST_BYTES = 2 * _STRIP_VALUES * BYTES_PER_VALUE
"""What scoring baselines takes where no strip is kept: one strip, and what is made of it."""
_FEWEST_WINDOWS = 8
"""The trees learn from at least so many windows, so that they see all seasons."""


class StripReader:
    """Reads strips, and keeps those of a small area so that every baseline shares their sums."""

    def __init__(self, cube: Cube, kept: int = KEPT_VALUES) -> None:
        """Keep strips of up to so many numbers."""
        self._cube, self._most = cube, kept
        self._kept: dict[tuple[str, int, int, int], Strip] = {}
        self._values = 0

    def strips(self, block: Block) -> Iterator[tuple[slice, Strip]]:
        """The strips of a block, with their rows counted from its first."""
        cube = self._cube.cells[block.cell.id]
        height, width = block.inside.shape
        values = len(cube.times) * _bands(cube) * width
        rows = max(1, _STRIP_VALUES // max(values, 1))
        for top in range(0, height, rows):
            part = slice(top, min(top + rows, height))
            yield part, self._strip(cube, block, part, values * (part.stop - part.start))

    def _strip(self, cube: CellCube, block: Block, part: slice, values: int) -> Strip:
        rows = slice(block.rows.start + part.start, block.rows.start + part.stop)
        key = (block.cell.id, rows.start, rows.stop, block.columns.start)
        if key in self._kept:
            return self._kept[key]
        strip = Strip.of(cube, rows, block.columns)
        if self._values + values <= self._most:
            self._kept[key] = strip
            self._values += values
        return strip


def score_panels(
    predictor: Predictor, panels: Sequence[Panel], reader: StripReader
) -> list[NDArray[np.float32]]:
    """Scores of a baseline, per panel [window, y, x]."""
    result = []
    for panel in panels:
        strips = [predictor(strip, panel.spans) for _, strip in reader.strips(panel.block)]
        result.append(np.concatenate(strips, axis=1))
    return result


def fit_trees(
    panels: Sequence[Panel], reader: StripReader, seed: int, *, neighbours: bool = False
) -> BoostedTrees | str:
    """Boosted trees learnt on training blocks, or the reason why they can't be.

    Args:
        panels: the training blocks.
        reader: of their strips.
        seed: of the choice of rows and of the trees.
        neighbours: whether they see the windows before and after.
    """
    generator = np.random.default_rng(seed)
    rows: list[Table] = []
    labels: list[NDArray[np.bool_]] = []
    total = sum(int((~np.isnan(panel.labels)).sum()) for panel in panels)
    for panel in panels:
        every = _window_stride(total, len(panel.windows))
        thinned = replace(
            panel,
            windows=panel.windows.iloc[::every],
            labels=panel.labels[::every],
            decoys=panel.decoys[::every],
        )
        keep = min(1.0, TRAINING_ROWS * every / max(total, 1))
        for table, label in _learnt_from(thinned, reader, keep, generator, neighbours):
            rows.append(table)
            labels.append(label)
    count = sum(len(label) for label in labels)
    hits = sum(int(label.sum()) for label in labels)
    if not 0 < hits < count:
        return f"{hits} of {count} training pixels are positive: nothing to tell apart"
    return BoostedTrees.fit(rows, labels, seed, neighbours=neighbours)


def without(panels: Sequence[Panel], scores: Sequence[NDArray[np.float32]]) -> list[Panel]:
    """Panels without the labels of pixels that a detector doesn't score.

    Raises:
        ContractError: scores of other panels.
    """
    if [panel.labels.shape for panel in panels] != [values.shape for values in scores]:
        raise ContractError("scores and panels differ in shape. Map the windows that are scored")
    return [
        replace(panel, labels=np.where(np.isnan(values), np.float32(np.nan), panel.labels))
        for panel, values in zip(panels, scores, strict=True)
    ]


def _learnt_from(
    panel: Panel,
    reader: StripReader,
    keep: float,
    generator: np.random.Generator,
    neighbours: bool,
) -> Iterator[tuple[Table, NDArray[np.bool_]]]:
    """Features and labels of some of a panel's rows, by strip and window."""
    for part, strip in reader.strips(panel.block):
        labels = panel.labels[:, part].reshape(len(panel.windows), -1)
        tables = features(strip, panel.spans, neighbours=neighbours)
        for table, mine in zip(tables, labels, strict=True):
            chosen = ~np.isnan(mine)
            if keep < 1:
                chosen &= generator.random(len(mine)) < keep
            yield table[chosen], positive(mine[chosen])


def _window_stride(rows: int, windows: int) -> int:
    """Every how many windows the trees learn from: neighbours differ by a step only."""
    wanted = math.ceil(rows / TRAINING_ROWS)
    return max(1, min(wanted, windows // _FEWEST_WINDOWS))


def _bands(cube: CellCube) -> int:
    return sum(len(cube.sensors[name].bands) for name in cube.roles.values())
