import numpy as np
import pytest

from groundshift.errors import SettingsError
from groundshift.reference import aggregate_maximum, augment, draw_windows
from groundshift.reference.transfer import AUGMENTATIONS
from tests.reference.conftest import load


@pytest.mark.parametrize("sample", range(AUGMENTATIONS))
def test_augmented_windows_are_the_published_ones(sample: int) -> None:
    archive = load("transfer/augment")
    window = archive["codes"][sample].astype(np.float32) / 256
    window[archive["lengths"][sample] :] = -1
    code = int(archive["augment_codes"][sample])
    values, label = augment(window, archive["label"][sample], code)
    np.testing.assert_array_equal(values, archive["output"][sample])
    np.testing.assert_array_equal(label, archive["label_output"][sample])


def test_maximum_is_the_published_one() -> None:
    archive = load("transfer/aggregate")
    np.testing.assert_array_equal(aggregate_maximum(archive["outputs"]), archive["maximum"])


@pytest.mark.parametrize(("site", "least", "most"), [("liege", 45, 55), ("mariupol", 40, 49)])
def test_draws_begin_at_twenty_and_keep_their_distance(site: str, least: int, most: int) -> None:
    for seed in range(50):
        drawn = draw_windows(np.random.default_rng(seed), 540, site=site)
        assert drawn[0] == 20
        gaps = np.diff(drawn)
        assert gaps.min() >= least
        assert gaps.max() <= most
        assert drawn.max() < 540
    assert draw_windows(np.random.default_rng(0), 30).tolist() == [20]
    assert draw_windows(np.random.default_rng(0), 20).size == 0


def test_unknown_codes_are_refused() -> None:
    with pytest.raises(SettingsError, match="expected 0 to 15, found 16"):
        augment(np.zeros((1, 2, 2, 1), np.float32), np.zeros((2, 2), np.float32), 16)
