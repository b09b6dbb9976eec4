"""Fixtures: the service at work, and settings that lead to it."""

import pytest

from groundshift.observations.sources import retries
from groundshift.settings import merge, parse
from tests.stac import city
from tests.stac.service import Api, serving

BANDS = ["B02", "B03", "B04", "B08", "B11", "B12"]
S2 = {
    "mission": "sentinel2",
    "bands": BANDS,
    "mask": {"band": "SCL", "rule": "values", "valid": [4, 5, 6, 7]},
}
S1 = {"mission": "sentinel1", "bands": ["VV", "VH"]}
RADAR = {
    "s1_asc": S1 | {"orbit": "ascending"},
    "s1_des": S1 | {"orbit": "descending"},
}
LANDSAT = {
    "mission": "landsat_tm",
    "bands": ["B1", "B2", "B3", "B4", "B5", "B7"],
    "mask": {"band": "QA_PIXEL", "rule": "bits", "reject": [0, 1, 2, 3, 4]},
}


@pytest.fixture
def api(tmp_path_factory, monkeypatch):
    """A service with nothing in it yet."""
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Api([], tmp_path_factory.mktemp("archive"))) as service:
        yield service


def settings_for(api, provider="earth_search", sensors=None, **changes):
    """Settings of the fetch stage for 80 x 80 pixels, March 2020."""
    values = {
        "name": "place",
        "area": {"bounds": city.AREA, "bounds_crs": city.CRS, "halo": 0},
        "period": {"start": "2020-03-01", "end": "2020-04-01"},
        "fetch": {
            "source": "stac",
            "stac": {
                "provider": provider,
                "url": api.url,
                "sensors": sensors or {"s2": S2},
                "concurrency": 4,
            },
        },
    }
    if provider == "planetary_computer":
        values["fetch"]["stac"]["token_url"] = f"{api.url}/token"
    if provider == "cdse":
        values["fetch"]["stac"]["s3_url"] = f"{api.url}/s3"
    return parse("fetch", merge(values, changes))
