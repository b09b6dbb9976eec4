import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize
from shapely import box

from groundshift.errors import SettingsError
from groundshift.observations.synthetic.ground import Ground, Window
from groundshift.observations.synthetic.surfaces import CLASSES, NUMBER, appearance
from groundshift.observations.synthetic.weather import Weather


def instant(day):
    return int(np.datetime64(day, "s").astype(int))


DURING = instant("2017-01-01"), instant("2019-07-01")
SPAN = instant("2016-01-01"), instant("2024-01-01")
LATER = instant("2019-06-01")


def ground(window, during=DURING):
    return Ground(window, seed=1, preset="city", span=SPAN, during=during)


def mixed(ground, table, time, flood=0.0):
    return np.concatenate([strip.mixed(table) for strip in ground.strips(time, flood)])


@pytest.fixture(scope="module")
def town():
    """Where a river, fields and town meet."""
    return Window(10.0, -560_450, 50_250, 100, 110)


@pytest.fixture(scope="module")
def whole(town):
    return ground(town)


def share(found, time, *names, flood=0.0):
    strips = found.strips(time, flood)
    return np.concatenate([s.share(tuple(NUMBER[n] for n in names)) for s in strips])


def test_every_pixel_is_wholly_of_something(whole):
    table = np.ones((len(CLASSES), 1), np.float32)
    np.testing.assert_allclose(mixed(whole, table, LATER), 1, atol=1e-6)


def test_roofs_are_smaller_than_a_pixel_and_streets_too(whole):
    for names in (("roof_tile", "roof_dark"), ("asphalt",)):
        found = share(whole, DURING[0], *names)
        some = found[found > 0]
        assert some.size > 100
        assert np.mean(some < 0.9) > 0.5, names


def test_a_part_of_the_ground_is_made_to_the_bit_as_in_the_whole(town, whole):
    part = Window(10.0, town.top + 37, town.left + 11, 41, 52)
    table = appearance(Weather(1), LATER).reflectance
    np.testing.assert_array_equal(
        mixed(ground(part), table, LATER), mixed(whole, table, LATER)[part.inside(town)]
    )


def test_what_is_over_before_the_period_looks_as_if_it_had_been_watched(town, whole):
    table = appearance(Weather(1), LATER).power
    shorter = ground(town, (LATER, LATER + 86_400))
    np.testing.assert_array_equal(mixed(shorter, table, LATER), mixed(whole, table, LATER))


def test_pixels_change_where_the_truth_says_and_nowhere_else(town, whole):
    west, north = town.left * 10.0, -town.top * 10.0
    grid = GeoBox.from_bbox(
        (west, north - 1000, west + 1100, north), crs="EPSG:32631", resolution=10, tight=True
    )
    truth = whole.events.truth("EPSG:32631", DURING, box(*grid.boundingbox.bbox))
    table = appearance(Weather(1), LATER).power
    moved = np.abs(mixed(whole, table, DURING[1] - 1) - mixed(whole, table, DURING[0])).sum(-1) > 0
    options = {"out_shape": grid.shape, "transform": grid.transform, "dtype": np.uint8}
    touched = rasterize(list(truth.geometry), all_touched=True, **options).astype(bool)
    core = rasterize(list(truth.geometry.buffer(-8)), **options).astype(bool)
    assert moved.sum() > 50
    assert not (moved & ~touched).any()
    assert np.mean(moved[core]) > 0.7, "partial changes leave some pixels as they are"


def test_rivers_rise_over_their_banks(whole):
    dry, wet = (share(whole, LATER, "water", flood=f) for f in (0.0, 1.0))
    assert wet.sum() > 1.5 * dry.sum() > 0
    assert (wet >= dry - 1e-6).all()


def test_another_resolution_shows_the_same_ground(town, whole):
    coarse = Window(30.0, *(-(-v // 3) for v in (town.top, town.left)), 20, 20)
    fine = Window(10.0, coarse.top * 3, coarse.left * 3, 60, 60)
    table = appearance(Weather(1), LATER).reflectance
    means = mixed(ground(fine), table, LATER).reshape(20, 3, 20, 3, -1).mean(axis=(1, 3))
    np.testing.assert_allclose(mixed(ground(coarse), table, LATER), means, atol=1e-5)


@pytest.mark.parametrize(
    ("bounds", "crs", "resolution"),
    [((5, 50, 5.1, 50.1), "EPSG:4326", 0.01), ((3, 0, 103, 100), "EPSG:32631", 10)],
)
def test_grids_that_are_no_whole_pixels_of_the_map_are_refused(bounds, crs, resolution):
    grid = GeoBox.from_bbox(bounds, crs=crs, resolution=resolution, tight=True)
    with pytest.raises(SettingsError, match="square pixels in metres"):
        Window.of(grid)
