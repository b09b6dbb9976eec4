import numpy as np
import pytest
from scipy.stats import chi2

from groundshift.errors import SettingsError
from groundshift.reference import change_frequency
from groundshift.reference.omnibus import Omnibus, chi_square
from tests.reference.conftest import load

LOOKS = {"s12": 4, "ers12ls5": 3}
SIGNIFICANCE = {"s12": 0.001, "ers12ls5": 0.1}
ARCHIVE = load("label/omnibus")
SETS = [key.removesuffix("/input") for key in ARCHIVE if key.endswith("/input")]
TRACED = [name for name in SETS if f"{name}/Z" in ARCHIVE]

ROUNDING = 1e-11
"""Z is a difference of terms of up to 1e5: a value below this is what their rounding left."""


def parameters(name: str) -> dict:
    era = name.split("/")[0]
    significance = float(name.split("sig")[1]) if "sig" in name else SIGNIFICANCE[era]
    return {"looks": LOOKS[era], "significance": significance}


@pytest.mark.parametrize("name", SETS)
def test_frequency_is_the_published_one(name: str) -> None:
    frequency = change_frequency(ARCHIVE[f"{name}/input"], **parameters(name))
    np.testing.assert_array_equal(frequency, ARCHIVE[f"{name}/frequency"])


@pytest.mark.parametrize("name", TRACED)
def test_every_comparison_is_the_published_one(name: str) -> None:
    series = ARCHIVE[f"{name}/input"]
    test = Omnibus(series[0], **parameters(name))
    comparisons = [test.compare(look) for look in series[1:]]
    statistic = np.stack([c.statistic for c in comparisons])
    np.testing.assert_allclose(statistic, ARCHIVE[f"{name}/Z"], rtol=1e-9, atol=ROUNDING)
    changes = np.stack([c.change for c in comparisons])
    np.testing.assert_array_equal(changes, ARCHIVE[f"{name}/changes"])
    # The square root of Z, which is what the distributions of one degree see, magnifies rounding.
    for part, values in (("cdf_f", "low"), ("cdf_f4", "high")):
        found = np.stack([getattr(c, values) for c in comparisons])
        np.testing.assert_allclose(found, ARCHIVE[f"{name}/{part}"], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(test.count, ARCHIVE[f"{name}/cnt_end"])
    np.testing.assert_allclose(test.sum_first, ARCHIVE[f"{name}/k_end"], rtol=1e-15)
    if f"{name}/xsi_end" in ARCHIVE:
        np.testing.assert_allclose(test.sum_second, ARCHIVE[f"{name}/xsi_end"], rtol=1e-15)


@pytest.mark.parametrize("freedom", [1, 2])
def test_distribution_in_closed_form_is_the_general_one(freedom: int) -> None:
    statistic = np.concatenate([[-1.0, 0.0], np.geomspace(1e-12, 1e4, 500)])
    low, high = chi_square(statistic, freedom)
    np.testing.assert_allclose(low, chi2.cdf(statistic, freedom), rtol=0, atol=5e-15)
    np.testing.assert_allclose(high, chi2.cdf(statistic, freedom + 4), rtol=0, atol=5e-15)


def test_second_polarisation_starts_late_and_is_not_reset() -> None:
    series = np.full((3, 1, 1, 2), 0.5, np.float32)
    test = Omnibus(series[0], looks=4, significance=0.001)
    assert test.sum_second == 0
    first = test.compare(series[1])
    assert first.change.all()  # a constant series, and still a change (quirk Q11)
    assert test.sum_first == 2  # reset to this look alone
    assert test.sum_second == 2
    assert not test.compare(series[2]).change.any()
    assert test.sum_second == 4  # not reset (quirk Q12)


def test_never_observed_pixels_do_not_change() -> None:
    series = np.zeros((5, 2, 3, 2), np.float32)
    assert (change_frequency(series, looks=4, significance=0.001) == 0).all()


@pytest.mark.parametrize("shape", [(0, 2, 2, 1), (3, 2, 2), (3, 2, 2, 3)])
def test_other_series_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match="one or two polarisations, found shape"):
        change_frequency(np.ones(shape, np.float32), looks=4, significance=0.1)
