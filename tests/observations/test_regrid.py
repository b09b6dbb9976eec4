import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from groundshift.observations.regrid import locate

UTM = "EPSG:32631"


def grid(shape, *, corner=(600000.0, 5600000.0), size=10.0, crs=UTM):
    return GeoBox(shape, Affine(size, 0, corner[0], 0, -size, corner[1]), crs)


def around(crs, margin):
    """A corner to the north west of the default grid's, in another reference system."""
    x, y = Transformer.from_crs(UTM, crs, always_xy=True).transform(600000, 5600000)
    return x - margin, y + margin


def in_window(image, lookup):
    return image[lookup.window]


@pytest.fixture
def image():
    return np.random.default_rng(3).uniform(0, 1, (12, 15))


def brute_bilinear(image, valid, row, column):
    """Mean of the four pixels around a point, weighted by nearness; None if none is valid."""
    top, left = int(np.floor(row - 0.5)), int(np.floor(column - 0.5))
    total = weight = 0.0
    for y in (top, top + 1):
        for x in (left, left + 1):
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1] and valid[y, x]:
                share = (1 - abs(row - 0.5 - y)) * (1 - abs(column - 0.5 - x))
                total += share * image[y, x]
                weight += share
    return total / weight if weight else None


def test_the_same_grid_is_copied_bit_by_bit(image):
    lookup = locate(grid((12, 15)), grid((12, 15)))
    assert lookup.on_pixels
    values, found = lookup.bilinear(in_window(image, lookup), np.ones((12, 15), bool))
    assert found.all()
    np.testing.assert_array_equal(values, image)


def test_a_shift_by_whole_pixels_is_a_crop_with_an_invalid_rim(image):
    lookup = locate(grid((12, 15)), grid((4, 6), corner=(600000 - 20, 5600000 + 10)))
    valid = np.ones((12, 15), bool)
    values, found = lookup.bilinear(in_window(image, lookup), in_window(valid, lookup))
    assert not found[0].any()
    assert not found[:, :2].any()
    np.testing.assert_array_equal(values[1:, 2:], image[:3, :4])
    np.testing.assert_array_equal(lookup.nearest(in_window(image, lookup))[1:, 2:], image[:3, :4])


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-40, 40),
    st.floats(-40, 40),
    st.sampled_from([5.0, 10.0, 7.5, 30.0]),
    st.integers(0, 2**32 - 1),
)
def test_bilinear_is_the_weighted_mean_of_the_valid_neighbours(dx, dy, size, seed):
    rng = np.random.default_rng(seed)
    image, valid = rng.uniform(0, 1, (9, 8)), rng.random((9, 8)) < 0.7
    source = grid((9, 8))
    target = grid((6, 7), corner=(600000 + dx, 5600000 + dy), size=size)
    lookup = locate(source, target)
    if lookup.window is None:
        return
    garbage = np.where(valid, image, np.nan)
    values, found = lookup.bilinear(in_window(garbage, lookup), in_window(valid, lookup))
    for y, x in np.ndindex(6, 7):
        row, column = lookup.rows[y, 0], lookup.columns[0, x]
        expected = brute_bilinear(image, valid, row, column)
        on = 0 <= row < 9 and 0 <= column < 8
        assert found[y, x] == (on and expected is not None)
        if found[y, x]:
            assert values[y, x] == pytest.approx(expected, abs=1e-12)


def test_an_invalid_pixel_gives_nothing_to_its_neighbours():
    image = np.full((6, 6), 0.1)
    image[2, 3] = 1e6
    valid = image < 1
    lookup = locate(grid((6, 6), size=20), grid((12, 12)))
    values, found = lookup.bilinear(image, valid)
    np.testing.assert_allclose(values[found], 0.1, rtol=1e-12)


def test_nearest_takes_the_pixel_in_which_the_centre_lies():
    image = np.arange(36.0).reshape(6, 6)
    lookup = locate(grid((6, 6), size=20), grid((12, 12)))
    np.testing.assert_array_equal(lookup.nearest(image), image.repeat(2, 0).repeat(2, 1))


def test_another_reference_system_is_located_within_a_thousandth_of_a_pixel():
    left, top = around("EPSG:32632", 500)
    source, target = grid((300, 300), crs="EPSG:32632", corner=(left, top)), grid((50, 60))
    lookup = locate(source, target)
    x, y = np.meshgrid(600005 + 10 * np.arange(60), 5599995 - 10 * np.arange(50))
    to_source = Transformer.from_crs(UTM, "EPSG:32632", always_xy=True)
    easting, northing = to_source.transform(x, y)
    np.testing.assert_allclose(lookup.columns, (easting - left) / 10, atol=1e-3)
    np.testing.assert_allclose(lookup.rows, (top - northing) / 10, atol=1e-3)
    assert lookup.inside.all()


@pytest.mark.parametrize("crs", [UTM, "EPSG:32632", "EPSG:3035", "EPSG:4326"])
def test_a_pixel_does_not_depend_on_the_cell_it_is_read_for(crs):
    margin, size = (0.01, 0.0003) if crs == "EPSG:4326" else (713.3, 28.5)
    source = grid((90, 90), corner=around(crs, margin), size=size, crs=crs)
    rng = np.random.default_rng(1)
    image, valid = rng.uniform(0, 1, (90, 90)), rng.random((90, 90)) < 0.8
    whole, part = grid((64, 64)), grid((20, 24), corner=(600170, 5599750))
    results = []
    for target in (whole, part):
        lookup = locate(source, target)
        results.append(lookup.bilinear(in_window(image, lookup), in_window(valid, lookup)))
    inside = (slice(25, 45), slice(17, 41))
    assert results[1][1].mean() > 0.9
    np.testing.assert_array_equal(results[0][0][inside], results[1][0])
    np.testing.assert_array_equal(results[0][1][inside], results[1][1])


def test_images_elsewhere_have_no_window():
    assert locate(grid((9, 9)), grid((9, 9), corner=(700000, 5600000))).window is None


def test_points_that_a_projection_cannot_reach_are_outside():
    world = GeoBox((90, 180), Affine(2, 0, -180, 0, -2, 90), "EPSG:4326")
    lookup = locate(grid((9, 9), crs="EPSG:32631"), world)
    assert lookup.inside.sum() <= 1


def test_a_rotated_image_is_read_where_it_lies(image):
    turned = GeoBox((12, 15), Affine(8, 6, 600000, 6, -8, 5600000), UTM)
    x, y = 600000 + 8 * 7.5 + 6 * 4.5, 5600000 + 6 * 7.5 - 8 * 4.5
    lookup = locate(turned, grid((1, 1), corner=(x - 5, y + 5)))
    assert lookup.nearest(in_window(image, lookup))[0, 0] == image[4, 7]
