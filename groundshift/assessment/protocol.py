"""The protocol: which pixels, windows and labels every detector is scored on.

- Pixels: those of the patches of a split. The border strips between splits are not scored, and
  nothing is scored where a model was trained.
- Windows: all complete windows that the split may use, or every n-th; overlapping windows all
  count, because each is a map that is published.
- Labels: known truth where there is some; the synthetic label otherwise, and beside it. A pixel is
  positive in a window if at least half of the change happened within the window. Pixels without
  a label are not scored; every other pixel weighs the same.
- The threshold of each detector is the one of the best F1 on the validation blocks.
- Scores are pooled over the test blocks' windows and pixels; intervals are drawn over blocks.

Three levels never share a table: agreement with synthetic labels says how well a formula was
learnt, controlled truth (planted changes) how well known changes are found, and an independent
reference how well real ones are.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.assessment.strips import Spans
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.samples.labels.truth import POSITIVE, DatedPolygons
from groundshift.samples.splits import Split
from groundshift.samples.store import LabelKind, Samples

Level = Literal["controlled_truth", "reference", "synthetic_agreement"]

LEVEL_MEANING: dict[Level, str] = {
    "controlled_truth": "changes known by construction: planted into images, or a made-up city's",
    "reference": "changes known independently of the images",
    "synthetic_agreement": "agreement with labels computed from the images; no measure of truth",
}


@dataclass(frozen=True)
class Block:
    """A split's piece of ground: the smallest unit of intervals.

    Attributes:
        cell: where it lies.
        number: of the block, unique within the area.
        rows: of the cell's grid, around the block's patches.
        columns: likewise.
        inside: [y, x], which pixels belong to one of its patches.
    """

    cell: Cell
    number: int
    rows: slice
    columns: slice
    inside: NDArray[np.bool_]

    @property
    def name(self) -> str:
        """Cell and number."""
        return f"{self.cell.id}/{self.number}"

    @property
    def grid(self) -> GeoBox:
        """The block's pixels."""
        return self.cell.grid[self.rows, self.columns]


@dataclass(frozen=True)
class Panel:
    """One block with its windows and labels.

    Attributes:
        block: the ground.
        windows: rows of the index of windows.
        labels: [window, y, x] share of the change within the window, NaN where not scored.
        decoys: [window, y, x] share of a change that is not urban within the window, 0 where none
            is known.
    """

    block: Block
    windows: pd.DataFrame
    labels: NDArray[np.float32]
    decoys: NDArray[np.float32]

    @property
    def spans(self) -> Spans:
        """The windows' steps."""
        return Spans.of(self.windows)

    @property
    def starts(self) -> NDArray[np.int64]:
        """First instants of the windows in seconds since 1970: [window]."""
        return seconds(self.windows["start"])

    @property
    def ends(self) -> NDArray[np.int64]:
        """First instants after the windows: [window]."""
        return seconds(self.windows["end"])


def blocks_of(samples: Samples, cube: Cube, split: Split) -> list[Block]:
    """The blocks of a split, by number and cell: in the same order however an area is cut."""
    mine = samples.splits[samples.splits["split"] == split]
    blocks = []
    for (number, cell), patches in mine.groupby(["block", "cell"], sort=True):
        y0, x0 = int(patches["y0"].min()), int(patches["x0"].min())
        y1, x1 = int(patches["y1"].max()), int(patches["x1"].max())
        inside = np.zeros((y1 - y0, x1 - x0), bool)
        for top, left, bottom, right in patches[["y0", "x0", "y1", "x1"]].to_numpy():
            inside[top - y0 : bottom - y0, left - x0 : right - x0] = True
        blocks.append(
            Block(cube.cells[cell].cell, int(number), slice(y0, y1), slice(x0, x1), inside)
        )
    return blocks


def panels(
    samples: Samples, cube: Cube, split: Split, which: LabelKind, *, stride: int = 1
) -> list[Panel]:
    """Blocks of a split with all that they are scored against.

    Args:
        samples: windows, splits, labels.
        cube: the cells.
        split: which blocks.
        which: kind of labels.
        stride: take every n-th window.
    """
    result = []
    for block in blocks_of(samples, cube, split):
        windows = samples.windows_of(split, block.cell.id).iloc[::stride]
        series = samples.label_series(block.cell.id, which, block.rows, block.columns)
        chosen = np.searchsorted(samples.labelled(block.cell.id), windows["id"].to_numpy())
        labels = np.where(block.inside, series[chosen], np.float32(np.nan))
        decoys = _decoys(samples, block, windows)
        result.append(Panel(block, windows, labels, np.where(block.inside, decoys, 0)))
    return result


def positive(labels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which labels count as change; those that are not known don't."""
    found: NDArray[np.bool_] = labels >= POSITIVE
    return found


def seconds(instants: pd.Series) -> NDArray[np.int64]:
    """Instants of a table as seconds since 1970."""
    return np.asarray(instants.to_numpy("datetime64[s]").astype(np.int64))


def _decoys(samples: Samples, block: Block, windows: pd.DataFrame) -> NDArray[np.float32]:
    """Share of changes that are not urban within each window, [window, y, x]."""
    shape = (len(windows), *block.inside.shape)
    if samples.truth is None or not len(windows):
        return np.zeros(shape, np.float32)
    truth = DatedPolygons(samples.truth).on(block.grid)
    spans = zip(seconds(windows["start"]), seconds(windows["end"]), strict=True)
    return np.stack([truth.other(int(start), int(end)) for start, end in spans])
