"""Matching of events, and scores and dates of those that match."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import box

from groundshift.assessment.event_scores import (
    event_summary,
    event_table,
    events_by_group,
    joined,
    known_events,
    match,
)
from groundshift.domain.time import DAY

START = 17_500 * DAY  # of the memory cell's series, 2017-11-30


def day(number):
    return pd.Timestamp(START + number * DAY, unit="s")


def rectangle(y0, x0, y1, x1):
    left, top = 600_000, 5_600_000
    return box(left + 10 * x0, top - 10 * y1, left + 10 * x1, top - 10 * y0)


@pytest.fixture
def truth():
    """A sudden and a slow change, a swap, and one before all windows."""
    rows = [
        ("sudden", "urban", 1.0, 40, 40, rectangle(0, 0, 3, 2)),
        ("slow", "urban", 1 / 3, 30, 50, rectangle(0, 4, 3, 7)),
        ("swap", "swap", 1.0, 40, 40, rectangle(4, 0, 6, 3)),
        ("early", "urban", 1.0, -30, -30, rectangle(4, 5, 6, 7)),
        ("elsewhere", "urban", 1.0, 40, 40, rectangle(20, 20, 22, 22)),
    ]
    columns = ["id", "kind", "strength", "start", "end", "geometry"]
    table = gpd.GeoDataFrame(rows, columns=columns, crs="EPSG:32631")
    return table.assign(start=table["start"].map(day), end=table["end"].map(day))


@pytest.fixture
def found():
    """The sudden change late by 6 days, the swap, the early one, and one out of nothing."""
    rows = [
        ("1", 0.9, 46, rectangle(0, 0, 3, 2)),
        ("2", 0.8, 40, rectangle(4, 0, 6, 3)),
        ("3", 0.7, 40, rectangle(3, 3, 4, 5)),
        ("4", 0.7, 4, rectangle(4, 5, 6, 7)),
    ]
    table = gpd.GeoDataFrame(rows, columns=["id", "score", "date", "geometry"], crs="EPSG:32631")
    return table.assign(date=table["date"].map(day))


@pytest.fixture
def table(memory_panel, truth, found):
    scores = np.full(memory_panel.labels.shape, 0.25, np.float32)
    scores[3] = 0.75
    return event_table(memory_panel, scores, truth, found)


def test_known_events_are_their_pixels_in_the_block(memory_panel, truth):
    events = known_events(memory_panel, truth)
    assert [event.id for event in events] == ["sudden", "slow", "swap", "early"]
    assert [int(event.pixels.sum()) for event in events] == [6, 9, 6, 4]
    sudden, slow = events[:2]
    assert (sudden.speed, slow.speed) == ("abrupt", "gradual")
    assert slow.date == START + 40 * DAY
    starts = np.array([START, START + 45 * DAY])
    assert sudden.shares(starts, starts + 48 * DAY).tolist() == [1, 0]
    assert slow.shares(starts, starts + 48 * DAY) == pytest.approx([18 / 20, 5 / 20])


def test_a_table_tells_what_was_found_of_each_change(table):
    rows = table.set_index(table["id"].fillna("vain " + table["found_id"].astype(str)))
    assert rows.index.tolist() == ["sudden", "slow", "swap", "early", "vain 3"]
    assert rows["counts"].tolist() == [True, True, False, False, False]
    assert rows.loc["sudden", "error_days"] == pytest.approx(6)
    assert rows.loc["sudden", "iou"] == 1
    assert pd.isna(rows.loc["slow", "found_id"])
    assert rows.loc["swap", "found_id"] == "2"
    assert rows.loc["sudden", "best_score"] == 0.75
    assert 0.25 < rows.loc["sudden", "mean_score"] < 0.75


def test_scores_of_events_count_what_is_known(table):
    scores = event_summary(table)
    # Right: sudden. In vain: the swap and the one out of nothing; the early one counts neither way.
    assert scores["event_precision"].value == pytest.approx(1 / 3)
    assert scores["event_recall"].value == pytest.approx(1 / 2)
    assert scores["event_f1"].value == pytest.approx(2 / 5)
    assert scores["date_error_median"].value == pytest.approx(6)
    assert scores["date_bias"].value == pytest.approx(6)
    assert scores["dated_within_30_days"].value == 1


def test_groups_are_strengths_and_speeds(table):
    groups = events_by_group(table).set_index(["strength", "speed"])
    assert groups.loc[(1.0, "abrupt"), "found"] == 1
    assert groups.loc[(1 / 3, "gradual"), "events"] == 1
    assert groups.loc[(1 / 3, "gradual"), "found"] == 0
    assert pd.isna(groups.loc[(1 / 3, "gradual"), "date_error_median"])


def test_nothing_known_or_nothing_found_is_null_with_a_reason(memory_panel, truth, found):
    scores = np.zeros(memory_panel.labels.shape, np.float32)
    none_known = event_table(memory_panel, scores, truth.iloc[:0], found)
    assert none_known["kind"].tolist() == ["none"] * 4
    assert {s.value for s in event_summary(none_known).values()} == {None}
    none_found = event_table(memory_panel, scores, truth, found.iloc[:0])
    summary = event_summary(none_found)
    assert summary["event_precision"].value is None
    assert summary["event_recall"].value == 0
    assert "no known change was found" in summary["date_error_median"].reason
    assert event_summary(joined([]))["event_recall"].value is None


def test_tables_of_blocks_join(table):
    assert len(joined([table, table.iloc[:0], table])) == 2 * len(table)


MASKS = st.lists(
    st.lists(st.booleans(), min_size=6, max_size=6).map(lambda m: np.array(m).reshape(2, 3)),
    max_size=4,
)


@given(MASKS, MASKS)
def test_matching_takes_the_best_pairs_one_to_one(known, found):
    pairs = match(known, found)
    partners = [other for other, _ in pairs.values()]
    assert len(set(partners)) == len(partners)
    for k, a in enumerate(known):
        for f, b in enumerate(found):
            union = (a | b).sum()
            iou = (a & b).sum() / union if union else 0
            if k in pairs and pairs[k][0] == f:
                assert pairs[k][1] == pytest.approx(iou)
                assert iou >= 0.25
            elif iou >= 0.25:
                # Left out only for a better or equal pair of one of the two.
                mine = pairs[k][1] if k in pairs else 0
                theirs = next((i for o, i in pairs.values() if o == f), 0)
                assert max(mine, theirs) >= iou - 1e-12
