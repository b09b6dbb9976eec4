"""The label card: its counts against arrays, its score against scikit-learn."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from groundshift.samples.labels.card import LabelCard, average_precision


@given(st.integers(1, 200), st.integers(0, 10**6), st.integers(2, 20))
def test_average_precision_is_scikit_learn_s(size, seed, levels):
    rng = np.random.default_rng(seed)
    scores, truth = rng.integers(0, levels, size), rng.random(size) < 0.3
    truth[0] = True
    positives, negatives = (np.bincount(scores[t], minlength=levels) for t in (truth, ~truth))
    assert average_precision(positives, negatives) == pytest.approx(
        average_precision_score(truth, scores)
    )


def test_without_positives_there_is_no_score_but_a_reason(tmp_path):
    card = LabelCard({"gain": 10})
    card.add_agreement(*(np.zeros((2, 3, 3), np.float32) for _ in range(3)))
    assert card.average_precision is None
    assert card.prevalence == 0
    card.write(tmp_path / "label_card")
    document = json.loads((tmp_path / "label_card.json").read_text())
    assert "no urban change" in document["agreement"]["reason"]
    assert "Not scored: no urban change" in (tmp_path / "label_card.md").read_text()


@pytest.fixture
def card(rng):
    """A filled card, and the arrays it was filled with."""
    truth = np.zeros((4, 20, 20), np.float32)
    truth[:, :4], truth[:, 4:6], truth[:, 6] = 1, 0.3, np.nan
    other = np.zeros_like(truth)
    other[:, 7:9] = 1
    synthetic = np.clip(0.5 * truth + 0.4 * rng.random(truth.shape), 0, 1).astype(np.float32)
    synthetic[np.isnan(synthetic)] = 0.2
    synthetic[0, 0, :5] = np.nan
    made = LabelCard({"gain": 10.0, "shift": 0.25}, warnings=["mind this"])
    for part in (slice(0, 1), slice(1, 4)):  # blocks add up
        made.truth.add(truth[part])
        made.synthetic.add(synthetic[part])
        made.add_agreement(synthetic[part], truth[part], other[part])
    return made, synthetic, truth


def test_the_card_counts_labels_by_class_of_the_truth(card):
    made, synthetic, truth = card
    document = made.document()
    assert document["truth"]["without_label"] == 80
    assert document["synthetic"]["without_label"] == 5
    assert sum(document["synthetic"]["histogram"]) == 1595
    assert document["synthetic"]["mean"] == pytest.approx(np.nanmean(synthetic), abs=1e-3)
    classes = document["agreement"]["classes"]
    assert {name: values["labels"] for name, values in classes.items()} == {
        "urban": 4 * 80 - 5, "partly": 160, "other": 160, "unchanged": 4 * 11 * 20
    }  # fmt: skip
    known = ~np.isnan(truth) & ~np.isnan(synthetic)
    expected = average_precision_score(truth[known] >= 0.5, np.rint(synthetic[known] * 1000))
    assert document["agreement"]["average_precision"] == pytest.approx(expected)
    assert document["agreement"]["prevalence"] == pytest.approx((truth[known] >= 0.5).mean())


def test_the_card_is_written_for_people_and_programs(card, tmp_path):
    made = card[0]
    paths = made.write(tmp_path / "label_card")
    assert [path.name for path in paths] == ["label_card.json", "label_card.md", "label_card.png"]
    text = paths[1].read_text()
    for expected in ("**Mind:** mind this", "| urban | 315 | 5 |", "no score of a model", "gain"):
        assert expected in text
    assert paths[2].read_bytes().startswith(b"\x89PNG")
    again = tmp_path / "again"
    made.write(again)
    assert paths[2].read_bytes() == again.with_suffix(".png").read_bytes()


def test_the_card_tells_the_shift_that_would_fit():
    card = LabelCard({})
    rng = np.random.default_rng(1)
    wanted = rng.uniform(0.4, 0.8, (5, 2, 30, 30)).astype(np.float32)
    index = np.zeros_like(wanted)
    index[0], index[1, :, 0] = 0.1, np.nan
    card.add_index(index, wanted)
    assert card.flat_share == pytest.approx((4 * 900 - 30) / (5 * 900 - 30))
    assert card.fitting_shift == pytest.approx(np.quantile(wanted, 0.95), abs=0.06)
    assert LabelCard({}).fitting_shift is None
