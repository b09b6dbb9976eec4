"""How good a map of classes is: accuracy, F1, IoU, the confusion matrix, and intervals over blocks.

Of a confusion matrix C [true, mapped], with T = its diagonal:

    accuracy    sum(T) / sum(C)
    precision   T / column sums;    recall   T / row sums
    F1          2 T / (row sums + column sums)
    IoU         T / (row sums + column sums - T)

mIoU and macro F1 are means over the classes that occur in the truth, whatever their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from groundshift.assessment.bootstrap import Interval, block_draws, interval

Matrix = NDArray[np.int64]
"""Samples by true and mapped class: [true, mapped]."""

SCORES = ("accuracy", "macro_f1", "miou")


@dataclass(frozen=True)
class Classified:
    """A classifier's answers on the test samples.

    Attributes:
        name: of the classifier.
        classes: names, in order.
        matrices: confusion matrix of every block: [block, true, mapped].
    """

    name: str
    classes: tuple[str, ...]
    matrices: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        name: str,
        classes: Sequence[str],
        truth: NDArray[np.uint8],
        mapped: NDArray[np.uint8],
        block: NDArray[np.int64],
    ) -> "Classified":
        """Count answers.

        Args:
            name: of the classifier.
            classes: names, in order.
            truth: [sample] class, from 1.
            mapped: likewise.
            block: number of each sample's block.
        """
        numbers, place = np.unique(block, return_inverse=True)
        matrices = np.zeros((len(numbers), len(classes), len(classes)), np.int64)
        np.add.at(matrices, (place, truth.astype(int) - 1, mapped.astype(int) - 1), 1)
        return cls(name, tuple(classes), matrices)

    @cached_property
    def confusion(self) -> Matrix:
        """Over all blocks."""
        return np.asarray(self.matrices.sum(axis=0))

    @cached_property
    def scores(self) -> dict[str, float | None]:
        """`SCORES`; None where there is no sample."""
        values = summarise(self.confusion[None])
        return {name: _rounded(values[name][0]) for name in SCORES}

    def table(self) -> pd.DataFrame:
        """A row per class: samples, precision, recall, F1, IoU; NaN where not defined."""
        hits = np.diag(self.confusion)
        true, mapped = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return pd.DataFrame(
            {
                "class": self.classes,
                "samples": true,
                "precision": _share(hits, mapped),
                "recall": _share(hits, true),
                "f1": _share(2 * hits, true + mapped),
                "iou": _share(hits, true + mapped - hits),
            }
        )

    def drawn(self, draws: int, seed: int) -> dict[str, NDArray[np.float64]]:
        """`SCORES` of draws of blocks with replacement: [draw].

        The same number of blocks and seed give the same draws, so that two classifiers of the
        same blocks can be compared draw by draw.
        """
        counts = block_draws(len(self.matrices), draws, seed)
        return summarise(np.einsum("db,btm->dtm", counts, self.matrices))

    def intervals(self, draws: int, seed: int) -> dict[str, Interval]:
        """The middle 95 % of draws, by score."""
        values = self.drawn(draws, seed)
        return {name: interval(values[name], len(self.matrices)) for name in SCORES}


def summarise(matrices: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """`SCORES` of confusion matrices [n, true, mapped]: [n], NaN without a sample."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    true, mapped = matrices.sum(axis=2), matrices.sum(axis=1)
    occurs = np.where(true > 0, 1.0, np.nan)
    f1 = _share(2 * hits, true + mapped) * occurs
    iou = _share(hits, true + mapped - hits) * occurs
    return {
        "accuracy": _share(hits.sum(axis=1), true.sum(axis=1)),
        "macro_f1": _mean(f1),
        "miou": _mean(iou),
    }


def draw_confusion(path: Path, judged: Classified, title: str) -> None:
    """Draw a confusion matrix: samples, coloured by their share of the true class."""
    size = 2.6 + 0.8 * len(judged.classes)
    figure = Figure(figsize=(size + 0.8, size), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = np.nan_to_num(_share(judged.confusion, judged.confusion.sum(axis=1, keepdims=True)))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), samples in np.ndenumerate(judged.confusion):
        share = shares[row, column]
        text = f"{samples:,}\n{share:.0%}".replace(",", " ")
        colour = "white" if share > 0.6 else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    ticks = range(len(judged.classes))
    axes.set_xticks(ticks, judged.classes, rotation=30, ha="right")
    axes.set_yticks(ticks, judged.classes)
    axes.set(xlabel="mapped", ylabel="reference")
    axes.set_title(title, fontsize=10)
    # Without the writer's version, so that a new matplotlib alone changes no bytes.
    figure.savefig(path, metadata={"Software": None})


def _share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Quotients; NaN where the denominator is 0."""
    known = whole > 0
    return np.where(known, part / np.where(known, whole, 1), np.nan)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    return _share(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
