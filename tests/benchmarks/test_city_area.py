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


def test_intervals_hold_the_true_area_of_a_map_that_is_biased(truth):
    mapped = np.roll(truth, (2, 1), (0, 1))
    mapped[:40, :60] = True  # found in vain
    found = check_draws(mapped, truth, 0.01)
    assert found.true == pytest.approx(truth.sum() * 0.01)
    assert found.mapped > 1.5 * found.true
    assert found.estimated == pytest.approx(found.true, rel=0.05)
    assert 0.9 <= found.held <= 0.99
    assert found.half_width < 0.5 * found.true


def test_a_perfect_map_has_an_interval_of_no_width(truth):
    found = check_draws(truth, truth, 0.01)
    assert found.estimated == pytest.approx(found.true)
    assert (found.half_width, found.held) == (0, 1)
