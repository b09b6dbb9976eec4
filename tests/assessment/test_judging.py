"""A detector's scores pooled, by block and by ground, against plain counts."""

from dataclasses import replace

import numpy as np
import pytest

from groundshift.assessment.judging import Pooled, choose_threshold, judge, margin, region_scores
from groundshift.assessment.scores import NO_THRESHOLD, Score, average_precision, decision


@pytest.fixture
def test_panels(memory_panel):
    """Two blocks: the left with a decoy and one change, the right mostly changed."""
    left = memory_panel.labels.copy()
    decoys = np.zeros_like(left)
    decoys[3:6, 4:, :2] = 1
    second = replace(memory_panel.block, number=5)
    return [
        replace(memory_panel, labels=left, decoys=decoys),
        replace(memory_panel, block=second, labels=np.where(left > 0, np.float32(0.3), left)),
    ]


@pytest.fixture
def scores(test_panels):
    generator = np.random.default_rng(4)
    return [
        np.clip(
            generator.random(p.labels.shape) * 0.6 + 0.4 * np.nan_to_num(p.labels), 0, 1
        ).astype(np.float32)
        for p in test_panels
    ]


def judged(panels, scores, threshold=0.5, name="network", draws=50):
    return judge(name, panels, scores, Score(threshold), draws=draws, seed=1)


def test_pooled_scores_are_those_of_all_labelled_pixels(test_panels, scores):
    labels = np.concatenate([p.labels.ravel() for p in test_panels])
    values = np.concatenate([s.ravel() for s in scores])
    known = ~np.isnan(labels)
    found = judged(test_panels, scores)
    positives = labels[known] >= 0.5
    assert found.scores["pr_auc"] == average_precision(positives, values[known])
    assert found.scores["f1"] == decision(positives, values[known], 0.5)["f1"]
    assert found.scores["prevalence"].value == pytest.approx(positives.mean())
    assert found.intervals.keys() >= {"pr_auc", "roc_auc", "f1", "kappa"}
    assert found.pr_curve["recall"].iloc[-1] == 1


def test_blocks_stand_alone_and_say_null_without_a_change(test_panels, scores):
    blocks = judged(test_panels, scores).blocks.set_index("block")
    assert blocks.index.tolist() == [3, 5]
    assert blocks.loc[3, "positives"] == int((test_panels[0].labels >= 0.5).sum())
    assert blocks.loc[5, "positives"] == 0
    assert blocks["pr_auc"].isna().tolist() == [False, True]


def test_parts_of_a_block_in_two_cells_count_as_one_block(test_panels, scores):
    same = [replace(p, block=replace(p.block, number=3)) for p in test_panels]
    pooled = Pooled.of(same, scores)
    assert pooled.blocks == (3,)
    assert len(pooled.all_labels) == sum(int((~np.isnan(p.labels)).sum()) for p in same)
    assert "1 block" in judged(same, scores).intervals["pr_auc"].reason


def test_ground_is_told_apart(test_panels, scores):
    kinds = judged(test_panels, scores).kinds.set_index("kind")
    labels, decoys = test_panels[0].labels, test_panels[0].decoys
    assert kinds.loc["change", "pixels"] == (labels >= 0.5).sum()
    assert kinds.loc["change", "mean_score"] == pytest.approx(scores[0][labels >= 0.5].mean())
    mine = scores[0][(decoys >= 0.5) & ~np.isnan(labels)]
    assert kinds.loc["decoy", "pixels"] == mine.size
    assert kinds.loc["decoy", "share_detected"] == pytest.approx((mine >= 0.5).mean())
    # Neither changed in part (0.3) nor a decoy.
    rest = (labels == 0) & (decoys == 0)
    assert kinds.loc["unchanged", "pixels"] == rest.sum() + (test_panels[1].labels == 0).sum()


def test_the_threshold_of_validation_gives_the_best_f1_there(test_panels, scores):
    best = choose_threshold(test_panels, scores)
    values = {t: judged(test_panels, scores, t).scores["f1"].value for t in (0.3, 0.5, 0.7)}
    assert judged(test_panels, scores, best.value).scores["f1"].value >= max(values.values())


def test_a_detector_is_never_ahead_of_itself(test_panels, scores):
    first = judged(test_panels, scores)
    second = judged(test_panels, [1 - s for s in scores], name="other")
    assert margin(first, first).as_json() == [0, 0]
    low, high = margin(first, second).as_json()
    assert 0 < low <= high


def test_regions_pool_windows_and_blocks(test_panels, scores):
    perfect = [np.where(p.labels >= 0.5, 1, 0).astype(np.float32) for p in test_panels]
    found = region_scores(test_panels, perfect, Score(0.5), tolerance=0)
    assert found["boundary_f1"].value == found["miou"].value == 1
    worse = region_scores(test_panels, scores, Score(0.5), tolerance=0)
    assert 0 < worse["miou"].value < 1
    assert worse["boundary_f1"].value < 1


def test_without_a_threshold_only_the_ranking_is_scored(test_panels, scores):
    none = Score(None, NO_THRESHOLD)
    found = judge("network", test_panels, scores, none, draws=10, seed=0)
    assert found.scores["pr_auc"].value is not None
    assert found.scores["f1"] == none
    assert found.kinds["share_detected"].isna().all()
    assert set(region_scores(test_panels, scores, none, 1).values()) == {none}


def test_without_a_block_every_score_is_null():
    found = judge("network", [], [], Score(0.5), draws=10, seed=0)
    assert all(score.value is None and score.reason for score in found.scores.values())
    assert found.intervals == {}
