"""Scores as probabilities: fitted on truth of the validation blocks, and on nothing else.

Two maps from score to probability are fitted: a temperature with an offset on the score's logit
(Platt 1999; Guo et al., ICML 2017), and an isotonic one (Zadrozny and Elkan, KDD 2002). The one
with the lower Brier score is taken, each block being predicted from the others, so that a map that
follows the noise of a block does not win. Both rise with the score: neither changes a ranking.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from groundshift.assessment.calibration import brier, expected_calibration_error, reliability
from groundshift.assessment.scores import NO_PIXEL, Labels, Score, Values

Method = Literal["temperature", "isotonic"]
Floats = NDArray[np.float64]

_LEAST = 1e-4
"""Probabilities nearer to 0 or 1 are not to be had from a few blocks."""
_LEVELS = 2048
"""Scores are rounded to so many levels before fitting."""
_KNOTS = 257
_STEPS = 50
_RIDGE = 1e-6


@dataclass(frozen=True)
class Calibration:
    """A rising map from score to probability.

    Attributes:
        method: how it was fitted.
        scores: knots, rising.
        probabilities: at the knots; linear between them.
        brier: of each method on blocks left out, by which it was chosen.
    """

    method: Method
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    brier: Mapping[str, float]

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """Probabilities of any array of scores; NaN stays NaN."""
        found = np.interp(scores, self.scores, self.probabilities)
        return np.where(np.isnan(scores), np.nan, found).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "method": self.method,
            "scores": list(self.scores),
            "probabilities": list(self.probabilities),
            "brier_on_blocks_left_out": dict(self.brier),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Calibration":
        """The calibration that `to_dict` described."""
        return cls(
            document["method"],
            tuple(document["scores"]),
            tuple(document["probabilities"]),
            document["brier_on_blocks_left_out"],
        )


@dataclass(frozen=True)
class _Counts:
    """Pixels by level of their score."""

    scores: Floats
    positives: Floats
    total: Floats

    @classmethod
    def of(cls, labels: Labels, scores: Values) -> "_Counts":
        level = np.clip(np.rint(scores * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.int64)
        total = np.bincount(level, minlength=_LEVELS).astype(np.float64)
        positives = np.bincount(level[labels], minlength=_LEVELS).astype(np.float64)
        return cls(np.linspace(0, 1, _LEVELS), positives, total)

    def __add__(self, other: "_Counts") -> "_Counts":
        return _Counts(self.scores, self.positives + other.positives, self.total + other.total)

    def squared_error(self, probabilities: Floats) -> float:
        """Sum over pixels of (probability - outcome)^2."""
        negatives = self.total - self.positives
        return float(
            (self.positives * (1 - probabilities) ** 2 + negatives * probabilities**2).sum()
        )


def fit(labels: Sequence[Labels], scores: Sequence[Values]) -> Calibration | str:
    """Fit both maps and take the better one, or say why there can be none.

    Args:
        labels: per validation block [pixel], whether the truth says it changed.
        scores: likewise, 0 to 1.
    """
    blocks = [_Counts.of(*pair) for pair in zip(labels, scores, strict=True) if len(pair[0])]
    telling = sum(0 < block.positives.sum() < block.total.sum() for block in blocks)
    if telling < 2:
        return (
            f"{telling} validation blocks hold both changed and unchanged pixels, expected at "
            "least 2 to fit and to choose by"
        )
    if any(values.size and (values.min() < 0 or values.max() > 1) for values in scores):
        return "scores are not between 0 and 1"
    errors = {method: _left_out(method, blocks) for method in _FITS}
    method = min(errors, key=lambda name: errors[name])
    whole = _FITS[method](_sum(blocks))
    knots = np.linspace(0, 1, _KNOTS)
    values = np.maximum.accumulate(np.interp(knots, blocks[0].scores, whole))
    rounded = (tuple(float(round(v, 6)) for v in knots), tuple(float(round(v, 6)) for v in values))
    return Calibration(method, *rounded, {k: round(v, 6) for k, v in errors.items()})


def probability_scores(labels: Labels, probabilities: Values, bins: int) -> dict[str, Score]:
    """How good probabilities are.

    Args:
        labels: [pixel] of the test blocks.
        probabilities: [pixel].
        bins: of the reliability curve.

    Returns:
        `brier`; `brier_skill`, 1 - Brier / Brier of the prevalence for every pixel;
        `calibration_slope`, of the outcome's logistic regression on the probability's logit (1 is
        right, below 1 too sure); `calibration_error` as `expected_calibration_error`.
    """
    names = ("brier", "brier_skill", "calibration_slope", "calibration_error")
    if not labels.size:
        return dict.fromkeys(names, Score(None, NO_PIXEL))
    error = brier(labels, probabilities)
    curve = reliability(labels, probabilities, bins)
    prevalence = float(labels.mean())
    found = {"brier": error, "calibration_error": expected_calibration_error(curve)}
    if error.value is None or not 0 < prevalence < 1:
        reason = Score(None, error.reason or "pixels of one kind only")
        return found | {"brier_skill": reason, "calibration_slope": reason}
    skill = 1 - error.value / (prevalence * (1 - prevalence))
    slope, _ = _logistic(_Counts.of(labels, probabilities))
    return found | {"brier_skill": Score(skill), "calibration_slope": Score(slope)}


def _left_out(method: Method, blocks: Sequence[_Counts]) -> float:
    """Mean squared error over blocks, each predicted by a map fitted to the others."""
    error = total = 0.0
    for number, block in enumerate(blocks):
        others = _sum([*blocks[:number], *blocks[number + 1 :]])
        error += block.squared_error(_FITS[method](others))
        total += float(block.total.sum())
    return error / total


def _temperature(counts: _Counts) -> Floats:
    """Probability at every level: sigmoid(slope x logit(score) + offset)."""
    slope, offset = _logistic(counts)
    found = expit(max(slope, 0) * _logit(counts.scores) + offset)
    return np.asarray(np.clip(found, _LEAST, 1 - _LEAST))


def _isotonic(counts: _Counts) -> Floats:
    """Probability at every level: the rising step function of least squares."""
    held = counts.total > 0
    model = IsotonicRegression(y_min=_LEAST, y_max=1 - _LEAST, out_of_bounds="clip")
    shares = counts.positives[held] / counts.total[held]
    model.fit(counts.scores[held], shares, sample_weight=counts.total[held])
    return np.asarray(model.predict(counts.scores))


_FITS: dict[Method, Callable[[_Counts], Floats]] = {
    "temperature": _temperature,
    "isotonic": _isotonic,
}


def _logistic(counts: _Counts) -> tuple[float, float]:
    """Slope and offset of the outcome's logistic regression on the score's logit, by Newton."""
    terms = np.stack([_logit(counts.scores), np.ones_like(counts.scores)], axis=1)
    share = np.clip(counts.positives.sum() / counts.total.sum(), _LEAST, 1 - _LEAST)
    weights = np.array([1.0, float(logit(share))])
    for _ in range(_STEPS):
        probability = expit(terms @ weights)
        gradient = terms.T @ (counts.positives - counts.total * probability)
        curvature = counts.total * probability * (1 - probability)
        hessian = terms.T @ (terms * curvature[:, None]) + _RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        # A full step from far off can overshoot.
        weights = weights + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0]), float(weights[1])


def _logit(scores: Floats) -> Floats:
    return np.asarray(logit(np.clip(scores, _LEAST, 1 - _LEAST)))


def _sum(blocks: Sequence[_Counts]) -> _Counts:
    total = blocks[0]
    for block in blocks[1:]:
        total = total + block
    return total
