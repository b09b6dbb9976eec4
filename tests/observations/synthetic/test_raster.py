import numpy as np
import pytest

from groundshift.observations.synthetic.raster import coarsened, displaced

IMAGE = np.random.default_rng(0).random((12, 18, 2), np.float32)


def test_whole_pixels_move_as_they_are():
    moved = displaced(IMAGE, 2, -3)
    np.testing.assert_array_equal(moved[2:, :-3], IMAGE[:-2, 3:])


def test_half_a_pixel_is_the_mean_of_two():
    moved = displaced(IMAGE, 0.5, 0)
    np.testing.assert_allclose(moved[1:], (IMAGE[1:] + IMAGE[:-1]) / 2, rtol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 6])
def test_coarse_pixels_are_means_that_stay_where_they_were(factor):
    band = IMAGE[..., 0]
    found = coarsened(band, factor)
    blocks = band.reshape(12 // factor, factor, 18 // factor, factor).mean(axis=(1, 3))
    np.testing.assert_allclose(found[::factor, ::factor], blocks, rtol=1e-6)
    np.testing.assert_array_equal(found[::factor], found[factor - 1 :: factor])
