import math

import numpy as np
import pytest

from groundshift.errors import SourceError
from groundshift.observations.sources.mtl import read_metadata
from tests.observations.conftest import REAL

REAL_MTL = REAL / "landsat5_brazil_1988" / "LT52240631988227CUB02_MTL.txt"

# Entries as in a Collection 1 product (levels of indentation and quotes as there).
COLLECTION_1 = """
GROUP = L1_METADATA_FILE
  GROUP = METADATA_FILE_INFO
    LANDSAT_SCENE_ID = "LT50950662010152ASA00"
    LANDSAT_PRODUCT_ID = "LT05_L1TP_095066_20100601_20170222_01_T1"
    PROCESSING_SOFTWARE_VERSION = "LPGS_12.8.2"
  END_GROUP = METADATA_FILE_INFO
    SPACECRAFT_ID = "LANDSAT_5"
    WRS_PATH = 95
    WRS_ROW = 66
    DATE_ACQUIRED = 2010-06-01
    SCENE_CENTER_TIME = "00:40:56.6180000Z"
    SUN_ELEVATION = 42.27874829
    EARTH_SUN_DISTANCE = 1.0139942
    RADIANCE_MAXIMUM_BAND_6 = 15.303
    RADIANCE_MINIMUM_BAND_6 = 1.238
    QUANTIZE_CAL_MAX_BAND_6 = 255
    QUANTIZE_CAL_MIN_BAND_6 = 1
    REFLECTANCE_MULT_BAND_1 = 1.2605E-03
    REFLECTANCE_ADD_BAND_1 = -0.003699
    K1_CONSTANT_BAND_6 = 607.76
    K2_CONSTANT_BAND_6 = 1260.56
END_GROUP = L1_METADATA_FILE
END
"""

# Names of entries before 2012.
OLD = """
  SPACECRAFT_ID = "Landsat5"
  ACQUISITION_DATE = 2009-04-07
  SCENE_CENTER_SCAN_TIME = 23:53:04.1250250Z
  SUN_ELEVATION = 45.0
  WRS_PATH = 90
  STARTING_ROW = 81
  BAND3_FILE_NAME = "L5090081_08120090407_B30.TIF"
  LMAX_BAND3 = 264.000
  LMIN_BAND3 = -1.170
  QCALMAX_BAND3 = 255.0
  QCALMIN_BAND3 = 1.0
"""


@pytest.fixture
def metadata(tmp_path):
    def read(text):
        path = tmp_path / "scene_MTL.txt"
        path.write_text(text)
        return read_metadata(path)

    return read


def test_a_real_product_tells_what_it_is():
    real = read_metadata(REAL_MTL)
    assert real.time == 587566847  # 1988-08-14T13:00:47Z
    assert (real.platform, real.orbit, real.level) == ("LANDSAT_5", "224/063", 1)
    assert (real.product_id, real.baseline) == ("LT52240631988227CUB02", "LPGS_12.4.0")
    assert real.file_of(3).is_file()


def test_radiance_runs_over_the_calibrated_range():
    scaling = read_metadata(REAL_MTL).radiance(5)
    first, last = scaling.physical(np.array([1, 255]))
    assert first == pytest.approx(-0.370)
    assert last == pytest.approx(30.200)


def test_reflectance_of_a_digital_number_by_hand():
    # Chander et al. (2009), equations 1 and 2, band 4, Q = 100, day 227 of the year.
    radiance = (221.0 + 1.51) / 254 * (100 - 1) - 1.51
    distance = 1 - 0.01672 * math.cos(math.radians(0.9856 * 223))
    zenith = math.radians(90 - 49.75588889)
    expected = math.pi * radiance * distance**2 / (1031 * math.cos(zenith))
    assert distance == pytest.approx(1.01281, abs=1e-4)  # the paper's table 6
    found = read_metadata(REAL_MTL).reflectance(4).physical(np.array([100]))
    assert found[0] == pytest.approx(expected)
    assert found[0] == pytest.approx(0.3490, abs=1e-4)


def test_brightness_temperature_by_hand():
    radiance = (15.303 - 1.238) / 254 * (140 - 1) + 1.238
    expected = 1260.56 / math.log(607.76 / radiance + 1)
    found = read_metadata(REAL_MTL).temperature(6).physical(np.array([140]))
    assert found[0] == pytest.approx(expected)
    assert 295 < found[0] < 300


def test_a_collection_1_product_brings_its_own_factors(metadata):
    product = metadata(COLLECTION_1)
    assert product.product_id == "LT05_L1TP_095066_20100601_20170222_01_T1"
    expected = (1.2605e-3 * 80 - 0.003699) / math.sin(math.radians(42.27874829))
    assert product.reflectance(1).physical(np.array([80]))[0] == pytest.approx(expected)
    assert product.temperature(6).k1 == 607.76


def test_entries_had_other_names_before_2012(metadata):
    product = metadata(OLD)
    assert (product.platform, product.orbit) == ("LANDSAT_5", "90/81")
    assert product.time == 1239148384  # 2009-04-07T23:53:04Z
    assert product.file_of(3).name == "L5090081_08120090407_B30.TIF"
    assert product.radiance(3).physical(np.array([255]))[0] == pytest.approx(264)
    assert product.reflectance(3).physical(np.array([255]))[0] > 0


def test_a_file_is_found_whatever_the_case_of_its_name(metadata, tmp_path):
    (tmp_path / "l5090081_08120090407_b30.tif").write_bytes(b"")
    assert metadata(OLD).file_of(3).name == "l5090081_08120090407_b30.tif"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("SUN_ELEVATION = 45.0", ""), "expected SUN_ELEVATION"),
        (("SUN_ELEVATION = 45.0", "SUN_ELEVATION = -3"), "SUN_ELEVATION above 0, found -3"),
        (("LMAX_BAND3 = 264.000", ""), "RADIANCE_MAXIMUM_BAND_3 or LMAX_BAND3"),
        (("LMAX_BAND3 = 264.000", "LMAX_BAND3 = much"), "a number .*found 'much'"),
        (('"Landsat5"', '"LANDSAT_9"'), "REFLECTANCE_MULT_BAND_3, or Landsat 4 or 5 TM"),
    ],
)
def test_what_the_metadata_lacks_is_named(metadata, change, message):
    with pytest.raises(SourceError, match=message):
        metadata(OLD.replace(*change)).reflectance(3)


def test_a_file_without_entries_is_refused(metadata):
    with pytest.raises(SourceError, match="expected lines KEY = VALUE"):
        metadata("nothing of the kind")
