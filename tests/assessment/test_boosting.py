"""Features and repeatability of the boosted trees."""

from dataclasses import replace

import numpy as np
import pytest

from groundshift.assessment.boosting import BoostedTrees, features
from groundshift.assessment.strips import Spans, Strip
from tests.assessment.conftest import single_windows


@pytest.fixture
def strip(memory_cell):
    return Strip.of(memory_cell, slice(0, 6), slice(0, 7))


@pytest.fixture
def spans(memory_cell):
    return Spans.of(single_windows(memory_cell.times, 12))


def learnt(strip, spans, panel, seed=0):
    rows = list(features(strip, spans))
    labels = [np.nan_to_num(label).ravel() >= 0.5 for label in panel.labels]
    return BoostedTrees.fit(rows, labels, seed)


def test_a_row_holds_the_statistics_of_one_pixel(strip, spans):
    tables = list(features(strip, spans))
    assert len(tables) == len(spans)
    # 7 statistics of 2 + 2 + 6 bands and 3 indices, strength and change of steps per stream.
    assert tables[0].shape == (42, 7 * 13 + (1 + 2) * 2 + (1 + 3))
    pixel = 2 * 7 + 5
    assert tables[4][pixel, :2] == pytest.approx(strip.radar[0].mean(4, 16)[2, 5], rel=1e-5)


def test_trees_learn_what_they_are_shown_and_repeat(strip, spans, memory_panel):
    trees = learnt(strip, spans, memory_panel)
    scores = trees(strip, spans)
    assert scores.shape == memory_panel.labels.shape
    assert scores.min() >= 0
    assert scores.max() <= 1
    changed = memory_panel.labels >= 0.5
    assert scores[changed].mean() > scores[~changed].mean() + 0.2
    assert (learnt(strip, spans, memory_panel)(strip, spans) == scores).all()
    assert (learnt(strip, spans, memory_panel, seed=1)(strip, spans) != scores).any()


def test_trees_may_see_the_windows_before_and_after(strip, memory_cell):
    spans = Spans.of(single_windows(memory_cell.times, 6))
    inner = slice(6, len(spans) - 6)
    triples = replace(
        spans,
        ids=spans.ids[inner],
        current=spans.current[inner],
        previous=spans.current[inner] - 6,
        following=spans.current[inner] + 6,
    )
    own, tables = (list(features(strip, triples, neighbours=flag)) for flag in (False, True))
    assert len(own) == len(tables) > 0
    # 5 statistics more of 2 + 2 + 6 bands and 3 indices; first those of the first radar stream.
    assert tables[0].shape[1] - own[0].shape[1] == 5 * 13
    np.testing.assert_array_equal(tables[0][:, : own[0].shape[1]], own[0])
    first = own[0].shape[1]
    pixel, radar = 2 * 7 + 5, strip.radar[0]
    before, after = radar.mean(0, 6)[2, 5], radar.mean(12, 18)[2, 5]
    found = tables[0][pixel, first : first + 6]
    np.testing.assert_allclose(found, np.concatenate([before, after, after - before]), rtol=1e-5)
    labels = [np.arange(len(table)) % 2 == 0 for table in tables]
    trees = BoostedTrees.fit(tables, labels, 0, neighbours=True)
    assert trees(strip, triples).shape == (len(triples), 6, 7)
