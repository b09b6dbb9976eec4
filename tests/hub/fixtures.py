"""Fixtures: the service at work, and settings that lead to it."""

import pytest
from sentinelhub import SentinelHubDownloadClient

from groundshift.observations.sources import retries
from groundshift.settings import merge, parse
from tests.hub import scenes
from tests.hub.service import CLIENT, SECRET, Hub, serving
from tests.loopback.certificates import write_certificates

RADAR = {"mission": "sentinel1", "bands": ["VV", "VH"]}
SENSORS = {
    "s1_asc": RADAR | {"orbit": "ascending"},
    "s1_des": RADAR | {"orbit": "descending"},
    "s2": {"mission": "sentinel2", "level": "L1C", "bands": scenes.BANDS_S2, "mask": "CLM"},
}


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Authority and server certificate."""
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def hub(certificates, monkeypatch):
    """A service with some scenes, trusted, and credentials for it."""
    authority, server = certificates
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("SH_CLIENT_ID", CLIENT)
    monkeypatch.setenv("SH_CLIENT_SECRET", SECRET)
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.01)
    SentinelHubDownloadClient.clear_cache()
    archive = [
        *scenes.optical(),
        *scenes.radar("ascending", (1, 7, 13)),
        *scenes.radar("descending", (2, 8)),
    ]
    with serving(Hub(archive), server) as service:
        yield service


def settings_for(hub, **changes):
    """Settings of the fetch stage for 64 x 64 pixels, March 2020."""
    values = {
        "name": "place",
        "area": {"bounds": scenes.AREA, "bounds_crs": scenes.CRS, "halo": 0},
        "period": {"start": "2020-03-01", "end": "2020-04-01"},
        "fetch": {
            "source": "sentinelhub",
            "sentinelhub": {
                "base_url": hub.url,
                "token_url": f"{hub.url}/token",
                "sensors": SENSORS,
                "concurrency": 4,
            },
        },
    }
    sensors = changes.pop("sensors", None)
    if sensors is not None:
        values["fetch"]["sentinelhub"]["sensors"] = sensors
    return parse("fetch", merge(values, changes))
