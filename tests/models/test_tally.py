import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from groundshift.models.losses import tanimoto_with_complement
from groundshift.models.tally import Tally


@pytest.mark.parametrize("border", [0, 1])
def test_tally_is_the_loss_and_average_precision_of_all_samples_together(border):
    rng = np.random.default_rng(1)
    labels = (rng.random((9, 6, 7)) ** 4).astype(np.float32)
    scores = np.clip(labels + rng.normal(0, 0.3, labels.shape), 0, 1).astype(np.float32)
    labels[2, :3] = np.nan
    tally = Tally(border)
    for part in (slice(0, 4), slice(4, 8), slice(8, 9)):
        tally.add(labels[part], scores[part])
    expected = float(tanimoto_with_complement(labels, scores, border=border))
    assert tally.loss == pytest.approx(expected, abs=1e-6)
    known = ~np.isnan(labels)
    area = average_precision_score(labels[known] >= 0.5, scores[known])
    assert tally.pr_auc == pytest.approx(area, abs=1e-3)


def test_without_a_changed_pixel_there_is_no_average_precision():
    tally = Tally()
    tally.add(np.zeros((1, 4, 4), np.float32), np.full((1, 4, 4), 0.3, np.float32))
    assert tally.pr_auc is None
