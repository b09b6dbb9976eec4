import numpy as np
import pytest

from groundshift.domain.signature import Sensor
from groundshift.observations.checks import is_thermal, odd

RADAR = Sensor("s1", "radar", "sentinel1", ("VV",), units="linear power")
OPTICAL = Sensor(
    "s2", "optical", "sentinel2", ("B02",), units="reflectance", dtype="uint16", scale=1e-4
)
LANDSAT = Sensor("l5", "optical", "landsat_tm", ("B5", "B6"), units="reflectance")


def spread(low, high, bands=1):
    values = np.random.default_rng(0).uniform(low, high, (20, 20, bands))
    return values.astype(np.float32)


@pytest.mark.parametrize(
    ("values", "sensor", "finding"),
    [
        (spread(0.01, 0.4), RADAR, ""),
        (spread(-25, -5), RADAR, "not positive"),
        (spread(200, 900), RADAR, "above any ground's"),
        (spread(0.01, 0.9), OPTICAL, ""),
        (spread(300, 5000), OPTICAL, "scale missing"),
        (spread(-0.1, 0.2), OPTICAL, "clipped"),
        (np.full((4, 4, 1), 0.2, np.float32), OPTICAL, "all valid pixels are equal"),
    ],
)
def test_odd_values_are_named(values, sensor, finding):
    found = odd(values, np.ones(values.shape[:2], bool), sensor)
    assert (finding in found) if finding else found == ""


def test_only_valid_pixels_count():
    values = spread(0.01, 0.4)
    values[:10] = -30
    valid = np.zeros((20, 20), bool)
    valid[10:] = True
    assert odd(values, valid, RADAR) == ""


def test_temperature_beside_reflectance_is_not_odd():
    values = np.concatenate([spread(0.1, 0.5), spread(280, 310)], axis=-1)
    assert odd(values, np.ones((20, 20), bool), LANDSAT) == ""
    assert is_thermal("landsat_tm", "B6")
    assert not is_thermal("sentinel2", "B06")
