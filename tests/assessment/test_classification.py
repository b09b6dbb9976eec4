import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from groundshift.assessment.classification import Classified, draw_confusion


@pytest.fixture
def answers():
    rng = np.random.default_rng(4)
    truth = rng.integers(1, 4, 500).astype(np.uint8)
    mapped = np.where(rng.random(500) < 0.7, truth, rng.integers(1, 4, 500)).astype(np.uint8)
    return truth, mapped, rng.integers(0, 9, 500)


def test_scores_are_those_of_scikit_learn(answers):
    truth, mapped, _ = answers
    judged = Classified.of("x", ("a", "b", "c"), *answers)
    assert judged.scores["accuracy"] == pytest.approx(accuracy_score(truth, mapped), abs=1e-6)
    assert judged.scores["macro_f1"] == pytest.approx(
        f1_score(truth, mapped, average="macro"), abs=1e-6
    )
    assert judged.scores["miou"] == pytest.approx(
        jaccard_score(truth, mapped, average="macro"), abs=1e-6
    )
    table = judged.table().set_index("class")
    np.testing.assert_allclose(table["iou"], jaccard_score(truth, mapped, average=None))
    np.testing.assert_allclose(table["f1"], f1_score(truth, mapped, average=None))
    assert table["samples"].sum() == judged.confusion.sum() == 500


def test_a_class_without_samples_is_not_counted_and_has_no_recall():
    truth, mapped = np.array([1, 1, 2], np.uint8), np.array([1, 1, 2], np.uint8)
    judged = Classified.of("x", ("a", "b", "c"), truth, mapped, np.zeros(3, np.int64))
    assert judged.scores == {"accuracy": 1, "macro_f1": 1, "miou": 1}
    assert np.isnan(judged.table()["recall"][2])
    nothing = np.zeros(0, np.uint8)
    empty = Classified.of("x", ("a", "b"), nothing, nothing, np.zeros(0, np.int64))
    assert empty.scores == {"accuracy": None, "macro_f1": None, "miou": None}


def test_intervals_are_drawn_over_blocks(answers):
    judged = Classified.of("x", ("a", "b", "c"), *answers)
    limits = judged.intervals(300, 0)["miou"]
    assert limits.low < judged.scores["miou"] < limits.high
    drawn = judged.drawn(300, 0)["accuracy"]
    assert drawn.mean() == pytest.approx(judged.scores["accuracy"], abs=0.02)
    np.testing.assert_array_equal(drawn, judged.drawn(300, 0)["accuracy"])


def test_the_picture_is_the_same_every_time(answers, tmp_path):
    judged = Classified.of("x", ("a", "b", "c"), *answers)
    for name in ("one.png", "two.png"):
        draw_confusion(tmp_path / name, judged, "title")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
