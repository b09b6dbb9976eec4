"""Scores against naive loops, and what is undefined."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.assessment.scores import (
    NO_NEGATIVE,
    NO_POSITIVE,
    NO_THRESHOLD,
    NONE_ABOVE,
    Confusion,
    Score,
    as_json,
    average_precision,
    best_threshold,
    decision,
    pr_curve,
    rates,
    regression,
    roc_auc,
    roc_curve,
    scored,
)
from groundshift.errors import ContractError

# Few different scores, so that ties are common.
PIXELS = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0])), min_size=1)


def arrays(pixels):
    labels, scores = zip(*pixels, strict=True)
    return np.array(labels), np.array(scores, np.float32)


def naive_average_precision(labels, scores):
    total, area, recall_before = sum(labels), 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        found = [label for label, s in zip(labels, scores, strict=True) if s >= threshold]
        recall = sum(found) / total
        area += (recall - recall_before) * sum(found) / len(found)
        recall_before = recall
    return area


def naive_roc_auc(labels, scores):
    wins = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p, up in zip(scores, labels, strict=True)
        if up
        for n, down in zip(scores, labels, strict=True)
        if not down
    ]
    return sum(wins) / len(wins)


def naive_decision(labels, scores, threshold):
    pairs = [(bool(a), bool(s >= threshold)) for a, s in zip(labels, scores, strict=True)]
    tp, fp = pairs.count((True, True)), pairs.count((False, True))
    fn, tn = pairs.count((True, False)), pairs.count((False, False))
    n = len(pairs)
    by_chance = ((tp + fn) * (tp + fp) + (fp + tn) * (fn + tn)) / n**2
    return {
        "precision": tp / (tp + fp) if tp + fp else None,
        "recall": tp / (tp + fn),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "kappa": ((tp + tn) / n - by_chance) / (1 - by_chance) if by_chance < 1 else None,
        "balanced_accuracy": (tp / (tp + fn) + tn / (fp + tn)) / 2 if fp + tn else None,
    }


@given(PIXELS)
def test_ranking_scores_equal_naive_loops(pixels):
    labels, scores = arrays(pixels)
    if not labels.any():
        assert average_precision(labels, scores) == Score(None, NO_POSITIVE)
        assert roc_auc(labels, scores) == Score(None, NO_POSITIVE)
        return
    expected = naive_average_precision(labels, scores)
    assert average_precision(labels, scores).value == pytest.approx(expected)
    if labels.all():
        assert roc_auc(labels, scores) == Score(None, NO_NEGATIVE)
    else:
        assert roc_auc(labels, scores).value == pytest.approx(naive_roc_auc(labels, scores))


@given(PIXELS, st.sampled_from([0.0, 0.1, 0.4, 0.7, 2.0]))
def test_decision_equals_naive_counts(pixels, threshold):
    labels, scores = arrays(pixels)
    found = decision(labels, scores, threshold)
    if not labels.any():
        assert set(found.values()) == {Score(None, NO_POSITIVE)}
        return
    expected = naive_decision(labels, scores, np.float32(threshold))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if value is None:
            assert found[name].reason == (NONE_ABOVE if name == "precision" else NO_NEGATIVE)
        else:
            assert found[name].value == pytest.approx(value)


@given(PIXELS)
def test_best_threshold_beats_every_other(pixels):
    labels, scores = arrays(pixels)
    best = best_threshold(labels, scores)
    if not labels.any():
        assert best.value is None
        return
    f1 = {t: naive_decision(labels, scores, t)["f1"] for t in set(scores)}
    assert f1[np.float32(best.value)] == pytest.approx(max(f1.values()))
    assert best.value == max(t for t, v in f1.items() if math.isclose(v, max(f1.values())))


@given(PIXELS)
def test_regression_is_the_published_formulas(pixels):
    labels, scores = arrays(pixels)
    pairs = [(float(a), float(s)) for a, s in zip(labels, scores, strict=True)]
    n = len(pairs)
    found = regression(labels.astype(np.float32), scores)
    assert found["mae"].value == pytest.approx(sum(abs(a - s) for a, s in pairs) / n)
    squared = sum((a - s) ** 2 for a, s in pairs) / n
    assert found["rmse"].value == pytest.approx(math.sqrt(squared))
    logs = sum((math.log1p(a) - math.log1p(s)) ** 2 for a, s in pairs) / n
    assert found["msle"].value == pytest.approx(logs)


def test_regression_without_pixels_or_below_zero_is_null_with_a_reason():
    nothing = np.empty(0, np.float32)
    assert all(
        score.value is None and score.reason for score in regression(nothing, nothing).values()
    )
    below = regression(np.zeros(2, np.float32), np.array([-0.5, 0], np.float32))
    assert below["mae"].value == 0.25
    assert below["msle"] == Score(None, "some scores are below zero")


def test_a_decision_without_a_threshold_is_null_with_the_reason():
    found = decision(np.array([True, False]), np.zeros(2, np.float32), None)
    assert set(found.values()) == {Score(None, NO_THRESHOLD)}


def test_kappa_is_zero_for_a_decision_by_chance():
    assert rates(np.array([25.0, 25.0, 25.0, 25.0]))["kappa"] == pytest.approx(0)


def test_rates_work_on_many_counts_at_once():
    counts = np.array([[3, 1, 2, 4], [0, 0, 0, 5], [0, 0, 2, 2]], float)
    found = rates(counts)
    assert found["recall"][0] == pytest.approx(0.6)
    assert all(np.isnan(values[1]) for values in found.values())
    assert np.isnan(found["precision"][2])
    assert found["f1"][2] == 0


def test_confusion_counts_every_pixel_once():
    labels = np.array([True, True, False, False, False])
    detected = np.array([True, False, True, False, False])
    assert Confusion.count(labels, detected) == Confusion(1, 1, 1, 2)


@given(PIXELS)
def test_curves_run_from_the_highest_threshold_and_hold_the_ends(pixels):
    labels, scores = arrays(pixels)
    curve = pr_curve(labels, scores, points=4)
    if not labels.any():
        assert curve.empty
        return
    assert len(curve) <= 4
    assert curve["threshold"].is_monotonic_decreasing
    assert curve["recall"].is_monotonic_increasing
    assert curve["recall"].iloc[-1] == 1
    if not labels.all():
        roc = roc_curve(labels, scores)
        assert roc["threshold"].max() <= scores.max()
        assert roc["true_positive_rate"].iloc[-1] == roc["false_positive_rate"].iloc[-1] == 1


def test_points_of_a_long_curve_lie_on_it():
    generator = np.random.default_rng(0)
    labels, scores = generator.random(3000) < 0.2, generator.random(3000).astype(np.float32)
    for _, row in pr_curve(labels, scores, points=50).iterrows():
        detected = scores >= np.float32(row["threshold"])
        assert row["recall"] == pytest.approx((labels & detected).sum() / labels.sum())
        assert row["precision"] == pytest.approx((labels & detected).sum() / detected.sum())


def test_pixels_without_a_label_are_not_scored():
    labels = np.array([[1, np.nan], [0, 0.25]], np.float32)
    scores = np.array([[0.9, np.nan], [0.1, 0.3]], np.float32)
    truth, found = scored(labels, scores)
    assert truth.tolist() == [1, 0, 0.25]
    assert found.tolist() == [np.float32(0.9), np.float32(0.1), np.float32(0.3)]


def test_a_missing_score_is_refused():
    with pytest.raises(ContractError, match="1 of 2 pixels with a label got no score"):
        scored(np.zeros(2, np.float32), np.array([0, np.nan], np.float32))
    with pytest.raises(ContractError, match="shape"):
        scored(np.zeros(2, np.float32), np.zeros(3, np.float32))


def test_a_score_is_a_number_or_a_reason():
    with pytest.raises(ValueError, match="reason"):
        Score(None)
    with pytest.raises(ValueError, match="finite"):
        Score(float("nan"))


def test_json_holds_null_and_the_reason():
    values = as_json({"f1": Score(1 / 3), "roc_auc": Score(None, NO_NEGATIVE)})
    assert values == {"f1": 0.333333, "roc_auc": None, "reasons": {"roc_auc": NO_NEGATIVE}}
    assert json.dumps(values, allow_nan=False)
