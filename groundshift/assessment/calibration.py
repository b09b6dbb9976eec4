"""How far scores can be read as probabilities: Brier score, reliability curve, ECE.

Bins hold equally many pixels (equal mass): bins of equal width leave nearly all pixels of a rare
change in the lowest one.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import brier_score_loss

from groundshift.assessment.scores import NO_PIXEL, Labels, Score, Values

NO_PROBABILITY = "scores are not between 0 and 1, so they can't be read as probabilities"


def brier(labels: Labels, scores: Values) -> Score:
    """Mean of (score - outcome)^2.

    Args:
        labels: [pixel].
        scores: [pixel], 0 to 1.
    """
    reason = _undefined(scores)
    if reason:
        return Score(None, reason)
    return Score(float(brier_score_loss(labels, scores.astype(np.float64), pos_label=True)))


def reliability(labels: Labels, scores: Values, bins: int = 10) -> pd.DataFrame:
    """Mean score beside the share of positives, in bins of equal mass by rising score.

    Equal scores stay together, so a bin may be empty (and is left out) where ties are many.

    Returns:
        Columns low, high (scores of the bin), score (mean), share (of positives), pixels.
    """
    columns = ["low", "high", "score", "share", "pixels"]
    if _undefined(scores):
        return pd.DataFrame(columns=columns, dtype=float)
    ordered = np.sort(scores)
    # Equal scores share the bin of the first of them.
    place = np.searchsorted(ordered, scores, side="left") * bins // len(scores)
    table = pd.DataFrame({"bin": place, "score": scores.astype(np.float64), "positive": labels})
    grouped = table.groupby("bin")
    return pd.DataFrame(
        {
            "low": grouped["score"].min(),
            "high": grouped["score"].max(),
            "score": grouped["score"].mean(),
            "share": grouped["positive"].mean(),
            "pixels": grouped.size(),
        }
    ).reset_index(drop=True)


def expected_calibration_error(curve: pd.DataFrame) -> Score:
    """Mean distance of score and share over the bins of a reliability curve, by their pixels."""
    if curve.empty:
        return Score(None, NO_PROBABILITY)
    distance = (curve["score"] - curve["share"]).abs()
    return Score(float(np.average(distance, weights=curve["pixels"])))


def _undefined(scores: Values) -> str:
    if not scores.size:
        return NO_PIXEL
    return NO_PROBABILITY if scores.min() < 0 or scores.max() > 1 else ""
