"""The fetch stage on services that fail, in processes that are killed: nothing comes twice."""

from itertools import cycle

import pytest

from components.fetch.stage import run
from groundshift.observations.sources.stac.offers import PLANETARY_COMPUTER
from groundshift.observations.store import Observations
from groundshift.settings import PeriodSettings
from tests.hub import fixtures as hub_fixtures
from tests.hub import scenes
from tests.hub.service import FAULTS as HUB_FAULTS
from tests.loopback.kills import killed
from tests.stac import city
from tests.stac import fixtures as stac_fixtures
from tests.stac.service import FAULTS as STAC_FAULTS

pytestmark = pytest.mark.usefixtures("own_work")

KILLS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of an undisturbed run's requests after which the process is killed."""
AT_ONCE = 2
"""Requests under way."""


def of_hub(hub):
    """Sixty dates of three sensors of two bands, and the faults that a service has."""
    days = range(60)
    ways = ("ascending", "descending")
    hub.scenes[:] = scenes.optical(days)
    hub.scenes += [scene for orbit in ways for scene in scenes.radar(orbit, days)]
    optical = hub_fixtures.SENSORS["s2"] | {"bands": ["B02", "B08"]}
    radar = {f"s1_{orbit}": hub_fixtures.RADAR | {"orbit": orbit} for orbit in ways}
    settings = hub_fixtures.settings_for(
        hub,
        sensors=radar | {"s2": optical},
        period={"start": "2020-03-01", "end": "2020-05-15"},
        fetch={"sentinelhub": {"concurrency": AT_ONCE}},
    )
    hub.stall = 0.1
    return settings, HUB_FAULTS


def of_stac(api):
    """Some dates of three sensors, and the faults that a provider has."""
    months = {"start": "2020-03-01", "end": "2020-05-01"}
    own = city.source(period=PeriodSettings(**months))
    api.products = [
        *city.sentinel2(PLANETARY_COMPUTER, own, days=12),
        *city.sentinel1(own, days=15),
    ]
    api.signed = True
    settings = stac_fixtures.settings_for(
        api,
        "planetary_computer",
        stac_fixtures.RADAR | {"s2": stac_fixtures.S2},
        period=months,
        fetch={"stac": {"concurrency": AT_ONCE}},
    )
    api.catalogue_faults = cycle(["503", "429", *[""] * 8]).__next__
    return settings, STAC_FAULTS


def fetch(folder, settings):
    run(settings, observations=folder)
    return Observations.open(folder)


@pytest.mark.parametrize(("service", "prepare"), [("hub", of_hub), ("api", of_stac)])
def test_with_a_fifth_of_failures_and_five_kills_the_artifact_is_the_same(
    request, tmp_path, monkeypatch, service, prepare
):
    service = request.getfixturevalue(service)
    settings, faults = prepare(service)
    undisturbed = fetch(tmp_path / "undisturbed", settings)
    needed = len(service.asked)
    assert needed >= 180
    assert set(service.answered.values()) == {1}

    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "elsewhere"))  # where nothing is kept
    service.asked.clear()
    service.answered.clear()
    turns = cycle(faults)
    service.faults = lambda: next(turns) if len(service.asked) % 5 == 0 else ""
    for share in KILLS:
        killed(
            settings,
            tmp_path / "observations",
            lambda count=share * needed: len(service.asked) > count,
        )
    disturbed = fetch(tmp_path / "observations", settings)

    assert disturbed.manifest.content_hash == undisturbed.manifest.content_hash
    assert len(service.asked) <= 1.3 * needed
    # Twice came only what was on its way at a kill.
    assert sum(service.answered.values()) - len(service.answered) <= len(KILLS) * AT_ONCE
    assert len(service.answered) == needed
    assert not list(disturbed.folder.rglob("*.part"))
    assert not list((tmp_path / "elsewhere").glob("place/bought/parts/*/*"))


def test_images_bought_before_a_kill_are_kept_when_the_catalogue_changes(hub, tmp_path):
    settings, _ = of_hub(hub)
    folder = tmp_path / "observations"
    killed(settings, folder, until=lambda: len(hub.asked) > 30)
    asked = len(hub.asked)
    hub.scenes += scenes.radar("ascending", (65,))
    fetch(folder, settings)
    assert len(hub.asked) <= 181 + AT_ONCE  # those under way at the kill
    assert asked > 30
    hub.asked.clear()
    fetch(folder, settings)
    assert hub.asked == []
