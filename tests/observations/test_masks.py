import numpy as np
import pytest

from groundshift.errors import SettingsError, SourceError
from groundshift.observations.masks import check_rule, valid_pixels
from groundshift.settings import MaskSettings

CLASSES = np.arange(12, dtype=np.uint8).reshape(3, 4)


def valid(numbers, nodata=(), **rule):
    return valid_pixels(np.asarray(numbers), MaskSettings(**rule), nodata=nodata, where="mask.tif")


def test_listed_classes_are_valid():
    found = valid(CLASSES, rule="values", valid=(4, 5, 6, 7))
    assert found.tolist() == [[False] * 4, [True] * 4, [False] * 4]


def test_any_rejected_bit_makes_a_pixel_invalid():
    # Landsat Collection 2 QA_PIXEL: fill, clear, cloud (high confidence), cloud shadow
    quality = np.array([[1, 21824, 22280, 23888]], np.uint16)
    found = valid(quality, rule="bits", reject=(0, 1, 2, 3, 4))
    assert found.tolist() == [[False, True, False, False]]


def test_bits_agree_with_counting_them_out():
    numbers = np.random.default_rng(0).integers(0, 2**16, (20, 20), dtype=np.uint16)
    reject = (0, 3, 9)
    expected = [[not any(int(n) >> bit & 1 for bit in reject) for n in row] for row in numbers]
    assert valid(numbers, rule="bits", reject=reject).tolist() == expected


def test_zero_and_nonzero_are_opposites_but_for_nodata_and_nan():
    numbers = np.array([[0, 1, 255, np.nan]])
    assert valid(numbers, rule="nonzero").tolist() == [[False, True, True, False]]
    assert valid(numbers, rule="nonzero", nodata=(255,)).tolist() == [[False, True, False, False]]
    assert valid(numbers, rule="zero", nodata=(0,)).tolist() == [[True, False, False, False]]


def test_a_boolean_mask_counts_as_it_is():
    assert valid([[True, False]], rule="nonzero").tolist() == [[True, False]]


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({"rule": "values"}, "valid.*SCL"),
        ({"rule": "bits"}, "reject.*QA"),
        ({"rule": "nonzero", "valid": (4, 5)}, "belongs to the rule 'values'"),
        ({"rule": "values", "valid": (4,), "reject": (1,)}, "belongs to the rule 'bits'"),
        ({"rule": "bits", "reject": (-1,)}, "bits 0 to 63"),
    ],
)
def test_a_rule_without_its_list_is_refused(rule, names):
    with pytest.raises(SettingsError, match=names):
        check_rule(MaskSettings(**rule), "sensors.s2.mask")


def test_bits_of_fractions_are_refused():
    with pytest.raises(SourceError, match=r"mask\.tif.*whole numbers, found float32"):
        valid(np.zeros((2, 2), np.float32), rule="bits", reject=(1,))
