"""Strata of pixels that were not mapped: next to change, doubtful, and the rest."""

import numpy as np
import pytest

from groundshift.assessment.strata import (
    BESIDE,
    DOUBTFUL,
    ELSEWHERE,
    beside,
    doubtful_above,
    expected_change,
)


def test_two_pixels_around_what_was_mapped_lie_beside_it():
    mapped = np.zeros((7, 7), bool)
    mapped[3, 3] = True
    near = beside(mapped)
    assert near.sum() == 12  # within two steps along rows and columns
    assert not near[3, 3]
    assert near[3, 5]
    assert not near[1, 1]


def test_a_fifth_of_the_other_pixels_is_doubtful_however_they_are_cut():
    scores = np.random.default_rng(0).random(1000).astype(np.float32)
    limit = doubtful_above([scores])
    assert (scores > limit).sum() == 200
    assert doubtful_above(np.split(scores, [100, 130])) == limit


@pytest.mark.parametrize("scores", [[], [np.zeros(9, np.float32)]])
def test_where_no_score_stands_out_no_pixel_is_doubtful(scores):
    limit = doubtful_above(scores)
    assert not any((piece > limit).any() for piece in scores)


def test_change_is_expected_most_where_it_was_mapped_and_least_far_from_it():
    order = ["2019", BESIDE, DOUBTFUL, ELSEWHERE]
    shares = [expected_change(name) for name in order]
    assert shares == sorted(shares, reverse=True)
    assert 0 < shares[-1] < shares[0] == 0.5
