import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest

from groundshift.errors import SourceError
from groundshift.observations.areas import cells_of
from groundshift.observations.sources import retries
from groundshift.observations.sources.hub import connection
from groundshift.observations.sources.hub.products import Product
from groundshift.observations.sources.hub.source import SentinelHubSource
from groundshift.settings import SentinelHubSettings
from tests.hub import scenes
from tests.hub.fixtures import SENSORS, settings_for
from tests.hub.service import CLIENT, FAULTS, SECRET

ONE = {"s2": SENSORS["s2"] | {"bands": ["B02", "B04"]}}


def source_of(hub, **changes):
    settings = settings_for(hub, sensors=ONE, **changes)
    (cell,) = cells_of(settings.area)
    return SentinelHubSource(settings.fetch.sentinelhub, [cell], settings.period), cell


def read(source, cell, number=0):
    with source.open(source.acquisitions[number]) as scene:
        return scene.read(cell.grid)


def failing(*faults):
    """The faults one after the other, then none."""
    left = list(faults)
    return lambda: left.pop(0) if left else ""


@pytest.fixture
def warnings_shown(caplog):
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.mark.parametrize(
    ("deployment", "base", "token"),
    [
        ("cdse", "https://sh.dataspace.copernicus.eu", "https://identity.dataspace.copernicus.eu"),
        ("sentinelhub", "https://services.sentinel-hub.com", "https://services.sentinel-hub.com"),
    ],
)
@pytest.mark.parametrize("sensor", SENSORS)
def test_requests_go_to_the_deployment(hub, deployment, base, token, sensor):
    settings = SentinelHubSettings(deployment=deployment, sensors={sensor: SENSORS[sensor]})
    config = connection.Connection(settings).config
    assert config.sh_token_url.startswith(token)
    product = Product(sensor, settings.sensors[sensor], config)
    assert product.collection.service_url == base
    span = (datetime(2020, 3, 1, tzinfo=UTC), datetime(2020, 3, 2, tzinfo=UTC))
    (request,) = product.request(scenes.grid(), span).download_list
    assert request.url == f"{base}/api/v1/process"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_is_asked_again_until_the_image_is_whole(hub, monkeypatch, fault):
    monkeypatch.setattr(connection, "TIMEOUT", 0.2)
    hub.stall = 0.4
    source, cell = source_of(hub)
    undisturbed = read(source, cell)
    asked = len(hub.asked)
    hub.faults = failing(fault, fault)
    image = read(source, cell)
    np.testing.assert_array_equal(image.values, undisturbed.values)
    assert len(hub.asked) - asked == 3


def test_a_service_that_never_answers_ends_the_run_as_worth_a_retry(hub):
    source, cell = source_of(hub)
    hub.faults = lambda: "503"
    with pytest.raises(
        SourceError, match="found a failure 8 times, last: Service unavailable"
    ) as e:
        read(source, cell)
    assert e.value.transient
    assert not e.value.refused
    assert len(hub.asked) == retries.ATTEMPTS


def test_a_service_that_always_puts_off_ends_the_run_as_worth_a_retry(hub, monkeypatch):
    monkeypatch.setattr(connection, "LIMITED", 3)
    source, cell = source_of(hub)
    hub.faults = lambda: "429"
    with pytest.raises(SourceError, match=r"was put off 3 times \(429\)") as caught:
        read(source, cell)
    assert caught.value.transient


def test_retry_after_is_heeded_by_all_threads(hub, monkeypatch):
    waits = []
    clock = [0.0]
    monkeypatch.setattr(connection.time, "monotonic", lambda: clock[0])
    limit = connection._Limit()
    limit.update({"Retry-After": "1500"}, default=30_000)
    waits = [limit.register_next() for _ in range(20)]
    assert all(1.5 <= wait <= 1.65 for wait in waits)
    assert len(set(waits)) > 1  # jitter
    clock[0] = 1.5
    assert limit.register_next() == 0
    limit.update({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, default=30_000)
    assert limit.register_next() >= 30


@pytest.mark.parametrize("fault", ["quota", "quota 429"])
def test_a_used_up_quota_is_a_refusal(hub, fault):
    source, cell = source_of(hub)
    hub.faults = lambda: fault
    with pytest.raises(SourceError, match="the quota is used up") as caught:
        read(source, cell)
    assert caught.value.refused
    assert not caught.value.transient
    assert len(hub.asked) == 1


def test_wrong_credentials_are_a_refusal_without_the_secret(hub, monkeypatch, warnings_shown):
    monkeypatch.setenv("SH_CLIENT_SECRET", "another-secret")
    with pytest.raises(SourceError, match="refuses the credentials") as caught:
        source_of(hub)
    assert caught.value.refused
    assert "Correct SH_CLIENT_ID and SH_CLIENT_SECRET" in str(caught.value)
    assert "another-secret" not in str(caught.value) + warnings_shown.text


@pytest.mark.parametrize("name", ["SH_CLIENT_ID", "SH_CLIENT_SECRET"])
def test_missing_credentials_are_named(hub, monkeypatch, name):
    monkeypatch.delenv(name)
    with pytest.raises(SourceError, match=f"found no {name}") as caught:
        source_of(hub)
    assert caught.value.refused
    assert hub.issued == hub.searches == 0


def test_what_the_service_does_not_offer_is_told_in_its_words(hub):
    source, cell = source_of(hub)
    hub.largest = 10
    with pytest.raises(SourceError, match="Invalid width or height") as caught:
        read(source, cell)
    assert not caught.value.transient
    assert not caught.value.refused
    assert len(hub.asked) == 1


def test_an_unknown_collection_is_told_in_its_words(hub, monkeypatch):
    from groundshift.observations.sources.hub import products

    twin = products.DataCollection.SENTINEL2_L1C.define_from("TWIN", catalog_id="sentinel-9")
    monkeypatch.setitem(products._COLLECTIONS, ("sentinel2", "L1C"), twin)
    with pytest.raises(SourceError, match="404: Collection sentinel-9 not found"):
        source_of(hub)


def test_one_token_serves_all_threads_until_it_ends(hub):
    source, cell = source_of(hub)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: read(source, cell, number), range(4)))
    assert hub.issued == 1


def test_a_token_is_renewed_before_it_ends(hub):
    hub.lifetime = 100  # less than the client wants to have left
    source, cell = source_of(hub)
    issued = hub.issued
    read(source, cell)
    assert hub.issued > issued


@pytest.mark.parametrize("fault", ["503", "busy"])
def test_a_token_is_asked_for_again_where_its_service_fails(hub, fault):
    hub.token_faults = failing(fault, fault)
    source, _ = source_of(hub)
    assert source.acquisitions
    assert hub.issued == 1


def test_a_token_that_was_withdrawn_is_renewed_once(hub):
    source, cell = source_of(hub)
    hub.tokens.clear()
    assert read(source, cell) is not None
    assert hub.issued == 2


def test_nothing_but_the_header_of_the_token_request_holds_the_secret(hub, warnings_shown):
    source, cell = source_of(hub)
    hub.faults = failing("503", "429", "cut")
    read(source, cell)
    assert "image of S2A" in warnings_shown.text  # the failures are told
    assert SECRET not in warnings_shown.text
    assert SECRET not in repr(source._connection.config)
    assert CLIENT not in str(hub.asked)


def test_threads_wait_for_one_refusal_together(hub):
    """However many are under way, a burst of refusals counts once."""
    source, cell = source_of(hub)
    together = threading.Barrier(4, timeout=5)
    refused = []

    def refuse():
        if len(refused) < 4:
            refused.append(True)
            together.wait()
            return "429"
        return ""

    hub.faults = refuse
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda number: read(source, cell, number), range(4)))
    assert all(image is not None for image in images)
    assert len(hub.asked) == 8
