"""Scores of a ranking, of a yes-no decision and of a regression, each on flat arrays of pixels.

Every pixel weighs the same. A score that is not defined (no positive pixel, nothing above the
threshold) is null with the reason, never NaN and never zero.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    mean_squared_error,
    mean_squared_log_error,
    precision_recall_curve,
    roc_auc_score,
)
from sklearn.metrics import roc_curve as sklearn_roc_curve

from groundshift.errors import ContractError

Labels = NDArray[np.bool_]
Values = NDArray[np.float32]
Counts = NDArray[np.float64]

NO_POSITIVE = "no positive pixel among those scored"
NO_NEGATIVE = "no negative pixel among those scored"
NO_PIXEL = "no pixel with a label"
NONE_ABOVE = "no pixel scored at or above the threshold"
NO_THRESHOLD = "no threshold could be chosen on the validation blocks"


@dataclass(frozen=True)
class Score:
    """A number, or none and the reason why there is none."""

    value: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse what a reader could mistake for a result."""
        if self.value is None and not self.reason:
            raise ValueError("a score without a value needs a reason")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a score must be finite, found {self.value}; give None and a reason")


def average_precision(labels: Labels, scores: Values) -> Score:
    """PR-AUC as average precision: the mean precision over the positives, ties taken together.

    Args:
        labels: [pixel], true where the change happened.
        scores: [pixel], higher is more likely.
    """
    if not labels.any():
        return Score(None, NO_POSITIVE)
    return Score(float(average_precision_score(labels, scores)))


def roc_auc(labels: Labels, scores: Values) -> Score:
    """Probability that a positive pixel scores above a negative one, ties counting one half."""
    if not labels.any():
        return Score(None, NO_POSITIVE)
    if labels.all():
        return Score(None, NO_NEGATIVE)
    return Score(float(roc_auc_score(labels, scores)))


def best_threshold(labels: Labels, scores: Values) -> Score:
    """The threshold of the best F1, the highest of equals; a pixel at it counts as changed."""
    if not labels.any():
        return Score(None, NO_POSITIVE)
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)[:-1]
    # Equal fractions may differ in their last digit.
    f1 = f1.round(12)
    best = np.flatnonzero(f1 == f1.max())[-1]
    return Score(float(thresholds[best]))


@dataclass(frozen=True)
class Confusion:
    """Pixels by what they are and what they were taken for."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def count(cls, labels: Labels, detected: Labels) -> "Confusion":
        """Count flat arrays [pixel]."""
        hits = int(np.count_nonzero(labels & detected))
        return cls(
            true_positive=hits,
            false_positive=int(np.count_nonzero(detected)) - hits,
            false_negative=int(np.count_nonzero(labels)) - hits,
            true_negative=int(np.count_nonzero(~labels & ~detected)),
        )

    @property
    def counts(self) -> Counts:
        """True and false positives, false and true negatives: [4]."""
        return np.array(
            [self.true_positive, self.false_positive, self.false_negative, self.true_negative],
            np.float64,
        )

    def scores(self) -> dict[str, Score]:
        """Precision, recall, F1, kappa and balanced accuracy."""
        values = rates(self.counts)
        return {name: self._score(name, float(value)) for name, value in values.items()}

    def _score(self, name: str, value: float) -> Score:
        if self.true_positive + self.false_negative == 0:
            return Score(None, NO_POSITIVE)
        if math.isfinite(value):
            return Score(value)
        return Score(None, NONE_ABOVE if name == "precision" else NO_NEGATIVE)


def rates(counts: Counts) -> dict[str, NDArray[np.float64]]:
    """Precision, recall, F1, kappa (Cohen 1960) and balanced accuracy of counts.

    Args:
        counts: [..., 4], true positives, false positives, false negatives, true negatives.

    Returns:
        [...] by name, NaN where not defined. Without a positive nothing is.
    """
    hits, false, missed, rest = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    positive, negative, detected = hits + missed, false + rest, hits + false
    total = positive + negative
    with np.errstate(divide="ignore", invalid="ignore"):
        agreement = (hits + rest) / total
        chance = (positive * detected + negative * (total - detected)) / total**2
        values = {
            "precision": hits / detected,
            "recall": hits / positive,
            "f1": 2 * hits / (2 * hits + false + missed),
            "kappa": (agreement - chance) / (1 - chance),
            "balanced_accuracy": (hits / positive + rest / negative) / 2,
        }
    return {
        name: np.where((positive > 0) & np.isfinite(v), v, np.nan) for name, v in values.items()
    }


def decision(labels: Labels, scores: Values, threshold: float | None) -> dict[str, Score]:
    """Precision, recall, F1, kappa, balanced accuracy of `score >= threshold`."""
    if threshold is None:
        names = rates(np.ones(4))
        return dict.fromkeys(names, Score(None, NO_THRESHOLD))
    return Confusion.count(labels, scores >= threshold).scores()


def regression(labels: Values, scores: Values) -> dict[str, Score]:
    """The published training metrics: MAE, RMSE and MSLE, over all pixels, border included.

    MSLE is the mean of (ln(1 + label) - ln(1 + score))^2 and needs values of at least zero.

    Args:
        labels: [pixel], 0 to 1.
        scores: [pixel].
    """
    if not labels.size:
        return dict.fromkeys(("mae", "rmse", "msle"), Score(None, NO_PIXEL))
    # In double precision, as the sum over millions of float32 pixels would lose digits.
    truth, found = labels.astype(np.float64), scores.astype(np.float64)
    below = Score(None, "some scores are below zero")
    return {
        "mae": Score(float(mean_absolute_error(truth, found))),
        "rmse": Score(math.sqrt(mean_squared_error(truth, found))),
        "msle": below if found.min() < 0 else Score(float(mean_squared_log_error(truth, found))),
    }


def pr_curve(labels: Labels, scores: Values, points: int = 500) -> pd.DataFrame:
    """Precision and recall by threshold, from the highest threshold down.

    Args:
        labels: [pixel].
        scores: [pixel].
        points: at most so many rows, spread evenly over recall.

    Returns:
        Columns threshold, precision, recall; empty without a positive.
    """
    columns = ("threshold", "precision", "recall")
    if not labels.any():
        return pd.DataFrame(columns=list(columns), dtype=float)
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    curve = np.stack([thresholds, precision[:-1], recall[:-1]], axis=1)[::-1]
    return pd.DataFrame(_thin(curve, 2, points), columns=list(columns))


def roc_curve(labels: Labels, scores: Values, points: int = 500) -> pd.DataFrame:
    """True and false positive rate by threshold, from the highest threshold down.

    Returns:
        Columns threshold, false_positive_rate, true_positive_rate; empty where not defined.
    """
    columns = ("threshold", "false_positive_rate", "true_positive_rate")
    if not labels.any() or labels.all():
        return pd.DataFrame(columns=list(columns), dtype=float)
    false, true, thresholds = sklearn_roc_curve(labels, scores)
    # The first point lies at an infinite threshold, where nothing is detected: no row of ours.
    curve = np.stack([thresholds, false, true], axis=1)[1:]
    return pd.DataFrame(_thin(curve, 1, points), columns=list(columns))


def _thin(curve: NDArray[np.float64], axis: int, points: int) -> NDArray[np.float64]:
    """At most `points` rows, the nearest to even steps along a rising column; ends stay."""
    if len(curve) <= points:
        return curve
    last = len(curve) - 1
    wanted = np.linspace(curve[0, axis], curve[last, axis], points - 2)
    rows = np.searchsorted(curve[:, axis], wanted).clip(0, last)
    return np.asarray(curve[np.unique(np.concatenate(([0], rows, [last])))])


def scored(labels: Values, scores: Values) -> tuple[Values, Values]:
    """Flat labels and scores of the pixels that have a label.

    Args:
        labels: any shape, NaN where a pixel is not scored.
        scores: same shape.

    Raises:
        ContractError: a pixel with a label has no score.
    """
    if labels.shape != scores.shape:
        raise ContractError(
            f"scores don't fit the labels: expected shape {labels.shape}, found {scores.shape}. "
            "Map the same windows and blocks that are scored"
        )
    known = ~np.isnan(labels)
    found = scores[known]
    if np.isnan(found).any():
        raise ContractError(
            f"{int(np.isnan(found).sum())} of {found.size} pixels with a label got no score: "
            "expected a finite score, found NaN. Check the model's inputs and weights"
        )
    return labels[known], found


def as_json(scores: Mapping[str, Score], digits: int = 6) -> dict[str, Any]:
    """Values by name, JSON-ready; the reasons of those that are null under `reasons`."""
    values: dict[str, Any] = {
        name: None if score.value is None else round(score.value, digits)
        for name, score in scores.items()
    }
    reasons = {name: score.reason for name, score in scores.items() if score.value is None}
    return values | ({"reasons": reasons} if reasons else {})
