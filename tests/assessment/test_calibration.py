"""Calibration against naive loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.assessment.calibration import (
    NO_PROBABILITY,
    brier,
    expected_calibration_error,
    reliability,
)
from groundshift.assessment.scores import Score

PIXELS = st.lists(st.tuples(st.booleans(), st.floats(0, 1, width=32)), min_size=1, max_size=60)


def arrays(pixels):
    labels, scores = zip(*pixels, strict=True)
    return np.array(labels), np.array(scores, np.float32)


@given(PIXELS)
def test_brier_is_the_mean_squared_distance(pixels):
    labels, scores = arrays(pixels)
    expected = sum((float(s) - float(a)) ** 2 for a, s in zip(labels, scores, strict=True))
    assert brier(labels, scores).value == pytest.approx(expected / len(pixels))


@given(PIXELS, st.integers(1, 5))
def test_bins_hold_every_pixel_once_and_rise(pixels, bins):
    labels, scores = arrays(pixels)
    curve = reliability(labels, scores, bins)
    assert curve["pixels"].sum() == len(pixels)
    assert (curve["pixels"] * curve["share"]).sum() == pytest.approx(labels.sum())
    assert (curve["low"].iloc[1:].to_numpy() > curve["high"].iloc[:-1].to_numpy()).all()


def test_bins_without_ties_hold_equally_many():
    scores = np.random.default_rng(0).permutation(np.linspace(0, 1, 40, dtype=np.float32))
    labels = scores > 0.5
    curve = reliability(labels, scores, 8)
    assert curve["pixels"].tolist() == [5] * 8
    ordered = np.sort(scores)
    for i, row in curve.iterrows():
        mine = ordered[i * 5 : i * 5 + 5]
        assert row["score"] == pytest.approx(mine.mean())
        assert row["share"] == pytest.approx((mine > 0.5).mean())


def test_error_is_the_mean_distance_over_pixels():
    labels = np.array([False, False, True, True])
    scores = np.array([0.1, 0.3, 0.6, 0.8], np.float32)
    curve = reliability(labels, scores, 2)
    # Bins (0.1, 0.3) and (0.6, 0.8): mean scores 0.2 and 0.7, shares 0 and 1.
    assert expected_calibration_error(curve).value == pytest.approx((0.2 + 0.3) / 2)


def test_a_perfectly_calibrated_score_has_no_error():
    labels = np.array([True, False, True, False])
    curve = reliability(labels, np.full(4, 0.5, np.float32), 10)
    assert len(curve) == 1
    assert expected_calibration_error(curve) == Score(0.0)


def test_scores_beyond_one_are_no_probabilities():
    labels, scores = np.array([True, False]), np.array([3.0, 0.0], np.float32)
    assert brier(labels, scores) == Score(None, NO_PROBABILITY)
    assert reliability(labels, scores).empty
    assert expected_calibration_error(reliability(labels, scores)) == Score(None, NO_PROBABILITY)
