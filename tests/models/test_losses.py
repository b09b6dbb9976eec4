import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundshift.models.losses import tanimoto_with_complement
from tests.reference.conftest import load


def test_losses_are_the_published_ones() -> None:
    archive = load("model/loss")
    truth, scores = archive["y_true"], archive["y_pred"]
    whole = float(tanimoto_with_complement(truth, scores))
    assert whole == pytest.approx(float(archive["whole_batch"]), abs=1e-5)
    each = tanimoto_with_complement(truth, scores, per_sample=True)
    np.testing.assert_allclose(each, archive["per_sample"], atol=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.booleans())
@settings(max_examples=25, deadline=None)
def test_loss_follows_its_formula(seed: int, border: int, per_sample: bool) -> None:
    generator = np.random.default_rng(seed)
    truth, scores = generator.random((2, 3, 7, 9)).astype(np.float32)
    inner = (slice(None), slice(border, 7 - border), slice(border, 9 - border))
    groups = [[0], [1], [2]] if per_sample else [[0, 1, 2]]
    expected = []
    for group in groups:
        y, p = truth[group][inner].astype(float), scores[group][inner].astype(float)
        similarity = [
            (a * b).sum() / ((a**2 + b**2).sum() - (a * b).sum() + 1e-4)
            for a, b in ((y, p), (1 - y, 1 - p))
        ]
        expected.append(1 - sum(similarity) / 2)
    found = tanimoto_with_complement(truth, scores, per_sample=per_sample, border=border)
    np.testing.assert_allclose(np.atleast_1d(found), expected, atol=1e-5)


def test_pixels_without_label_do_not_count() -> None:
    generator = np.random.default_rng(0)
    truth, scores = generator.random((2, 2, 6, 8)).astype(np.float32)
    unknown = truth.copy()
    unknown[:, :, 5:] = np.nan
    expected = tanimoto_with_complement(truth[:, :, :5], scores[:, :, :5], border=0)
    found = tanimoto_with_complement(unknown, scores, border=0)
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
