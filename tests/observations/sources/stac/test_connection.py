"""Links that end, services that fail, and what is asked how often."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from groundshift.errors import SourceError
from groundshift.observations.costs import Used
from groundshift.observations.sources import retries
from groundshift.observations.sources.stac import connection
from groundshift.observations.sources.stac.connection import Connection
from groundshift.observations.sources.stac.offers import Provider
from groundshift.observations.sources.stac.parts import HEAD, RemoteFile, Spool, joined
from tests.stac.archive import File, Product
from tests.stac.city import ground
from tests.stac.service import FAULTS

NOISE = np.random.default_rng(0).integers(0, 60_000, (120, 600), np.uint16)


@pytest.fixture
def place(api):
    """An address of an image of noise, and a connection to it."""
    grid = ground((0, 600), (0, 120))
    properties = {"proj:epsg": 32631}
    api.products = [Product("one", "noise", 1_600_000_000, {"a": File(NOISE, grid)}, properties)]
    provider = Provider("loopback", api.url, token_url=f"{api.url}/token")
    return f"{api.url}/files/noise/one/a.tif", Connection(provider, 4)


def content(api):
    return api.file("noise/one/a.tif")


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_once_is_asked_again(api, place, fault):
    address, there = place
    faults = iter([fault])
    api.faults = lambda: next(faults, "")
    part, size = there.part("noise", address, 100, 1000, Used())
    assert size == len(content(api))
    if fault != "corrupt":  # which only who decodes it finds out
        assert part == content(api)[100:1100]
        assert len(api.asked) == (1 if fault == "slow" else 2)


def test_a_service_that_does_not_recover_ends_the_run(api, place):
    address, there = place
    api.faults = lambda: "cut"
    with pytest.raises(SourceError, match=r"found a failure 8 times, last: .*") as caught:
        there.part("noise", address, 0, 1000, Used())
    assert caught.value.transient
    assert len(api.asked) == retries.ATTEMPTS


def test_a_service_that_goes_on_putting_off_ends_the_run(api, place, monkeypatch):
    monkeypatch.setattr(retries, "LIMITED", 3)
    monkeypatch.setattr(retries, "LONGEST_WAIT", 0.01)
    address, there = place
    api.faults = lambda: "429"
    with pytest.raises(SourceError, match=r"429 .* lower fetch.stac.concurrency") as caught:
        there.part("noise", address, 0, 1000, Used())
    assert caught.value.transient
    assert len(api.asked) == 4


@pytest.mark.parametrize(("allowed", "most"), [(2, 2), (0, 4)])
def test_no_more_requests_are_under_way_than_a_provider_allows(api, place, allowed, most):
    address, there = place
    api.faults, api.stall = (lambda: "slow"), 0.05
    limited = Connection(replace(there.provider, connections=allowed), 4)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda start: limited.part("noise", address, start, 10, Used()), range(12)))
    assert 2 <= api.most_at_once <= most


def test_a_token_is_asked_for_once_and_again_before_it_ends(api, place):
    address, there = place
    api.signed = True
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda start: there.part("noise", address, start, 10, Used()), range(20)))
    assert api.issued == 1
    api.lifetime = 30  # less than a request may take
    other = Connection(there.provider, 1)
    for start in range(3):
        other.part("noise", address, start, 10, Used())
    assert api.issued == 4


def test_a_token_that_ends_before_its_time_is_renewed_once(api, place):
    address, there = place
    api.signed = True
    there.part("noise", address, 0, 10, Used())
    api.tokens.clear()
    assert there.part("noise", address, 0, 10, Used())[0] == content(api)[:10]
    assert api.issued == 2
    api.tokens = type("Forgetful", (set,), {"add": lambda *_: None})()
    with pytest.raises(SourceError, match=r"refuses .*403.*Signature not valid") as caught:
        there.part("noise", address, 0, 10, Used())
    assert caught.value.refused
    assert api.issued == 3


def test_an_image_that_is_not_there_is_lost_and_not_asked_for_again(api, place):
    address, there = place
    with pytest.raises(SourceError, match=r"expected the image .*, found none") as caught:
        there.part("noise", address.replace("a.tif", "b.tif"), 0, 10, Used())
    assert caught.value.lost
    assert len(api.asked) == 1


def test_a_service_without_ranges_is_told(api, place):
    _, there = place
    with pytest.raises(SourceError, match="the service ignores ranges"):
        there.part("noise", f"{api.url}/collections", 0, 10, Used())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(None, None), ("7", 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None)],
)
def test_the_wait_that_a_service_asks_for_is_a_number_or_a_date(text, seconds):
    assert connection._asked({"Retry-After": text} if text else {}) == seconds


def test_links_in_messages_and_logs_have_no_token(api, place, caplog):
    caplog.set_level(logging.DEBUG)
    address, there = place
    api.signed = True
    faults = iter(["503", "cut", "429"])
    api.faults = lambda: next(faults, "")
    there.part("noise", address, 0, 10, Used())
    closed = Connection(there.provider, 1)
    closed.part("noise", address, 0, 10, Used())
    with pytest.raises(SourceError) as caught:
        closed.part("noise", "http://127.0.0.1:9/gone.tif", 0, 10, Used())
    for token in api.tokens:
        assert token not in caplog.text
        assert token not in str(caught.value)


def test_every_byte_is_loaded_once(api, place):
    address, there = place
    whole = content(api)
    with Spool(there, "noise", Used()) as spool:
        spool.load(address, [(0, HEAD)])
        spool.load(address, [(70_000, 100), (70_108, 50), (90_000, 10)])
        assert [span for _, span in api.asked[1:]] == ["bytes=70000-70157", "bytes=90000-90009"]
        spool.load(address, [(70_010, 20), (10, 20)])
        file = RemoteFile(spool, address)
        file.seek(70_100)
        assert file.read(20) == whole[70_100:70_120]
        assert len(api.asked) == 3
        file.seek(-10, 2)
        assert file.read() == whole[-10:]
        assert len(api.asked) == 4


def test_runs_of_bytes_are_joined():
    assert joined([(100, 10), (0, 50), (50, 20), (78, 4), (110, 5)]) == [(0, 82), (100, 15)]
    assert joined([]) == []
