"""Draws of blocks against putting the drawn blocks' pixels together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.assessment.bootstrap import (
    block_draws,
    draw_average_precision,
    draw_rates,
    draw_roc_auc,
    interval,
    ranked_counts,
)
from groundshift.assessment.scores import Confusion, average_precision, decision, roc_auc


def make_blocks(seed, blocks=4, pixels=30, levels=12):
    generator = np.random.default_rng(seed)
    labels = [generator.random(pixels) < 0.2 for _ in range(blocks)]
    scores = [
        ((generator.integers(0, levels, pixels) + 4 * mine) / levels).astype(np.float32)
        for mine in labels
    ]
    return labels, scores


def drawn(arrays, draw):
    return np.concatenate([a for a, times in zip(arrays, draw, strict=True) for _ in range(times)])


@given(st.integers(0, 1000))
def test_a_draw_scores_as_its_pixels_put_together(seed):
    labels, scores = make_blocks(seed)
    draws = block_draws(4, 6, seed)
    counts = ranked_counts(labels, scores)
    areas, aucs = draw_average_precision(counts, draws), draw_roc_auc(counts, draws)
    table = np.array(
        [Confusion.count(a, s >= 0.6).counts for a, s in zip(labels, scores, strict=True)]
    )
    f1 = draw_rates(table, draws)["f1"]
    for i, draw in enumerate(draws):
        mine, theirs = drawn(labels, draw), drawn(scores, draw)
        expected = average_precision(mine, theirs).value
        if expected is None:
            assert np.isnan(areas[i])
            assert np.isnan(aucs[i])
            assert np.isnan(f1[i])
        else:
            assert areas[i] == pytest.approx(expected)
            assert aucs[i] == pytest.approx(roc_auc(mine, theirs).value)
            assert f1[i] == pytest.approx(decision(mine, theirs, 0.6)["f1"].value)


def test_grouping_a_long_ranking_hardly_changes_it():
    labels, scores = make_blocks(3, pixels=5000, levels=100_000)
    draws = np.ones((1, 4), np.int64)
    exact = average_precision(np.concatenate(labels), np.concatenate(scores)).value
    grouped = ranked_counts(labels, scores, groups=500)
    assert grouped.positives.shape[1] <= 500
    assert draw_average_precision(grouped, draws)[0] == pytest.approx(exact, abs=2e-3)


def test_grouping_never_parts_equal_scores():
    scores = [np.array([1, 1, 1, 1, 0.5, 0.4, 0.3, 0.2], np.float32)]
    labels = [np.array([True, False, True, False, True, False, False, True])]
    counts = ranked_counts(labels, scores, groups=4)
    assert (counts.positives + counts.negatives).tolist()[0][0] == 4


def test_draws_are_seeded_and_take_whole_blocks_with_replacement():
    draws = block_draws(4, 500, 7)
    assert (draws.sum(axis=1) == 4).all()
    assert draws.max() > 1
    assert draws.mean(axis=0) == pytest.approx(np.ones(4), abs=0.15)
    assert (draws == block_draws(4, 500, 7)).all()
    assert (draws != block_draws(4, 500, 8)).any()


def test_an_interval_holds_the_middle_of_the_draws():
    found = interval(np.arange(1001.0), blocks=4)
    assert found.as_json() == [25.0, 975.0]


def test_an_interval_needs_two_blocks_and_defined_draws():
    assert "1 block" in interval(np.ones(10), blocks=1).reason
    mostly_undefined = interval(np.array([1.0, np.nan, np.nan]), blocks=3)
    assert mostly_undefined.as_json() is None
    assert "1 of 3 draws" in mostly_undefined.reason
    assert interval(np.empty(0), blocks=3).as_json() is None
