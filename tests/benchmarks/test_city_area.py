import numpy as np
import pytest

from benchmarks.city_area import check_draws


@pytest.fixture(scope="module")
def truth():
    """Squares of change on 200 x 200 pixels."""
    changed = np.zeros((200, 200), bool)
    generator = np.random.default_rng(1)
    for row, column in generator.integers(0, 190, (40, 2)):
        changed[row : row + 6, column : column + 6] = True
    return changed


@pytest.fixture(scope="module")
def noise():
    """Scores that no threshold of 0.5 reaches."""
    return np.random.default_rng(2).uniform(0, 0.4, (200, 200)).astype(np.float32)


def test_intervals_hold_the_true_area_of_a_map_that_is_biased(truth, noise):
    mapped = np.roll(truth, (2, 1), (0, 1))
    mapped[:40, :60] = True  # found in vain
    mapped[160:] = False  # and not found at all
    found = check_draws(np.where(mapped, 0.9, noise), truth, 0.5, 0.01)
    assert found.true == pytest.approx(truth.sum() * 0.01)
    assert found.mapped == pytest.approx(mapped.sum() * 0.01)
    assert found.mapped > 1.3 * found.true
    assert found.estimated == pytest.approx(found.true, rel=0.01)
    assert 0.93 <= found.held_by_more <= 0.98
    assert abs(found.held - found.held_by_more) < 0.05
    assert found.half_width < 0.5 * found.true


def test_a_perfect_map_has_the_true_area_and_a_little_doubt(truth, noise):
    found = check_draws(np.where(truth, 0.9, noise), truth, 0.5, 0.01)
    assert found.estimated == pytest.approx(found.true)
    assert (found.held, found.held_by_more) == (1, 1)
    assert 0 < found.half_width < 0.15 * found.true
