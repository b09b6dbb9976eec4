import numpy as np
import pytest

from groundshift.cube.indices import indices, require_bands
from groundshift.domain.signature import Stream
from groundshift.errors import SettingsError

STREAM = Stream("optical", "sentinel2", ("B02", "B03", "B04", "B08", "B11"))
PIXEL = np.array([0.04, 0.08, 0.05, 0.45, 0.2], np.float32)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ndvi", (0.45 - 0.05) / 0.5),
        ("ndwi", (0.08 - 0.45) / 0.53),
        ("mndwi", (0.08 - 0.2) / 0.28),
        ("ndbi", (0.2 - 0.45) / 0.65),
        ("bsi", (0.25 - 0.49) / 0.74),
        ("norm", np.sqrt(0.04**2 + 0.08**2 + 0.05**2 + 0.45**2 + 0.2**2)),
    ],
)
def test_an_index_is_its_formula(name, value):
    assert indices([name], STREAM, PIXEL)[0] == pytest.approx(value, rel=1e-5)


def test_indices_stand_in_the_order_of_their_names_and_nothing_known_stays_so():
    image = np.stack([PIXEL, np.full(5, np.nan, np.float32), np.zeros(5, np.float32)])
    found = indices(["norm", "ndvi"], STREAM, image)
    assert found.shape == (3, 2)
    assert found[0, 1] == pytest.approx(0.8)
    assert np.isnan(found[1]).all()
    assert np.isnan(found[2, 1])
    assert indices([], STREAM, image).shape == (3, 0)


def test_a_missing_band_is_named():
    with pytest.raises(SettingsError, match="no swir1 band"):
        require_bands(["ndbi"], Stream("optical", "sentinel2", ("B04", "B08")))
