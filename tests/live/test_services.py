"""One small scene of every provider, read as a user would."""

import os

import numpy as np
import pytest

from components.fetch.stage import open_source, run
from groundshift.observations.areas import cells_of
from groundshift.observations.store import Observations
from groundshift.settings import parse
from tests.hub.fixtures import RADAR as HUB_RADAR
from tests.stac.fixtures import LANDSAT, RADAR, S2

LIEGE = (5.60, 50.62, 5.61, 50.63)
SUMMER = {"start": "2023-06-10", "end": "2023-06-22"}
CODES = S2 | {"bands": ["B04", "B11"]}
L8 = LANDSAT | {"mission": "landsat_oli", "bands": ["B04", "B06"]}
AWS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
HUB = ("SH_CLIENT_ID", "SH_CLIENT_SECRET")


def needs(*variables):
    """Skips a test, with the reason, unless a person allows it."""
    missing = [name for name in ("GROUNDSHIFT_LIVE", *variables) if not os.environ.get(name)]
    return pytest.mark.skipif(bool(missing), reason=f"asks a real service: set {missing}")


@pytest.mark.parametrize(
    ("service", "sensor"),
    [
        pytest.param("earth_search", CODES, marks=needs(), id="Earth Search S2 L2A"),
        pytest.param("planetary_computer", CODES, marks=needs(), id="Planetary Computer S2 L2A"),
        pytest.param(
            "planetary_computer", RADAR["s1_des"], marks=needs(), id="Planetary Computer S1 RTC"
        ),
        pytest.param("planetary_computer", L8, marks=needs(), id="Planetary Computer Landsat"),
        pytest.param("cdse", CODES, marks=needs(*AWS), id="Copernicus Data Space S2 L2A by S3"),
        pytest.param(
            "sentinelhub",
            HUB_RADAR | {"orbit": "descending"},
            marks=needs(*HUB),
            id="Copernicus Data Space S1 by Sentinel Hub",
        ),
    ],
)
def test_a_real_service_gives_what_the_plan_says(service, sensor, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    source = "sentinelhub" if service == "sentinelhub" else "stac"
    own = {"sensors": {"one": sensor}} | ({} if source == "sentinelhub" else {"provider": service})
    values = {
        "name": "liege",
        "area": {"bounds": LIEGE, "halo": 0},
        "period": SUMMER,
        "fetch": {"source": source, source: own},
    }
    settings = parse("fetch", values)
    (cell,) = cells_of(settings.area)
    opened = open_source(settings, [cell])
    first = next(item for item in opened.acquisitions if not item.problem)
    cost = opened.cost(first, cell.grid)
    with opened.open(first) as scene:
        image = scene.read(cell.grid)
    assert image is not None
    assert np.isfinite(image.values).all()
    if source == "stac":
        assert opened.used["one"].requests == cost.requests
        assert opened.used["one"].bytes == pytest.approx(cost.bytes, rel=0.5)
    run(settings, observations=tmp_path / "observations")
    table = Observations.open(tmp_path / "observations").table
    assert not table["checks"].str.contains("scale|db").any()
