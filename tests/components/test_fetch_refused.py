"""What can't be had of a service ends the command with one clear message and exit code 2."""

import re

import pytest
from typer.testing import CliRunner

from components.fetch.__main__ import app
from groundshift.observations.sources.stac.offers import PLANETARY_COMPUTER
from tests.hub import archive
from tests.hub import fixtures as hub_fixtures
from tests.stac import city
from tests.stac import fixtures as stac_fixtures
from tests.stac.service import KEY

pytestmark = pytest.mark.usefixtures("own_work")

FAR = {"area": {"bounds": [300_000, 5_600_000, 300_640, 5_600_640]}}
"""An area without images."""
BEFORE = {"period": {"start": "2019-01-01", "end": "2019-02-01"}}
"""A period without images."""


@pytest.fixture
def message(tmp_path, caplog):
    """The one message that the command ends with for some settings."""

    def refused(settings):
        arguments = ["--settings", settings.model_dump_json()]
        outcome = CliRunner().invoke(app, [*arguments, "--observations", str(tmp_path / "here")])
        assert outcome.exit_code == 2
        assert "Traceback" not in caplog.text + outcome.output
        assert not (tmp_path / "here").exists()
        (error,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
        return error

    return refused


@pytest.mark.parametrize(
    ("secret", "expected"),
    [("another-secret", "refuses the credentials"), ("", "found no SH_CLIENT_SECRET")],
)
def test_sentinel_hub_without_the_right_credentials(hub, message, monkeypatch, secret, expected):
    monkeypatch.setenv("SH_CLIENT_SECRET", secret)
    assert expected in message(hub_fixtures.settings_for(hub))


def test_sentinel_hub_without_quota(hub, message):
    hub.faults = lambda: "quota"
    assert "the quota is used up" in message(hub_fixtures.settings_for(hub))


def test_sentinel_hub_without_the_collection(hub, message, monkeypatch):
    monkeypatch.delitem(archive.OFFERED, "sentinel-1-grd")
    said = message(hub_fixtures.settings_for(hub))
    assert re.search("404: Collection sentinel-1-grd not found.* Correct fetch.sentinelhub", said)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (FAR, r"found none of sentinel-1-grd .* at any time\. Correct the area"),
        (BEFORE, r"between 2019-01-01 and 2019-02-01, .* newest .* 2020-03-14.* Move the period"),
    ],
    ids=["area", "period"],
)
def test_sentinel_hub_where_or_when_there_is_nothing(hub, message, changes, expected):
    assert re.search(expected, message(hub_fixtures.settings_for(hub, **changes)))


@pytest.mark.parametrize(
    ("secret", "expected"),
    [("another-secret", "SignatureDoesNotMatch"), ("", "found no AWS_SECRET_ACCESS_KEY")],
)
def test_stac_without_the_right_credentials(api, message, monkeypatch, secret, expected):
    api.products = city.copernicus(days=1)
    for product in api.products:  # written while GDAL has no half of a key in its environment
        product.item(api.url, api.folder)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    assert expected in message(stac_fixtures.settings_for(api, "cdse"))


@pytest.mark.parametrize(
    ("sensor", "changes", "expected"),
    [
        ({}, {}, "the quota is used up"),
        ({"collection": "sentinel-9"}, {}, "expected a collection sentinel-9 .*, found sentinel-2"),
        ({}, FAR, r"covers 60, -10, 70, 10 only\. Correct the area"),
        ({}, BEFORE, "between 2019-01-01 and 2019-02-01, found none of .* Move the period"),
    ],
    ids=["quota", "collection", "area", "period"],
)
def test_stac_without_quota_collection_area_or_period(api, message, sensor, changes, expected):
    api.products, api.signed = city.sentinel2(PLANETARY_COMPUTER, days=1), True
    api.faults = lambda: "quota"
    sensors = {"s2": stac_fixtures.S2 | sensor}
    if changes is FAR:
        api.extents["sentinel-2-l2a"] = (60, -10, 70, 10)
    settings = stac_fixtures.settings_for(api, "planetary_computer", sensors, **changes)
    assert re.search(expected, message(settings))
