"""The index against the published one where that is defined, and where it is not."""

import numpy as np
import pytest

from groundshift import reference
from groundshift.domain.signature import Sensor
from groundshift.errors import SettingsError
from groundshift.samples.labels.index import ClearMeans, IndexParts, beta, index_bands

BANDS = {"s12": (1, 2, 11, 12), "ers12ls5": (0, 1, 4, 6)}
COUNT = {"s12": 13, "ers12ls5": 7}


@pytest.mark.parametrize("era", ["s12", "ers12ls5"])
@pytest.mark.parametrize("shift", [0.25, 0.5])
def test_the_index_is_the_published_one_on_clear_ground(era, shift):
    rng = np.random.default_rng(1)
    mean = rng.uniform(0.02, 0.4, (20, 30, COUNT[era])).astype(np.float32)
    parts = IndexParts.of(mean[..., BANDS[era]])
    pixels, *sums = parts.sums()
    assert pixels == 600
    published = reference.beta_coefficients(mean, era)
    np.testing.assert_allclose(np.array(sums) / pixels, published, rtol=1e-5)
    assert beta(parts.sums()) == pytest.approx(float(reference.beta(published[None])), rel=1e-5)
    own = parts.endisi(0.26, shift)
    np.testing.assert_allclose(own, reference.endisi(mean, 0.26, shift, era), atol=1e-5)
    assert 0 < own.mean() < 1


def test_pixels_without_ground_have_no_index_and_no_part_in_beta():
    rng = np.random.default_rng(2)
    mean = rng.uniform(0.02, 0.4, (10, 10, 4)).astype(np.float32)
    before = beta(IndexParts.of(mean).sums())
    broken = np.concatenate([mean, mean[:1]])
    broken[10, 0] = (0.1, 0.1, 0.2, 0)  # x / 0: the published ratio becomes 3.4e38
    broken[10, 1] = 0  # never seen
    broken[10, 2] = np.nan
    broken[10, 3:] = (-0.01, 0.1, 0.1, 0.1)
    parts = IndexParts.of(broken)
    assert np.isnan(parts.endisi(before, 0.25)[10]).all()
    assert parts.sums()[0] == 100
    assert beta(parts.sums()) == pytest.approx(before)


def test_a_region_without_ground_has_no_beta():
    assert np.isnan(beta(IndexParts.of(np.zeros((3, 3, 4), np.float32)).sums()))


def test_means_take_the_clear_looks_of_a_window_and_no_others():
    rng = np.random.default_rng(3)
    values = rng.random((9, 4, 5, 4)).astype(np.float32)
    fresh = rng.random((9, 4, 5)) < 0.5
    fresh[:, 0, 0] = False
    fresh[:, 0, 1] = [True, *[False] * 8]
    means = ClearMeans.of(values, fresh, np.array([0, 3, 4, 7, 9, 12, 13, 20, 21]))
    found = means.mean(3, 13)
    chosen = np.where(fresh[1:6, ..., None], values[1:6], np.nan)
    with np.errstate(all="ignore"):
        expected = np.nansum(chosen, axis=0) / fresh[1:6].sum(axis=0)[..., None]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert np.isnan(found[0, :2]).all()  # never seen, and seen only before the window


def test_bands_are_found_by_what_they_see():
    landsat = Sensor("l5", "optical", "landsat_tm", ("B7", "B5", "B2", "B1"))
    assert index_bands(landsat) == (3, 2, 1, 0)
    with pytest.raises(SettingsError, match="no swir2 band: expected B12"):
        index_bands(Sensor("s2", "optical", "sentinel2", ("B02", "B03", "B11")))
