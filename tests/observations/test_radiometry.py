import numpy as np
import pytest

from groundshift.domain.signature import Sensor
from groundshift.observations.radiometry import REFLECTANCE_STEP, Scaling, encode

OPTICAL = Sensor("s2", "optical", "sentinel2", ("B02",), units="reflectance", dtype="uint16")
CODES = Sensor(**(OPTICAL.to_dict() | {"bands": ("B02",), "scale": REFLECTANCE_STEP}))
RADAR = Sensor("s1", "radar", "sentinel1", ("VV",), units="linear power")


def test_decibels_become_power():
    power = Scaling(decibel=True).physical(np.array([0.0, -10.0, 3.0103], np.float32))
    np.testing.assert_allclose(power, [1, 0.1, 2], rtol=1e-6)


def test_scale_comes_before_offset_and_decibels():
    assert Scaling(0.0001, -0.1).physical(np.array([1500], np.uint16))[0] == pytest.approx(0.05)
    assert Scaling(0.1, -30, decibel=True).physical(np.array([200]))[0] == pytest.approx(0.1)


def test_every_published_code_survives():
    codes = np.arange(2**16, dtype=np.uint16).reshape(256, 256, 1)
    values = Scaling(REFLECTANCE_STEP).physical(codes).astype(np.float32)
    np.testing.assert_array_equal(encode(values, np.ones((256, 256), bool), CODES), codes)


def test_what_does_not_fit_is_clipped_and_what_is_invalid_is_zero():
    values = np.array([[[-0.2], [7.0], [0.12344]], [[0.5], [np.nan], [0.3]]], np.float32)
    valid = np.array([[True, True, True], [True, False, False]])
    stored = encode(values, valid, CODES)
    assert stored.dtype == np.uint16
    assert stored[..., 0].tolist() == [[0, 65535, 1234], [5000, 0, 0]]


def test_radar_is_stored_as_it_is():
    values = np.random.default_rng(0).gamma(4, 0.02, (5, 6, 1)).astype(np.float32)
    stored = encode(values, np.ones((5, 6), bool), RADAR)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, values)
