import numpy as np
import pytest

from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat
from groundshift.errors import SettingsError, SourceError
from groundshift.observations.areas import cells_of
from groundshift.observations.radiometry import encode
from groundshift.observations.sources.hub import source as module
from groundshift.observations.sources.hub.source import SentinelHubSource
from tests.hub import scenes
from tests.hub.fixtures import RADAR, SENSORS, settings_for


def source_of(settings):
    return SentinelHubSource(settings.fetch.sentinelhub, cells_of(settings.area), settings.period)


def images_of(settings, sensor):
    """Every image of a sensor over the area's one cell, in order of time."""
    source = source_of(settings)
    (cell,) = cells_of(settings.area)
    images = []
    for acquisition in source.acquisitions:
        if acquisition.sensor == sensor:
            with source.open(acquisition) as scene:
                images.append(scene.read(cell.grid))
    return images


def archived(hub, collection, orbit=""):
    """The service's scenes by day."""
    days = {}
    for scene in hub.scenes:
        if scene.collection == collection and scene.orbit == orbit:
            days.setdefault(int(scene.time // scenes.DAY), []).append(scene)
    return [days[day] for day in sorted(days)]


@pytest.mark.parametrize("orbit", ["ascending", "descending"])
def test_radar_is_the_sources_own_linear_power(hub, orbit):
    images = images_of(settings_for(hub), f"s1_{orbit[:3]}")
    expected = archived(hub, "sentinel-1-grd", orbit)
    assert len(images) == len(expected) > 1
    for image, (scene,) in zip(images, expected, strict=True):
        pixels = np.stack([scene.bands[name][scenes.INSIDE] for name in ("VV", "VH")], axis=-1)
        np.testing.assert_array_equal(image.values, pixels)
        assert image.valid.all()


def expected_optical(hub, bands):
    """Numbers [y, x, band] of each day, 0 where invalid, and validity."""
    for tiles in archived(hub, "sentinel-2-l1c"):
        clear = scenes.whole(tiles, "CLM")[scenes.INSIDE] == 0
        valid = clear & (scenes.whole(tiles, "dataMask")[scenes.INSIDE] == 1)
        pixels = np.stack([scenes.whole(tiles, name)[scenes.INSIDE] for name in bands], axis=-1)
        yield pixels * valid[..., None], valid


def test_thirteen_bands_of_two_tiles_are_one_image_without_clouds(hub):
    settings = settings_for(hub)
    sensor = source_of(settings).sensors["s2"]
    images = images_of(settings, "s2")
    assert len(images) == 4
    expected = expected_optical(hub, scenes.BANDS_S2)
    for image, (pixels, valid) in zip(images, expected, strict=True):
        np.testing.assert_array_equal(image.valid, valid)
        np.testing.assert_array_equal(encode(image.values, image.valid, sensor), pixels)


def test_reflectance_may_travel_as_float32(hub):
    bands = ["B04", "B08"]
    sensors = {"s2": SENSORS["s2"] | {"bands": bands, "store": "float32"}}
    settings = settings_for(hub, sensors=sensors)
    assert source_of(settings).sensors["s2"].dtype == "float32"
    expected = expected_optical(hub, bands)
    for image, (pixels, _) in zip(images_of(settings, "s2"), expected, strict=True):
        np.testing.assert_array_equal(image.values, (pixels / 10_000).astype(np.float32))
    assert "REFLECTANCE" in hub.asked[0]["evalscript"]


def test_a_cell_larger_than_a_request_is_stitched_without_seams(hub, monkeypatch):
    whole = images_of(settings_for(hub), "s2") + images_of(settings_for(hub), "s1_asc")
    asked = len(hub.asked)
    monkeypatch.setattr(module, "LARGEST", 25)
    hub.largest = 25
    parts = images_of(settings_for(hub), "s2") + images_of(settings_for(hub), "s1_asc")
    assert len(hub.asked) - asked == asked * 9
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.valid, other.valid)


def test_probabilities_come_in_per_cent_and_cost_a_band(hub, monkeypatch):
    sensor = SENSORS["s2"] | {"bands": ["B04"], "probability": True}
    settings = settings_for(hub, sensors={"s2": sensor})
    (cell,) = cells_of(settings.area)
    source = source_of(settings)
    price = source.cost(source.acquisitions[0], cell.grid).units
    assert price == pytest.approx(64 * 64 / 512**2 * 3 / 3)
    monkeypatch.setattr(module, "LARGEST", 25)
    images = images_of(settings, "s2")
    for image, tiles in zip(images, archived(hub, "sentinel-2-l1c"), strict=True):
        given = scenes.whole(tiles, "CLP")[scenes.INSIDE]
        measured = scenes.whole(tiles, "dataMask")[scenes.INSIDE] == 1
        np.testing.assert_array_equal(image.probability == 255, ~measured)
        np.testing.assert_allclose(image.probability[measured], given[measured] / 2.55, atol=0.51)


def test_classes_of_the_scene_are_a_mask_too(hub):
    hub.scenes += scenes.optical((1, 6), "L2A")
    sensor = {"mission": "sentinel2", "level": "L2A", "bands": ["B02"], "mask": "SCL"}
    images = images_of(settings_for(hub, sensors={"s2": sensor}), "s2")
    for image, tiles in zip(images, archived(hub, "sentinel-2-l2a"), strict=True):
        clear = scenes.whole(tiles, "SCL")[scenes.INSIDE] == 4
        measured = scenes.whole(tiles, "dataMask")[scenes.INSIDE] == 1
        np.testing.assert_array_equal(image.valid, clear & measured)


def test_an_overpass_is_one_acquisition_that_names_its_products(hub):
    source = source_of(settings_for(hub))
    optical = [item for item in source.acquisitions if item.sensor == "s2"]
    assert [isoformat(item.time) for item in optical][:2] == [
        "2020-03-01T10:30:21Z",
        "2020-03-06T10:30:21Z",
    ]
    first = optical[0]
    assert [name.split("_")[5] for name in first.product_id.split()] == ["T31UFR", "T31UGR"]
    assert (first.platform, first.baseline, first.orbit) == ("S2A", "0500", "051")
    radar = next(item for item in source.acquisitions if item.sensor == "s1_asc")
    assert (radar.platform, radar.orbit) == ("S1A", "ascending 138")  # (31010 - 73) % 175 + 1


def test_listing_asks_the_catalogue_only(hub):
    source = source_of(settings_for(hub))
    assert len(source.acquisitions) == 9
    assert hub.searches == 3
    assert hub.asked == []


def test_what_the_catalogue_holds_is_what_the_inputs_hash(hub):
    before = source_of(settings_for(hub)).inputs
    assert source_of(settings_for(hub)).inputs == before
    hub.scenes += scenes.radar("ascending", (19,))
    after = source_of(settings_for(hub)).inputs
    assert {name for name in before if before[name] != after[name]} == {"sentinelhub/s1_asc"}


def test_cells_that_an_overpass_does_not_reach_cost_nothing(hub):
    far = (scenes.LEFT + 20_000, scenes.TOP - 500, scenes.LEFT + 20_500, scenes.TOP)
    settings = settings_for(hub)
    source = source_of(settings)
    (cell,) = cells_of(settings.area.model_copy(update={"bounds": far}))
    with source.open(source.acquisitions[0]) as scene:
        assert scene.read(cell.grid) is None
    assert hub.asked == []


def test_the_sensors_say_what_their_numbers_are(hub):
    source = source_of(settings_for(hub))
    radar, optical = source.sensors["s1_des"], source.sensors["s2"]
    assert (radar.units, radar.coefficient) == ("linear power", "gamma0_ellipsoid")
    assert (radar.level, radar.orbit, radar.dtype) == ("GRD", "descending", "float32")
    assert (optical.units, optical.level) == ("reflectance", "L1C")
    assert (optical.dtype, optical.scale) == ("uint16", 1e-4)
    assert source.licences == (
        "contains modified Copernicus Sentinel data 2020, processed by Sentinel Hub",
    )


def test_radar_is_orthorectified_with_the_coefficient_of_the_settings(hub):
    sensors = {"s1": RADAR | {"orbit": "ascending", "coefficient": "gamma0_terrain"}}
    images_of(settings_for(hub, sensors=sensors), "s1")
    (data,) = hub.asked[0]["input"]["data"]
    asked = {
        name: data["processing"][name] for name in ("orthorectify", "backCoeff", "demInstance")
    }
    assert asked == {
        "orthorectify": True,
        "backCoeff": "GAMMA0_TERRAIN",
        "demInstance": "COPERNICUS",
    }
    assert data["dataFilter"]["orbitDirection"] == "ASCENDING"


def test_cloudy_products_are_neither_listed_nor_mosaicked(hub):
    sensors = {"s2": SENSORS["s2"] | {"max_cloud": 30}}
    images = images_of(settings_for(hub, sensors=sensors), "s2")
    assert len(images) == 2  # every second day is half cloud
    (data,) = hub.asked[0]["input"]["data"]
    assert data["dataFilter"]["maxCloudCoverage"] == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"period": {"start": "2019-01-01", "end": "2019-02-01"}}, "found none of sentinel-1-grd"),
        (
            {"area": {"bounds": [300_000, 5_600_000, 300_640, 5_600_640]}},
            "expected images of the area between 2020-03-01 and 2020-04-01",
        ),
    ],
)
def test_nothing_there_is_one_clear_sentence(hub, changes, message):
    with pytest.raises(SourceError, match=message) as caught:
        source_of(settings_for(hub, **changes))
    assert not caught.value.refused


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ({"bands": ["B99"]}, "expected some of B01, B02"),
        ({"level": "L2A", "bands": ["B10"]}, "expected some of B01"),
        ({"mask": "SCL"}, "SCL belongs to level L2A"),
        ({"orbit": "ascending"}, "expected ascending or descending for sentinel1 and none"),
        ({"bands": ["B02", "B02"]}, "expected different ones"),
    ],
)
def test_mistakes_in_a_sensor_are_named(hub, sensor, message):
    with pytest.raises(SettingsError, match=message):
        source_of(settings_for(hub, sensors={"s2": SENSORS["s2"] | sensor}))


def test_a_grid_that_no_box_can_say_is_refused(hub):
    settings = settings_for(hub)
    turned = Cell("turned", scenes.grid().rotate(30), 0)
    with pytest.raises(SettingsError, match="upright grids with an EPSG code only, found turned"):
        SentinelHubSource(settings.fetch.sentinelhub, [turned], settings.period)
    assert hub.searches == 0
