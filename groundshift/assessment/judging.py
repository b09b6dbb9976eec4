"""Judging one detector: its scores pooled, per block, by kind of ground, with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.assessment.bootstrap import (
    Interval,
    block_draws,
    draw_average_precision,
    draw_rates,
    draw_roc_auc,
    interval,
    ranked_counts,
)
from groundshift.assessment.protocol import Panel, positive
from groundshift.assessment.regions import RegionCounts, region_counts
from groundshift.assessment.scores import (
    NO_PIXEL,
    NO_THRESHOLD,
    Confusion,
    Labels,
    Score,
    Values,
    average_precision,
    best_threshold,
    decision,
    pr_curve,
    roc_auc,
    roc_curve,
    scored,
)

Scores = Sequence[NDArray[np.float32]]
"""Per panel [window, y, x]."""


@dataclass(frozen=True)
class Pooled:
    """Labels and scores of all pixels with a label, flat, by block.

    Attributes:
        blocks: number of each block, sorted.
        labels: per block [pixel], share of the change.
        scores: per block [pixel].
    """

    blocks: tuple[int, ...]
    labels: tuple[Values, ...]
    scores: tuple[Values, ...]

    @classmethod
    def of(cls, panels: Sequence[Panel], scores: Scores) -> "Pooled":
        """Pool panels; the parts of a block that lie in several cells come together."""
        numbers = sorted({panel.block.number for panel in panels})
        labels: dict[int, list[Values]] = {number: [] for number in numbers}
        found: dict[int, list[Values]] = {number: [] for number in numbers}
        for panel, values in zip(panels, scores, strict=True):
            mine, theirs = scored(panel.labels, values)
            labels[panel.block.number].append(mine)
            found[panel.block.number].append(theirs)
        return cls(
            tuple(numbers),
            tuple(np.concatenate(labels[n]) for n in numbers),
            tuple(np.concatenate(found[n]) for n in numbers),
        )

    @property
    def positives(self) -> tuple[Labels, ...]:
        """Per block [pixel], whether it counts as change."""
        return tuple(positive(labels) for labels in self.labels)

    @property
    def all_labels(self) -> Values:
        """Labels of all blocks, one after another."""
        return np.concatenate(self.labels) if self.labels else np.empty(0, np.float32)

    @property
    def all_scores(self) -> Values:
        """Scores of all blocks, one after another."""
        return np.concatenate(self.scores) if self.scores else np.empty(0, np.float32)


@dataclass(frozen=True)
class Judged:
    """What is said about one detector.

    Attributes:
        name: of the detector.
        threshold: from which score on a pixel counts as detected.
        scores: by name, pooled.
        intervals: by name of the score.
        blocks: a row per block with its own scores.
        kinds: a row per kind of ground with its mean score and share detected.
        pr_curve: as `scores.pr_curve`.
        roc_curve: as `scores.roc_curve`.
        draws: PR-AUC of each bootstrap draw, the same draws for every detector.
        confusion: pixels at the threshold; None without one.
    """

    name: str
    threshold: Score
    scores: dict[str, Score]
    intervals: dict[str, Interval]
    blocks: pd.DataFrame
    kinds: pd.DataFrame
    pr_curve: pd.DataFrame
    roc_curve: pd.DataFrame
    draws: NDArray[np.float64]
    confusion: Confusion | None


def choose_threshold(panels: Sequence[Panel], scores: Scores) -> Score:
    """The threshold of the best F1 on the validation blocks."""
    pooled = Pooled.of(panels, scores)
    return best_threshold(positive(pooled.all_labels), pooled.all_scores)


def judge(
    name: str,
    panels: Sequence[Panel],
    scores: Scores,
    threshold: Score,
    *,
    draws: int,
    seed: int,
) -> Judged:
    """Judge a detector on the test blocks.

    Args:
        name: of the detector.
        panels: the test blocks.
        scores: of the detector, per panel.
        threshold: chosen elsewhere.
        draws: of the bootstrap over blocks.
        seed: of the bootstrap; the same seed gives every detector the same draws.
    """
    pooled = Pooled.of(panels, scores)
    labels, found = positive(pooled.all_labels), pooled.all_scores
    at = threshold.value
    areas, intervals = _intervals(pooled, at, draws, seed)
    return Judged(
        name,
        threshold,
        _scores(labels, found, at),
        intervals,
        _by_block(name, pooled, at),
        _by_kind(name, panels, scores, at),
        pr_curve(labels, found),
        roc_curve(labels, found),
        areas,
        None if at is None else Confusion.count(labels, found >= at),
    )


def margin(first: Judged, second: Judged) -> Interval:
    """Interval of the difference in PR-AUC between two detectors on the same draws of blocks."""
    return interval(first.draws - second.draws, len(first.blocks))


def region_scores(
    panels: Sequence[Panel], scores: Scores, threshold: Score, tolerance: int
) -> dict[str, Score]:
    """Boundary F1 and mIoU of the maps at a threshold, counts pooled over blocks and windows."""
    names = ("boundary_f1", "miou")
    if threshold.value is None:
        return dict.fromkeys(names, Score(None, NO_THRESHOLD))
    total: RegionCounts | None = None
    for panel, values in zip(panels, scores, strict=True):
        counts = region_counts(
            positive(panel.labels).astype(np.int8),
            (values >= threshold.value).astype(np.int8),
            classes=(0, 1),
            tolerance=tolerance,
            scored=~np.isnan(panel.labels),
        )
        total = counts if total is None else total + counts
    if total is None:
        return dict.fromkeys(names, Score(None, NO_PIXEL))
    return {"boundary_f1": total.boundary_f1(), "miou": total.mean_iou()}


def _scores(labels: Labels, found: Values, threshold: float | None) -> dict[str, Score]:
    return {
        "prevalence": Score(float(labels.mean())) if labels.size else Score(None, NO_PIXEL),
        "pr_auc": average_precision(labels, found),
        "roc_auc": roc_auc(labels, found),
        **decision(labels, found, threshold),
    }


def _intervals(
    pooled: Pooled, threshold: float | None, draws: int, seed: int
) -> tuple[NDArray[np.float64], dict[str, Interval]]:
    """PR-AUC of each draw [draw], and intervals by name of the score."""
    blocks = len(pooled.blocks)
    if not blocks:
        return np.empty(0), {}
    picks = block_draws(blocks, draws, seed)
    counts = ranked_counts(pooled.positives, pooled.scores)
    areas = draw_average_precision(counts, picks)
    values = {"pr_auc": areas, "roc_auc": draw_roc_auc(counts, picks)}
    if threshold is not None:
        confusion = [
            Confusion.count(labels, found >= threshold).counts
            for labels, found in zip(pooled.positives, pooled.scores, strict=True)
        ]
        values |= draw_rates(np.array(confusion), picks)
    return areas, {name: interval(drawn, blocks) for name, drawn in values.items()}


def _by_block(name: str, pooled: Pooled, threshold: float | None) -> pd.DataFrame:
    rows = []
    for number, labels, found in zip(pooled.blocks, pooled.positives, pooled.scores, strict=True):
        scores = _scores(labels, found, threshold)
        rows.append(
            {
                "detector": name,
                "block": number,
                "pixels": labels.size,
                "positives": int(labels.sum()),
                **{key: score.value for key, score in scores.items()},
            }
        )
    return pd.DataFrame(rows)


def _by_kind(
    name: str, panels: Sequence[Panel], scores: Scores, threshold: float | None
) -> pd.DataFrame:
    """Mean score and share detected on changed, decoy and unchanged ground (pixels x windows)."""
    values: dict[str, list[Values]] = {"change": [], "decoy": [], "unchanged": []}
    for panel, found in zip(panels, scores, strict=True):
        known = ~np.isnan(panel.labels)
        values["change"].append(found[positive(panel.labels)])
        values["decoy"].append(found[known & positive(panel.decoys)])
        values["unchanged"].append(found[(panel.labels == 0) & (panel.decoys == 0)])
    rows = []
    for kind, parts in values.items():
        flat = np.concatenate(parts) if parts else np.empty(0, np.float32)
        detected = None
        if flat.size and threshold is not None:
            detected = float((flat >= threshold).mean())
        rows.append(
            {
                "detector": name,
                "kind": kind,
                "pixels": flat.size,
                "mean_score": float(flat.mean(dtype=np.float64)) if flat.size else None,
                "share_detected": detected,
            }
        )
    return pd.DataFrame(rows)
