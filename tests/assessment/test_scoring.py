"""Scores of baselines strip by strip, and what the trees learn from."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from groundshift.assessment import scoring
from groundshift.assessment.baselines import radar_step
from groundshift.assessment.scoring import StripReader, fit_trees, score_panels, without
from groundshift.assessment.strips import Strip
from groundshift.errors import ContractError


@pytest.fixture
def cube(memory_cell):
    return SimpleNamespace(cells={"c": memory_cell})


@pytest.fixture
def part(memory_panel):
    """Rows 1 to 5 and columns 2 to 6 of the cell."""
    inside = np.ones((5, 5), bool)
    block = replace(memory_panel.block, rows=slice(1, 6), columns=slice(2, 7), inside=inside)
    labels, decoys = (a[:, 1:, 2:] for a in (memory_panel.labels, memory_panel.decoys))
    return replace(memory_panel, block=block, labels=labels, decoys=decoys)


def test_strips_put_together_are_the_whole_block(part, cube, memory_cell, monkeypatch):
    whole = radar_step(Strip.of(memory_cell, slice(1, 6), slice(2, 7)), part.spans)
    monkeypatch.setattr(scoring, "_STRIP_VALUES", 24 * 10 * 5 * 2)  # two rows at a time
    reader = StripReader(cube)
    assert [rows for rows, _ in reader.strips(part.block)] == [
        slice(0, 2),
        slice(2, 4),
        slice(4, 5),
    ]
    [scores] = score_panels(radar_step, [part], reader)
    np.testing.assert_array_equal(scores, whole)


def test_strips_of_a_small_area_are_read_once(part, cube):
    reader = StripReader(cube)
    [(_, first)] = reader.strips(part.block)
    [(_, second)] = reader.strips(part.block)
    assert first is second
    reader = StripReader(cube, kept=0)
    [(_, first)] = reader.strips(part.block)
    [(_, second)] = reader.strips(part.block)
    assert first is not second


def test_trees_learn_from_labelled_pixels(part, cube, monkeypatch):
    learnt = []

    def fit(rows, labels, seed, neighbours):
        learnt.extend(zip(rows, labels, strict=True))
        return "fitted"

    monkeypatch.setattr(scoring.BoostedTrees, "fit", staticmethod(fit))
    labels = part.labels.copy()
    labels[:, 0] = np.nan
    assert fit_trees([replace(part, labels=labels)], StripReader(cube), 0) == "fitted"
    assert len(learnt) == len(part.windows)
    table, positive = learnt[3]
    assert len(table) == len(positive) == 20
    assert positive.reshape(4, 5).tolist() == [[False] * 2 + [True] * 3] * 4


def test_of_many_pixels_the_trees_take_some_and_the_same_again(part, cube, monkeypatch):
    counts = []

    def fit(rows, labels, seed, neighbours):
        counts.append([len(label) for label in labels])
        return "fitted"

    monkeypatch.setattr(scoring.BoostedTrees, "fit", staticmethod(fit))
    monkeypatch.setattr(scoring, "TRAINING_ROWS", 100)
    monkeypatch.setattr(scoring, "_FEWEST_WINDOWS", 4)
    fit_trees([part], StripReader(cube), 0)
    fit_trees([part], StripReader(cube), 0)
    assert counts[0] == counts[1]
    # 13 windows of 25 pixels: every third window, and of its pixels about nine in ten.
    assert len(counts[0]) == 5
    assert 60 < sum(counts[0]) < 125


def test_labels_of_one_kind_teach_nothing(part, cube):
    same = replace(part, labels=np.zeros_like(part.labels))
    assert fit_trees([same], StripReader(cube), 0) == (
        "0 of 325 training pixels are positive: nothing to tell apart"
    )
    assert "0 of 0" in fit_trees([], StripReader(cube), 0)


def test_pixels_that_a_detector_does_not_score_lose_their_label(part):
    scores = np.zeros(part.labels.shape, np.float32)
    scores[2, 0, 0] = np.nan
    [found] = without([part], [scores])
    assert np.isnan(found.labels[2, 0, 0])
    assert np.isnan(found.labels).sum() == np.isnan(part.labels).sum() + 1
    with pytest.raises(ContractError, match="differ in shape"):
        without([part], [scores[1:]])
