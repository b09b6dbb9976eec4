"""Running sums against loops over looks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.assessment.window_statistics import Looks, decibels, normalised_difference


def make_looks(seed, steps=12, share=0.6):
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 1, (steps, 2, 3, 2)).astype(np.float32)
    fresh = generator.random((steps, 2, 3)) < share
    seen = np.logical_or.accumulate(fresh, axis=0)
    return Looks(values, fresh, seen)


def naive_step(looks, first, stop, y, x):
    """Strength and change of the best split of one pixel, over its looks one by one."""
    chosen = [t for t in range(first, stop) if looks.fresh[t, y, x]]
    best = (0.0, np.zeros(looks.values.shape[-1]))
    for cut in range(first + 1, stop):
        left = [t for t in chosen if t < cut]
        right = [t for t in chosen if t >= cut]
        if len(left) < 2 or len(right) < 2:
            continue
        strength, change = 0.0, []
        for band in range(looks.values.shape[-1]):
            a = looks.values[left, y, x, band].astype(float)
            b = looks.values[right, y, x, band].astype(float)
            both = np.concatenate([a, b])
            within = ((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()
            between = ((both - both.mean()) ** 2).sum() - within
            strength += between / (max(within, 1e-6) / max(len(both) - 2, 1))
            change.append(b.mean() - a.mean())
        if strength > best[0]:
            best = (strength, np.array(change))
    return best


@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(1, 6))
def test_statistics_equal_loops_over_looks(seed, first, length):
    looks = make_looks(seed)
    stop = first + length
    mean, deviation = looks.mean(first, stop), looks.deviation(first, stop)
    step = looks.best_step(first, stop)
    for y, x in np.ndindex(2, 3):
        chosen = looks.values[first:stop, y, x][looks.fresh[first:stop, y, x]].astype(float)
        if len(chosen):
            assert mean[y, x] == pytest.approx(chosen.mean(axis=0), abs=1e-6)
        elif looks.seen[stop - 1, y, x]:
            assert mean[y, x] == pytest.approx(looks.values[stop - 1, y, x])
        else:
            assert np.isnan(mean[y, x]).all()
        spread = chosen.std(axis=0, ddof=1) if len(chosen) > 1 else 0
        assert deviation[y, x] == pytest.approx(spread, abs=1e-5)
        strength, change = naive_step(looks, first, stop, y, x)
        assert step.strength[y, x] == pytest.approx(strength, rel=1e-3, abs=1e-6)
        assert step.change[y, x] == pytest.approx(change, abs=1e-5)


def test_a_step_is_found_where_it_is():
    values = np.zeros((20, 1, 1, 1), np.float32)
    values[:, 0, 0, 0] = np.random.default_rng(0).normal(0, 0.1, 20)
    values[12:] += 3
    looks = Looks(values, np.ones((20, 1, 1), bool), np.ones((20, 1, 1), bool))
    inside, outside = looks.best_step(4, 20), looks.best_step(0, 12)
    assert inside.change[0, 0, 0] == pytest.approx(3, abs=0.2)
    assert inside.strength[0, 0] > 50 * outside.strength[0, 0]


def test_frames_carried_forward_are_no_looks():
    looks = make_looks(1)
    repeated = Looks(
        np.repeat(looks.values, 2, axis=0),
        np.stack([looks.fresh, np.zeros_like(looks.fresh)], axis=1).reshape(-1, 2, 3),
        np.repeat(looks.seen, 2, axis=0),
    )
    assert repeated.mean(4, 20) == pytest.approx(looks.mean(2, 10), nan_ok=True)
    assert repeated.best_step(4, 20).strength == pytest.approx(looks.best_step(2, 10).strength)


def test_an_empty_span_has_no_mean():
    with pytest.raises(ValueError, match="empty span"):
        make_looks(0).mean(3, 3)


def test_decibels_and_differences():
    assert decibels(np.array([1, 0.1, 0], np.float32)) == pytest.approx([0, -10, -50])
    found = normalised_difference(np.array([3, 0], np.float32), np.array([1, 0], np.float32))
    assert found.tolist() == [0.5, 0]
