"""Clouds and shadows on images made by hand, where it is known what is which."""

import math
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from groundshift.domain.bands import SENTINEL2
from groundshift.domain.signature import Sensor
from groundshift.domain.sun import sun
from groundshift.errors import SettingsError
from groundshift.observations.clouds import UNKNOWN, Unclouded, clouds, shadows, widened
from groundshift.observations.sources.base import Acquisition, Image
from groundshift.settings import CloudSettings

SIZE = 160
GRID = GeoBox.from_bbox((600000, 5600000, 601600, 5601600), crs="EPSG:32631", resolution=10)
BANDS = tuple(band.name for band in SENTINEL2)
SENSOR = Sensor("s2", "optical", "sentinel2", BANDS, level="L1C", units="reflectance")
TIME = int(datetime(2020, 10, 20, 10, 50, tzinfo=UTC).timestamp())
GROUND = (0.12, 0.11, 0.1, 0.09, 0.13, 0.22, 0.26, 0.28, 0.3, 0.1, 0.002, 0.22, 0.14)
CLOUD = (0.62, 0.6, 0.58, 0.59, 0.6, 0.61, 0.61, 0.6, 0.6, 0.3, 0.02, 0.4, 0.3)
AT = np.s_[90:130, 60:100]


@dataclass
class One:
    """A source of one image."""

    image: Image
    sensors: dict
    settings_key: str = "fetch.files"
    truth = None

    def open(self, acquisition):
        return nullcontext(self)

    def read(self, grid):
        return self.image


def read(image, settings, sensor=SENSOR):
    source = Unclouded(One(image, {"s2": sensor}), {"s2": CloudSettings(**settings)})
    with source.open(Acquisition("s2", TIME, "a.tif")) as scene:
        return scene.read(GRID)


@pytest.fixture
def scene():
    """A cloud 300 m above the ground with its shadow, and a lake far from it: image, shadow."""
    values = np.tile(np.array(GROUND, np.float32), (SIZE, SIZE, 1))
    zenith, azimuth = sun(TIME, 4.42, 50.55)
    length = 300 * math.tan(math.radians(zenith)) / 10
    down = round(length * math.cos(math.radians(azimuth)))
    right = round(-length * math.sin(math.radians(azimuth)))
    assert down < 0 < abs(right)  # in the morning, to the north west
    shadow = np.zeros((SIZE, SIZE), bool)
    rows, columns = np.mgrid[AT]
    rows, columns = rows + down, columns + right
    inside = (rows >= 0) & (columns >= 0)
    shadow[rows[inside], columns[inside]] = True
    values[shadow] *= 0.4
    values[140:, 130:] = 0.03
    values[AT] = CLOUD
    valid = np.ones((SIZE, SIZE), bool)
    return values, valid, shadow


def test_clouds_are_widened_by_metres():
    dot = np.zeros((41, 41), bool)
    dot[20, 20] = True
    rows, columns = np.mgrid[-20:21, -20:21]
    for size in (10.0, 20.0):
        image = Image(np.zeros((41, 41, 1), np.float32), ~dot, np.ones_like(dot))
        found = clouds(image, CloudSettings(dilate=60), size)
        np.testing.assert_array_equal(found, np.hypot(rows, columns) * size <= 60)


def test_what_was_never_measured_is_no_cloud():
    measured = np.ones((30, 30), bool)
    measured[:, :10] = False
    image = Image(np.zeros((30, 30, 1), np.float32), measured.copy(), measured)
    assert not clouds(image, CloudSettings(dilate=100), 10).any()


def test_nothing_is_widened_by_nothing():
    assert not widened(np.zeros((3, 3), bool), 5).any()


def test_a_shadow_is_found_where_the_sun_throws_it_and_a_lake_elsewhere_stays(scene):
    values, valid, shadow = scene
    clear = valid.copy()
    clear[AT] = False  # the images' own mask finds the cloud
    image = read(Image(np.where(clear[..., None], values, 0), clear, valid), {"shadow": True})
    assert shadow.sum() > 500
    assert not image.valid[shadow].any()
    assert not image.valid[AT].any()
    rest = ~shadow
    rest[AT] = False
    assert image.valid[rest].all()
    assert (image.values[~image.valid] == 0).all()


def test_a_cloud_that_hangs_higher_than_is_looked_for_keeps_its_shadow(scene):
    values, valid, shadow = scene
    clear = valid.copy()
    clear[AT] = False
    image = read(Image(values, clear, valid), {"shadow": True, "height": 100})
    assert image.valid[shadow].mean() > 0.3


def test_shadows_fall_away_from_the_sun():
    cloud = np.zeros((21, 21), bool)
    cloud[10, 10] = True
    north = shadows(cloud, 45, 180, height=50, size=10)
    assert np.argwhere(north).tolist() == [[row, 10] for row in range(5, 10)]
    west = shadows(cloud, 45, 90, height=30, size=10)
    assert np.argwhere(west).tolist() == [[10, column] for column in (7, 8, 9)]
    assert not shadows(cloud, 0, 90, height=30, size=10).any()


def test_s2cloudless_finds_the_cloud_and_its_probabilities_are_kept(scene):
    values, valid, shadow = scene
    values[shadow] = values[140:, 130:] = GROUND
    valid[:, :8] = False
    image = read(Image(values * valid[..., None], valid, valid), {"model": "s2cloudless"})
    truth = np.zeros((SIZE, SIZE), bool)
    truth[AT] = True
    found = valid & ~image.valid
    assert found[truth].all()
    assert not found[~widened(truth, 17)].any()  # it works on pixels of 80 m, and averages them
    inner = image.probability[96:124, 66:94]
    assert inner.min() > 60
    assert np.median(image.probability[140:, 20:50]) < 20
    assert (image.probability[:, :8] == UNKNOWN).all()


def test_a_threshold_of_probability_moves_the_mask(scene):
    values, valid, _ = scene
    shares = [
        read(Image(values, valid), {"model": "s2cloudless", "threshold": t}).valid.mean()
        for t in (0.2, 0.9)
    ]
    assert shares[0] < shares[1]


@pytest.mark.parametrize(
    ("sensor", "settings", "message"),
    [
        (SENSOR, {"name": "l8"}, "found none of that name"),
        (Sensor("s2", "radar", "sentinel1", ("VV",)), {}, "found radar"),
        (Sensor("s2", "optical", "sentinel2", BANDS[1:4]), {"shadow": True}, "no nir band"),
        (
            Sensor("s2", "optical", "sentinel2", BANDS[1:], level="L1C"),
            {"model": "s2cloudless"},
            "that lacks B01",
        ),
        (
            Sensor("s2", "optical", "sentinel2", BANDS, level="L2A"),
            {"model": "s2cloudless"},
            "found sentinel2 L2A",
        ),
    ],
)
def test_what_a_mask_needs_and_lacks_is_named(sensor, settings, message):
    name = settings.pop("name", "s2") if "name" in settings else "s2"
    source = One(Image(np.zeros((1, 1, 1), np.float32), np.ones((1, 1), bool)), {"s2": sensor})
    with pytest.raises(SettingsError, match=message):
        Unclouded(source, {name: CloudSettings(**settings)})
