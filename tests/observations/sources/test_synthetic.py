"""The city as a source: what a pass sees, on any grid, of any era."""

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from groundshift.domain.cells import Cell
from groundshift.errors import SettingsError
from groundshift.observations.sources.synthetic import SyntheticSource
from groundshift.settings import CitySettings, PeriodSettings

WEST, NORTH = 502_500, 5_604_510
PERIOD = PeriodSettings(start="2018-01-01", end="2018-07-01")


def cell(rows=60, columns=72, *, down=0, right=0, resolution=10.0):
    """A place whose corner lies on whole pixels of 10 and of 30 m."""
    west, north = WEST + right * resolution, NORTH - down * resolution
    bounds = (west, north - rows * resolution, west + columns * resolution, north)
    grid = GeoBox.from_bbox(bounds, crs="EPSG:32631", resolution=resolution, tight=True)
    return Cell(f"c_{columns}x{rows}", grid, 0)


def city(*cells, period=PERIOD, **settings):
    chosen = CitySettings(**({"seed": 1} | settings))
    return SyntheticSource(chosen, cells=cells or (cell(),), period=period)


def passes(source, sensor):
    return [item for item in source.acquisitions if item.sensor == sensor]


def read(source, acquisition, place=None):
    with source.open(acquisition) as scene:
        return scene.read((place or cell()).grid)


def clear(source, sensor="s2"):
    """The first image that is mostly clear, and its acquisition."""
    for item in passes(source, sensor):
        image = read(source, item)
        if image.valid.mean() > 0.9:
            return item, image
    raise AssertionError("no clear day")


def decibels(power):
    return 10 * np.log10(power)


def test_the_same_seed_is_the_same_city_and_another_one_is_not():
    item = passes(city(), "s1_088")[3]
    once, again, other = (read(city(seed=seed), item).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert np.abs(decibels(once) - decibels(other)).mean() > 1


@pytest.mark.parametrize("sensor", ["s1_088", "s1_110", "s2"])
def test_an_area_cut_into_cells_gives_the_same_pixels_in_any_order(sensor):
    whole, part = cell(), cell(23, 31, down=17, right=29)
    source, alone = city(whole, part), city(part)
    for item in passes(source, sensor)[9:5:-1]:
        seen, expected = read(alone, item, part), read(source, item)
        inside = slice(17, 40), slice(29, 60)
        np.testing.assert_array_equal(seen.values, expected.values[inside])
        np.testing.assert_array_equal(seen.valid, expected.valid[inside])


def test_a_longer_period_changes_no_image_and_adds_passes():
    longer = PeriodSettings(start="2017-03-01", end="2019-01-01")
    short, long = city(), city(period=longer)
    assert set(short.acquisitions) < set(long.acquisitions)
    for sensor in ("s1_110", "s2"):
        item = passes(short, sensor)[7]
        np.testing.assert_array_equal(read(short, item).values, read(long, item).values)
    assert short.inputs != long.inputs
    assert short.inputs == city().inputs


def test_bands_units_and_types_are_those_of_the_products():
    level1, level2 = city().sensors["s2"], city(level="L2A").sensors["s2"]
    assert len(level1.bands) == 13
    assert " ".join(level2.bands) == "B02 B03 B04 B05 B06 B07 B08 B8A B11 B12"
    assert (level1.dtype, level1.scale, level1.units) == ("uint16", 1e-4, "reflectance")
    radar = city().sensors["s1_088"]
    assert (radar.bands, radar.units, radar.dtype) == (("VV", "VH"), "linear power", "float32")
    assert radar.orbit != city().sensors["s1_110"].orbit


def test_radar_passes_every_six_days_but_when_a_platform_fails():
    outage = {"start": "2018-02-01", "end": "2018-04-01"}
    whole, failed = (passes(city(outage=o), "s1_110") for o in (None, outage))
    assert set(np.diff([item.time for item in whole])) == {6 * 86_400}
    lost = set(whole) - set(failed)
    assert {item.platform for item in lost} == {"S1B"}
    assert len(lost) == 5
    days = [str(np.datetime64(item.time, "s"))[:10] for item in lost]
    assert all("2018-02-01" <= day < "2018-04-01" for day in days)


def test_speckle_has_the_looks_that_are_asked_for():
    """Two cities that differ in their speckle alone: what is left of it is theirs."""
    item = passes(city(), "s1_088")[3]
    smooth = read(city(looks=1e5), item).values
    for looks in (1.0, 4.4):
        factor = read(city(looks=looks), item).values / smooth
        assert factor.mean() == pytest.approx(1, abs=0.05)
        assert factor.var() == pytest.approx(1 / looks, rel=0.1)


def test_orbits_see_buildings_lie_over_to_different_sides():
    source = city(looks=1e5, misregistration=0)
    west, east = (read(source, passes(source, name)[3]).values[..., 0] for name in source.sensors
                  if name.startswith("s1"))  # fmt: skip
    strong = [np.quantile(image, 0.97) for image in (west, east)]
    one, other = west > strong[0], east > strong[1]
    agreement = [
        np.mean(one[:, 4:-4] & np.roll(other, -by, axis=1)[:, 4:-4]) for by in range(-3, 4)
    ]
    assert np.argmax(agreement) - 3 in (1, 2), "descending echoes lie further east"


def test_images_lie_off_a_little_on_most_dates_and_much_on_some():
    true, moved = city(looks=1e5, misregistration=0), city(looks=1e5)
    off = []
    for item in passes(true, "s1_088"):
        there, here = (decibels(read(source, item).values) for source in (true, moved))
        off.append(np.abs(here - there).mean())
    assert np.median(off) < 0.2
    assert max(off) > 0.4


def test_coarse_bands_have_the_pixels_of_their_sensor():
    _, image = clear(city())
    bands = city().sensors["s2"].bands
    first = NORTH // 10 % 6  # the first row of a pixel of 60 m
    for name, factor in (("B01", 6), ("B11", 2)):
        band = image.values[first : first + 48, :, bands.index(name)]
        valid = image.valid[first : first + 48]
        same = (band[0::factor] == band[factor - 1 :: factor])[valid[0::factor]]
        assert same.mean() > 0.95, name
    fine = image.values[..., bands.index("B04")]
    assert np.mean(fine[::2] == fine[1::2]) < 0.1


def test_clouds_cover_some_days_and_masks_miss_some_of_them():
    source = city()
    images = [read(source, item) for item in passes(source, "s2")]
    shares = np.array([image.valid.mean() for image in images])
    assert 0.15 < np.mean(shares == 0) < 0.6
    assert np.mean(shares > 0.95) > 0.2
    assert ((shares > 0.05) & (shares < 0.95)).any()
    blue = source.sensors["s2"].bands.index("B02")
    brightest = [
        image.values[..., blue][image.valid].max() for image in images if image.valid.any()
    ]
    usual = np.median(brightest)
    assert max(brightest) > usual + 0.1, "a cloud that the mask has missed"


def test_the_air_brightens_the_blue_of_level_1():
    summer = PeriodSettings(start="2018-05-01", end="2018-09-01")
    item, level1 = clear(city(period=summer, misregistration=0))
    level2 = read(city(period=summer, level="L2A", misregistration=0), item)
    both = level1.valid & level2.valid
    blue = np.median(level1.values[both][:, 1]) - np.median(level2.values[both][:, 0])
    infrared = np.median(level1.values[both][:, 11]) - np.median(level2.values[both][:, 8])
    assert blue > 0.04 > abs(infrared)


def test_the_offset_of_later_baselines_is_taken_off_unless_it_is_asked_for():
    period = PeriodSettings(start="2021-12-01", end="2022-04-01")
    source, raw = (city(period=period, harmonised=h) for h in (True, False))
    known = {item.baseline for item in passes(source, "s2")}
    assert known == {"0301", "0400"}
    for item in passes(source, "s2"):
        image = read(source, item)
        if image.valid.any():
            found = read(raw, item).values - image.values
            expected = 0.1 if item.baseline == "0400" else 0
            assert np.median(found[image.valid]) == pytest.approx(expected, abs=1e-6)


def test_landsat_5_and_ers_see_the_same_kind_of_city():
    period = PeriodSettings(start="1996-01-01", end="1997-01-01")
    place = cell(40, 40, resolution=30.0)
    source = city(place, period=period, era="ers12ls5")
    assert list(source.sensors) == ["ers_258", "ers_423", "l5"]
    assert source.sensors["l5"].bands == ("B1", "B2", "B3", "B4", "B5", "B6", "B7")
    assert source.sensors["l5"].dtype == "float32", "kelvin"
    assert {item.platform for item in passes(source, "ers_258")} == {"ERS-1", "ERS-2"}
    radar = read(source, passes(source, "ers_258")[0], place)
    assert radar.values.shape == (40, 40, 1)
    images = [read(source, item, place) for item in passes(source, "l5")]
    seen = next(image for image in images if image.valid.mean() > 0.9)
    kelvin = seen.values[seen.valid][:, 5]
    assert 255 < kelvin.min() < kelvin.max() < 330
    assert len(source.truth) > 0


def test_the_truth_is_that_of_the_whole_area_whichever_cell_is_read():
    left, right = cell(60, 36), cell(60, 36, right=36)
    truth = city(left, right).truth
    assert truth["id"].tolist() == city().truth["id"].tolist()
    assert truth.crs == "EPSG:32631"
    assert set(truth) >= {"geometry", "id", "kind", "start", "end", "strength", "plot"}


def test_new_buildings_brighten_the_radar():
    period = PeriodSettings(start="2017-01-01", end="2020-01-01")
    place = cell(200, 200, down=-200, right=100)
    source = city(place, period=period, looks=1e5, misregistration=0)
    series = passes(source, "s1_088")
    first, last = (read(source, item, place).values[..., 0] for item in (series[0], series[-1]))
    truth = source.truth
    sure = (truth["cause"] == "building") & (truth["contrast"] > 5) & (truth["end"] < "2019-12-01")
    shapes = [s for s in truth.geometry[sure].buffer(-10) if not s.is_empty]
    inside = rasterize(shapes, out_shape=place.grid.shape, transform=place.grid.transform) > 0
    assert inside.sum() > 50
    gain = decibels(last[inside].mean()) - decibels(first[inside].mean())
    assert gain > 3


def test_an_image_in_degrees_has_no_city():
    grid = GeoBox.from_bbox((5, 50, 5.1, 50.1), crs="EPSG:4326", resolution=0.001, tight=True)
    with pytest.raises(SettingsError, match="square pixels in metres"):
        city(Cell("d_100x100", grid, 0))
