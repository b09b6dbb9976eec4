"""Recall against false events, delays and strata, on changes whose outcome is plain to see."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

from groundshift.assessment.event_scores import event_table
from groundshift.assessment.operating import (
    FALSE_EVENTS,
    Watched,
    best_threshold_of_events,
    delays,
    events_by_stratum,
    operating_curve,
    operating_summary,
)
from groundshift.domain.time import DAY
from groundshift.events.objects import EventRule, ScoredWindows
from groundshift.events.table import find_events

START = 17_500 * DAY


def day(number):
    return pd.Timestamp(START + number * DAY, unit="s")


def rectangle(y0, x0, y1, x1):
    left, top = 600_000, 5_600_000
    return box(left + 10 * x0, top - 10 * y1, left + 10 * x1, top - 10 * y0)


@pytest.fixture
def truth():
    rows = [
        ("clear", "urban", 8.0, 40, 40, rectangle(0, 0, 2, 2)),
        ("faint", "urban", -2.0, 30, 50, rectangle(0, 5, 2, 7)),
        ("field", "other", 5.0, 40, 40, rectangle(4, 0, 6, 2)),
    ]
    columns = ["id", "kind", "contrast", "start", "end", "geometry"]
    table = gpd.GeoDataFrame(rows, columns=columns, crs="EPSG:32631")
    return table.assign(start=table["start"].map(day), end=table["end"].map(day))


@pytest.fixture
def watched(memory_panel, truth):
    """Scores that rank clear, then a false event, then faint, then the field."""
    scores = np.zeros(memory_panel.labels.shape, np.float32)
    scores[3:9, 0:2, 0:2] = 0.9
    scores[3:9, 4:6, 5:7] = 0.7
    scores[3:9, 0:2, 5:7] = 0.5
    scores[3:9, 4:6, 0:2] = 0.3
    panel = replace(memory_panel, labels=np.zeros_like(memory_panel.labels))
    return Watched.of(panel, scores, truth)


def events(panel, scores, threshold):
    windows = ScoredWindows(scores, panel.starts, panel.ends, panel.block.grid)
    return find_events(windows, EventRule(threshold, threshold, 2))


def outline(*asked):
    return list(events(*asked).geometry)


def test_the_curve_counts_events_found_and_in_vain(watched):
    curve = operating_curve([watched], outline).set_index("threshold")
    pairs = list(zip(curve["found"], curve["false_events"], strict=True))
    assert list(dict.fromkeys(pairs)) == [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2)]
    assert set(curve["events"]) == {2}
    # 42 pixels of 100 m2 for 12 windows of 4 days after the first one.
    exposure = 42e-4 / 100 * (watched.panel.ends[-1] - watched.panel.starts[0]) / (365.25 * DAY)
    assert watched.exposure == pytest.approx(exposure)
    rates = curve.loc[curve["false_events"] == 1, "false_rate"].to_numpy()
    assert rates == pytest.approx(1 / exposure)


def test_the_recall_counts_that_costs_no_more_than_it_may(watched):
    curve = operating_curve([watched], outline)
    summary = operating_summary(curve, [watched])
    # One false event on so small a ground is already far too many.
    assert summary["event_recall_at_rate"].value == 0.5
    loose = curve.assign(false_rate=curve["false_rate"] * 1e-9)
    assert operating_summary(loose, [watched])["event_recall_at_rate"].value == 1
    never = curve.assign(false_rate=2 * FALSE_EVENTS)
    assert (
        "at every threshold" in operating_summary(never, [watched])["event_recall_at_rate"].reason
    )


def test_a_delay_runs_from_the_start_to_the_end_of_the_first_window_that_shows_it(watched):
    known = {event.id: event for event in watched.known}
    expected = (watched.panel.ends[3] - known["clear"].start) / DAY
    assert watched.delay(known["clear"], 0.8) == pytest.approx(expected)
    assert watched.delay(known["faint"], 0.8) is None
    found = delays([watched], 0.8)
    assert found["delay_p50"].value == pytest.approx(expected)
    waited = delays([watched], 0.8, wait=182)
    assert waited["delay_p90"].value == pytest.approx(found["delay_p90"].value + 182)
    assert "reached the threshold" in delays([watched], 0.95)["delay_p90"].reason


def test_strata_split_the_changes_that_count(watched, truth):
    found = events(watched.panel, watched.scores, 0.6)
    table = event_table(watched.panel, watched.scores, truth, found)
    rows = events_by_stratum(table, truth).set_index(["by", "stratum"])
    assert rows.loc[("contrast", "6 dB and more"), "recall"] == 1
    assert rows.loc[("contrast", "under 3 dB"), "recall"] == 0
    assert rows.loc[("size", "under 0.1 ha"), "events"] == 2
    assert rows.loc[("speed", "abrupt"), "found"] == 1
    assert rows.loc[("speed", "up to 6 months"), "found"] == 0
    assert pd.isna(rows.loc[("speed", "up to 6 months"), "date_error_p90"])
    assert "contrast" not in set(events_by_stratum(table, truth.drop(columns="contrast"))["by"])


def test_degrees_are_no_metres(watched, truth):
    found = events(watched.panel, watched.scores, 0.8)
    table = event_table(watched.panel, watched.scores, truth, found)
    one, other = (events_by_stratum(table, t) for t in (truth, truth.to_crs("EPSG:4326")))
    pd.testing.assert_frame_equal(one, other)


def test_without_windows_or_changes_there_is_a_reason(watched, truth):
    panel = watched.panel
    none = replace(
        panel, windows=panel.windows.iloc[:0], labels=panel.labels[:0], decoys=panel.decoys[:0]
    )
    empty = Watched.of(none, watched.scores[:0], truth)
    assert empty.exposure == 0
    curve = operating_curve([empty], outline)
    assert curve.empty
    assert "no known change" in operating_summary(curve, [empty])["event_recall_at_rate"].reason


def test_the_best_threshold_of_events_weighs_what_is_found_and_in_vain(watched):
    curve = operating_curve([watched], outline).set_index("threshold")
    alike = {2: curve[curve["found"] == 2], 1: curve[curve["found"] == 1]}
    best = alike[2].index[alike[2]["false_events"] == 1].max()  # F1 of 4 / 5
    good = alike[1].index[alike[1]["false_events"] == 0].max()  # of 2 / 3
    poor = alike[1].index[alike[1]["false_events"] == 1].max()  # of 2 / 4
    assert best_threshold_of_events([watched], outline, (poor, good, best)) == best
    assert best_threshold_of_events([watched], outline, (poor, good)) == good
    assert best_threshold_of_events([], outline, (0.6, 0.8)) == 0.6
