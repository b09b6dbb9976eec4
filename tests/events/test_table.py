"""Rows of the table of events: dates, alarms, direction, evidence, names."""

import json
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

from groundshift.domain.time import DAY
from groundshift.events.dating import ChangePoint, Evidence
from groundshift.events.objects import EventRule, ScoredWindows
from groundshift.events.series import LookSums
from groundshift.events.table import (
    EVENT_TYPES,
    GAIN,
    LOSS,
    UNKNOWN,
    direction_of,
    find_events,
    typed,
)
from tests.events.test_objects import GRID, START

RULE = EventRule(0.5, 0.35, 3, confirm=2)


def windows_of(scores):
    starts = START + 10 * DAY * np.arange(len(scores))
    return ScoredWindows(np.asarray(scores, np.float32), starts, starts + 30 * DAY, GRID)


@pytest.fixture
def scores():
    """One event of 6 pixels, seen by windows 2 to 4 of 9."""
    values = np.full((9, 8, 10), 0.1)
    values[2:5, 1:3, 1:4] = 0.9
    return values


def jump(labels):
    """Radar that doubles on day 42, every 5 days."""
    times = START + 5 * DAY * np.arange(40)
    power = np.where(times >= START + 42 * DAY, 0.2, 0.1)
    power = power * np.random.default_rng(0).normal(1, 0.05, 40)
    pixels = int((labels == 1).sum())
    totals = np.stack([power, power], axis=1) * pixels
    return [[LookSums("s1", ("VV", "VH"), False, times, totals, np.full(40, pixels))]]


def test_an_event_tells_when_it_rang_and_when_it_happened(scores):
    [event] = find_events(windows_of(scores), RULE, read=jump).itertuples()
    day = pd.Timestamp(START, unit="s"), pd.Timedelta(days=1)
    assert event.first_seen == day[0] + 50 * day[1]  # window 2 ends
    assert event.confirmed == day[0] + 60 * day[1]
    assert event.ended == day[0] + 70 * day[1]
    assert event.date == day[0] + 42.5 * day[1]
    assert event.date_from <= event.date <= event.date_to
    assert event.start == event.date == event.end
    assert event.date_method == "change_point"
    assert (event.state, event.news) == ("confirmed", True)
    assert event.score == pytest.approx(0.9)
    assert event.score_peak == pytest.approx(0.9)
    assert np.isnan(event.uncertainty)
    assert (event.area_m2, event.area_reported_m2, event.pixels) == (600, 600, 6)
    assert event.direction == GAIN
    told = json.loads(event.sensors)["s1"]
    assert told["looks"] == 10
    assert told["change"]["VV"] == pytest.approx(0.1, abs=0.02)
    assert told["before"][-1] < f"{event.date:%Y-%m-%dT%H:%M:%SZ}" < told["after"][0]
    assert event.review_verdict is None


def test_what_maps_say_beside_the_scores_becomes_probability_and_uncertainty(scores):
    scores[3, 1:3, 1:4] = 0.95
    spread = np.full(scores.shape, 0.3, np.float32)
    spread[2:5, 1:3, 1:4] = np.array([0.1, 0.05, 0.06])[:, None, None]
    layers = {"spread": spread, "probability": (scores**2).astype(np.float32)}
    [event] = find_events(replace(windows_of(scores), layers=layers), RULE).itertuples()
    assert event.uncertainty == pytest.approx(0.07)  # of the windows that carry it
    assert event.probability == pytest.approx(0.95**2)  # of the best one
    [bare] = find_events(windows_of(scores), RULE).itertuples()
    assert np.isnan(bare.probability)


def test_without_series_the_windows_date_an_event(scores):
    [event] = find_events(windows_of(scores), RULE).itertuples()
    assert event.date_method == "windows"
    assert event.date == pd.Timestamp(START + 45 * DAY, unit="s")
    assert (event.date_from, event.date_to) == (event.start, event.end)
    assert event.direction == UNKNOWN
    assert json.loads(event.sensors) == {}


def test_an_event_that_rings_still_is_new_and_has_no_end(scores):
    scores[:] = 0.1
    scores[8:, 1:3, 1:4] = 0.9
    rule = EventRule(0.2, 0.1, 3, confirm=2)
    [event] = find_events(windows_of(scores[:, :3]), rule, read=None).itertuples()
    assert pd.isna(event.confirmed)
    assert pd.isna(event.ended)
    assert event.state == "new"


def test_the_name_follows_from_place_and_time(scores):
    first = find_events(windows_of(scores), RULE)["id"].item()
    assert find_events(windows_of(scores), RULE, read=jump)["id"].item() == first
    assert find_events(windows_of(np.roll(scores, 1, axis=0)), RULE)["id"].item() != first
    assert find_events(windows_of(np.roll(scores, 1, axis=1)), RULE)["id"].item() != first


@pytest.mark.parametrize(
    ("changes", "direction"),
    [
        ({"VV": (0.1, 20.0)}, GAIN),
        ({"VV": (-0.1, 20.0)}, LOSS),
        ({"NDVI": (-0.2, 30.0)}, GAIN),
        ({"NDVI": (0.2, 30.0), "NDBI": (-0.1, 9.0)}, LOSS),
        ({"VV": (0.1, 20.0), "NDVI": (0.2, 20.0)}, UNKNOWN),
        ({"VH": (0.1, 90.0)}, UNKNOWN),
        ({"VV": (0.1, 4.0)}, UNKNOWN),
    ],
)
def test_direction_weighs_what_every_series_says(changes, direction):
    evidence = tuple(
        Evidence("s", gain, {name: (change, gain)}, np.array([0]))
        for name, (change, gain) in changes.items()
    )
    assert direction_of(ChangePoint(0, 0, 0, 0, 0, evidence)) == direction


def test_a_table_of_the_first_version_is_read_as_reported():
    old = gpd.GeoDataFrame(
        {"id": ["a"], "score": [0.5], "start": [1], "date": [2], "end": [3], "area_m2": [100.0],
         "pixels": [1]},
        geometry=[box(0, 0, 10, 10)],
        crs="EPSG:32631",
    )  # fmt: skip
    table = typed(old)
    assert list(table.columns) == [*EVENT_TYPES, "geometry"]
    assert table["state"].item() == "new"
    assert not table["news"].item()
    assert pd.isna(table["confirmed"].item())


def test_no_event_is_a_table_with_all_columns():
    none = find_events(windows_of(np.zeros((5, 8, 10))), RULE, read=lambda labels: [])
    assert none.empty
    assert list(none.columns) == [*EVENT_TYPES, "geometry"]
    assert str(none.crs) == "EPSG:32631"
