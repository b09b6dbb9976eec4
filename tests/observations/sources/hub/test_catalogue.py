import numpy as np
import pytest
from shapely import box

from groundshift.errors import SourceError
from groundshift.observations.areas import cells_of
from groundshift.observations.sources.hub.catalogue import Overpass, _joined, _read, interval
from groundshift.observations.sources.hub.source import SentinelHubSource
from tests.hub import scenes
from tests.hub.fixtures import settings_for

ANYWHERE = box(0, 0, 1, 1)


def item(name, time):
    return Overpass((name,), time, time, ANYWHERE)


def test_pages_are_read_to_the_end(hub):
    hub.page = 2
    settings = settings_for(hub)
    source = SentinelHubSource(settings.fetch.sentinelhub, cells_of(settings.area), settings.period)
    assert len(source.acquisitions) == 9
    assert hub.searches == 2 + 1 + 4  # 3, 2 and 8 items


def test_items_of_one_platform_within_minutes_are_one_overpass():
    items = [
        item("S2A_x_1", 0.5),
        item("S2A_x_2", 14.0),
        item("S2A_x_3", 1200.0),  # a swath is long: what counts is the gap
        item("S2B_x_1", 20.0),
        item("S2A_x_4", 6000.0),
    ]
    generator = np.random.default_rng(0)
    shuffled = [items[i] for i in generator.permutation(len(items))]
    found = list(_joined(shuffled))
    assert [overpass.items for overpass in found] == [
        ("S2A_x_1", "S2A_x_2", "S2A_x_3"),
        ("S2B_x_1",),
        ("S2A_x_4",),
    ]
    assert (found[0].first, found[0].last) == (0.5, 1200.0)
    start, end = interval(found[0])
    assert (start.timestamp(), end.timestamp()) == (-1, 1201)


@pytest.mark.parametrize(
    ("name", "orbit"),
    [
        # Real products of one relative orbit.
        ("S1A_IW_GRDH_1SDV_20170909T175748_20170909T175813_018302_01EC88_98A1", "030"),
        ("S1B_IW_GRDH_1SDV_20170903T175659_20170903T175724_007231_00CBEF_874B", "030"),
        ("S1C_IW_GRDH_1SDV_20170903T175659_20170903T175724_007231_00CBEF_874B", ""),
        ("S2A_MSIL1C_20170801T105031_N0205_R051_T31UES_20170801T105325.SAFE", "051"),
    ],
)
def test_the_relative_orbit_is_told_where_the_name_tells_it(name, orbit):
    assert item(name, 0).relative_orbit == orbit


def test_the_newest_baseline_counts():
    overpass = Overpass(("S2A_a_N0205_R051_T", "S2A_a_N0500_R051_T"), 0, 0, ANYWHERE)
    assert overpass.baseline == "0500"


def test_an_item_without_a_time_is_named():
    feature = {"id": "S2A_broken", "properties": {}, "geometry": {}}
    with pytest.raises(SourceError, match="S2A_broken"):
        _read(feature)


def test_what_lies_outside_of_the_area_is_left_out(hub):
    far = scenes.radar("ascending", (3,))[0]
    far.grid = far.grid.pad(-20)  # still there
    hub.scenes.append(far)
    beside = scenes.radar("ascending", (4,))[0]
    beside.grid = scenes.grid((900, 1000), (0, 100))
    hub.scenes.append(beside)
    settings = settings_for(hub)
    source = SentinelHubSource(settings.fetch.sentinelhub, cells_of(settings.area), settings.period)
    days = [(a.time - scenes.START) // scenes.DAY for a in source.acquisitions if "asc" in a.sensor]
    assert days == [1, 3, 7, 13]
