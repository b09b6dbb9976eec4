"""The step test against its formulas, look by look, and on simulated series."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from groundshift.samples.labels.omnibus import MIN_LOOKS, StepTest, accumulate, evidence


def naive_evidence(series, enl, significance):
    """The module's formula for the looks [t, channel] of one pixel, in plain Python."""
    total, channels = series.shape

    def fit(part):
        return sum(len(part) * math.log(part[:, c].mean()) for c in range(channels))

    def unrest(part):
        n = len(part)
        spread = fit(part) - np.log(part).sum()
        return 2 * enl * (1 - (n + 1) / (6 * enl * n)) * spread - channels * (n - 1)

    if total < MIN_LOOKS:
        return 0.0
    least = max(min(MIN_LOOKS, total // 2), 1)
    cuts = range(least, total - least + 1)
    k = min(cuts, key=lambda k: fit(series[:k]) + fit(series[k:]))
    rho = 1 - (1 / k + 1 / (total - k) - 1 / total) / (6 * enl)
    step = 2 * enl * rho * (fit(series) - fit(series[:k]) - fit(series[k:]))
    bound = chi2.isf(1 - (1 - significance) ** (1 / len(cuts)), channels)
    if step <= bound:
        return 0.0
    rest = max(unrest(series[:k]) + unrest(series[k:]), 0)
    return min((step - bound) / bound, 1) * step / (step + rest)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    frames=st.integers(1, 30),
    channels=st.integers(1, 2),
    change=st.floats(1, 8),
    share=st.floats(0.3, 1),
)
def test_evidence_follows_the_formula(seed, frames, channels, change, share):
    rng = np.random.default_rng(seed)
    power = rng.gamma(4, 0.02, (frames, 3, 4, channels)).astype(np.float32)
    power[frames // 2 :] *= change
    fresh = rng.random((frames, 3, 4)) < share
    power[0, 0, 0], fresh[0, 0, 0] = 0, True  # a look without power is none
    power[-1, 1, 1, 0], fresh[-1, 1, 1] = np.nan, True
    steps = np.sort(rng.choice(90, frames, replace=False))
    looks = accumulate(power, fresh, steps)
    for first, stop in ((0, 90), (20, 70)):
        inside = (steps >= first) & (steps < stop)
        found, count = evidence(looks, first, stop, StepTest(4, 0.01))
        for y, x in np.ndindex(3, 4):
            seen = inside & fresh[:, y, x] & (power[:, y, x] > 1e-6).all(axis=-1)
            assert count[y, x] == seen.sum()
            expected = naive_evidence(power[seen, y, x].astype(float), 4, 0.01)
            assert found[y, x] == pytest.approx(expected, abs=2e-4)


def test_a_frame_that_is_carried_forward_is_no_look():
    rng = np.random.default_rng(3)
    power = rng.gamma(4, 0.02, (12, 4, 4, 2)).astype(np.float32)
    power[6:] *= 5
    once = accumulate(power, np.ones((12, 4, 4), bool), np.arange(12))
    repeated = power.repeat(3, axis=0)
    fresh = np.zeros((36, 4, 4), bool)
    fresh[::3] = True
    carried = accumulate(repeated, fresh, np.arange(36))
    test = StepTest(4, 0.001)
    for one, other in zip(evidence(once, 0, 12, test), evidence(carried, 0, 36, test), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("looks", [12, 30, 90])
def test_steady_series_show_a_step_no_more_often_than_the_significance(looks, channels):
    rng = np.random.default_rng(looks)
    power = (0.1 * rng.gamma(4, 0.25, (looks, 80, 80, channels))).astype(np.float32)
    summed = accumulate(power, np.ones(power.shape[:3], bool), np.arange(looks))
    found = evidence(summed, 0, looks, StepTest(4, 0.05))[0]
    assert (found > 0).mean() < 0.05


def test_both_polarisations_count_from_the_first_look_on():
    rng = np.random.default_rng(4)
    power = (0.1 * rng.gamma(4, 0.25, (40, 40, 40, 2))).astype(np.float32)
    power[20:, ..., 1] *= 4  # a change that only the second one shows
    every = np.ones(power.shape[:3], bool)
    changed = evidence(accumulate(power, every, np.arange(40)), 0, 40, StepTest(4, 0.001))[0]
    swapped = accumulate(power[..., ::-1], every, np.arange(40))
    assert changed.mean() > 0.8
    np.testing.assert_allclose(changed, evidence(swapped, 0, 40, StepTest(4, 0.001))[0], atol=1e-6)


def test_a_change_that_goes_back_is_less_than_one_that_stays():
    rng = np.random.default_rng(5)
    speckle = 0.1 * rng.gamma(4, 0.25, (60, 40, 40, 2))
    every = np.ones(speckle.shape[:3], bool)

    def mean_evidence(times):
        level = np.where(np.isin(np.arange(60), times), 5, 1)[:, None, None, None]
        looks = accumulate((speckle * level).astype(np.float32), every, np.arange(60))
        return evidence(looks, 0, 60, StepTest(4, 0.001))[0].mean()

    stays = mean_evidence(range(30, 60))
    assert stays > 0.95
    assert mean_evidence(range(30, 45)) < 0.6 * stays
    assert mean_evidence([20, 40]) < 0.05  # single bright looks are no step
