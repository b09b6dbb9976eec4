import dataclasses
import json

import numpy as np
import pytest

from groundshift.domain.bands import role_index
from groundshift.domain.eras import ERAS, era
from groundshift.domain.signature import Sensor, Signature, Stream
from groundshift.errors import ContractError, SettingsError

SIGNATURE = Signature(
    (
        Stream("radar_a", "sentinel1", ("VV", "VH"), "GRD", "linear power", "gamma0"),
        Stream("optical", "sentinel2", ("B02", "B11"), "L2A", "reflectance"),
    ),
    resolution=10,
    step_seconds=172800,
)


def test_signatures_and_sensors_survive_json():
    for signature in (SIGNATURE, dataclasses.replace(SIGNATURE, max_age_days=90)):
        assert Signature.from_dict(json.loads(json.dumps(signature.to_dict()))) == signature
    assert "max_age_days" not in SIGNATURE.to_dict()  # as models were written before there was one
    sensor = Sensor("s2", "optical", "sentinel2", ("B02",), dtype="uint16", scale=1e-4)
    assert Sensor.from_dict(json.loads(json.dumps(sensor.to_dict()))) == sensor
    assert SIGNATURE.channels == 4


def test_every_difference_is_named_with_both_sides():
    radar = dataclasses.replace(SIGNATURE.streams[0], units="dB")
    other = Signature((radar, SIGNATURE.streams[1]), resolution=20, step_seconds=172800)
    with pytest.raises(ContractError) as error:
        SIGNATURE.require(other, owner="model m")
    message = str(error.value)
    assert "radar_a.units: expected linear power, found dB" in message
    assert "resolution: expected 10, found 20" in message


def test_what_a_product_does_not_record_passes():
    radar = dataclasses.replace(SIGNATURE.streams[0], coefficient="")
    SIGNATURE.require(
        dataclasses.replace(SIGNATURE, streams=(radar, SIGNATURE.streams[1])), owner="model m"
    )


def test_missing_streams_are_refused():
    with pytest.raises(ContractError, match="streams: expected"):
        SIGNATURE.require(
            dataclasses.replace(SIGNATURE, streams=SIGNATURE.streams[:1]), owner="model m"
        )


def test_band_roles_are_found_by_name():
    assert role_index("sentinel2", ("B02", "B03", "B11", "B12"), "swir2") == 3
    assert role_index("landsat_tm", ("B1", "B2", "B5", "B7"), "swir1") == 2
    with pytest.raises(SettingsError, match=r"no swir1 band: expected B11, found bands B02"):
        role_index("sentinel2", ("B02",), "swir1")


def test_the_eras_have_the_published_channels():
    assert {name: preset.channels for name, preset in ERAS.items()} == {"s12": 17, "ers12ls5": 9}
    with pytest.raises(SettingsError, match="unknown era"):
        era("s3")


def test_every_stored_code_decodes_as_by_way_of_double_precision():
    sensor = Sensor("s2", "optical", "sentinel2", ("B02",), dtype="uint16", scale=1e-4)
    codes = np.arange(65536, dtype=np.uint16)
    expected = (codes.astype(np.float64) / 10000).astype(np.float32)
    np.testing.assert_array_equal(sensor.decode(codes), expected)
    shifted = dataclasses.replace(sensor, offset=-0.1)
    expected = (codes.astype(np.float64) / 10000 - 0.1).astype(np.float32)
    np.testing.assert_array_equal(shifted.decode(codes), expected)


def test_float_values_are_stored_as_they_are():
    values = np.array([0, -0.0, 3.25, np.float32(1e-5)], np.float32)
    sensor = Sensor("s1", "radar", "sentinel1", ("VV",))
    np.testing.assert_array_equal(sensor.decode(values), values)
