"""Probabilities fitted on blocks whose true chances are known."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from groundshift.assessment.calibrating import Calibration, fit, probability_scores

PIXELS, BLOCKS = 4000, 6


def blocks_of(chance, seed, blocks=BLOCKS):
    """Scores, and outcomes that follow a chance of the score."""
    generator = np.random.default_rng(seed)
    scores = [generator.beta(0.6, 2, PIXELS).astype(np.float32) for _ in range(blocks)]
    labels = [generator.random(PIXELS) < chance(values) for values in scores]
    return labels, scores


def cold(scores):
    """What a network that is far too sure should have said."""
    return expit(0.4 * logit(np.clip(scores, 1e-4, 1 - 1e-4)) - 1)


def stairs(scores):
    """A chance that no temperature follows."""
    return np.where(scores < 0.1, 0.02, np.where(scores < 0.5, 0.3, 0.35))


@pytest.mark.parametrize(("chance", "method"), [(cold, "temperature"), (stairs, "isotonic")])
def test_the_map_that_fits_is_chosen_and_recovers_the_chances(chance, method):
    found = fit(*blocks_of(chance, 1))
    assert found.method == method
    assert found.brier[method] == min(found.brier.values())
    scores = np.array([0.03, 0.2, 0.4, 0.7])
    assert found(scores) == pytest.approx(chance(scores), abs=0.04)


def test_probabilities_have_skill_slope_one_and_little_error_on_other_blocks():
    calibration = fit(*blocks_of(cold, 1))
    labels, scores = (np.concatenate(part) for part in blocks_of(cold, 2))
    raw, fitted = (
        probability_scores(labels, values, 20) for values in (scores, calibration(scores))
    )
    assert raw["calibration_slope"].value == pytest.approx(0.4, abs=0.05)
    assert fitted["calibration_slope"].value == pytest.approx(1, abs=0.12)
    assert fitted["calibration_error"].value < 0.01 < raw["calibration_error"].value
    prevalence = labels.mean()
    expected = 1 - np.mean((calibration(scores) - labels) ** 2) / (prevalence * (1 - prevalence))
    assert fitted["brier_skill"].value == pytest.approx(expected, abs=1e-5)
    assert fitted["brier_skill"].value > max(raw["brier_skill"].value, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.2, 3), st.floats(-3, 1))
def test_a_ranking_is_never_changed(seed, slope, offset):
    labels, scores = blocks_of(
        lambda s: expit(slope * logit(np.clip(s, 0.01, 0.99)) + offset), seed
    )
    found = fit(labels, scores)
    assert (np.diff(found.probabilities) >= 0).all()
    assert 0 < found.probabilities[0] <= found.probabilities[-1] < 1


def test_it_can_be_written_down_and_leaves_unknown_pixels_unknown():
    found = fit(*blocks_of(stairs, 3))
    again = Calibration.from_dict(json.loads(json.dumps(found.to_dict())))
    scores = np.array([[0.1, np.nan], [0.6, 1.0]], np.float32)
    np.testing.assert_array_equal(again(scores), found(scores))
    assert np.isnan(again(scores)[0, 1])


def test_too_little_truth_gives_no_probability_but_a_reason():
    labels, scores = blocks_of(cold, 1)
    assert "1 validation blocks" in fit(labels[:1], scores[:1])
    never = [np.zeros_like(one) for one in labels]
    assert "0 validation blocks" in fit(never, scores)
    assert "between 0 and 1" in fit(labels, [3 * one for one in scores])


def test_scores_of_nothing_or_of_one_kind_are_null():
    empty = probability_scores(np.zeros(0, bool), np.zeros(0, np.float32), 5)
    assert {score.value for score in empty.values()} == {None}
    same = probability_scores(np.zeros(9, bool), np.full(9, 0.1, np.float32), 5)
    assert same["brier"].value == pytest.approx(0.01)
    assert "one kind" in same["brier_skill"].reason
