"""Events over runs: ids, states, what is news."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

from groundshift.domain.time import DAY
from groundshift.events.reviews import TYPES, empty_reviews
from groundshift.events.table import typed
from groundshift.events.tracking import follow, quieten

APART = 90 * DAY
DATE = pd.Timestamp("2018-03-01")


def table(*rows):
    """Events from (id, left, width, days after `DATE`, confirmed)."""
    events = []
    for name, left, width, days, confirmed in rows:
        date = DATE + pd.Timedelta(days=days)
        events.append({
            "id": name,
            "state": "confirmed" if confirmed else "new",
            "news": True,
            "first_seen": date + pd.Timedelta(days=30),
            "confirmed": date + pd.Timedelta(days=40) if confirmed else pd.NaT,
            "date": date,
            "date_from": date - pd.Timedelta(days=6),
            "date_to": date + pd.Timedelta(days=6),
            "start": date,
            "end": date,
            "area_m2": width * 100.0,
            "area_reported_m2": width * 100.0,
            "pixels": width,
            "score": 0.5,
            "geometry": box(left, 0, left + 10 * width, 10),
        })  # fmt: skip
    columns = None if events else ["id", "geometry"]
    return typed(gpd.GeoDataFrame(events, columns=columns, geometry="geometry", crs="EPSG:32631"))


def told(events):
    return {row.id: (row.state, row.news) for row in events.itertuples()}


def next_run(found, earlier):
    return follow(found, earlier, since=0, apart=APART)


def test_a_known_event_keeps_its_id_and_is_no_news():
    first = table(("a", 0, 10, 0, True), ("b", 500, 10, 0, False))
    again = next_run(table(("x", 10, 10, 5, True), ("y", 500, 10, -4, False)), first)
    assert told(again) == {"a": ("confirmed", False), "b": ("new", False)}
    assert told(next_run(table(("z", 0, 10, 3, True)), again))["a"] == ("confirmed", False)


def test_confirmation_and_growth_are_news_once():
    new = table(("a", 0, 10, 0, False))
    sure = next_run(table(("x", 0, 10, 0, True)), new)
    assert told(sure) == {"a": ("confirmed", True)}
    assert told(next_run(table(("x", 0, 10, 0, True)), sure)) == {"a": ("confirmed", False)}
    grown = next_run(table(("x", 0, 13, 0, True)), sure)
    assert told(grown) == {"a": ("grown", True)}
    assert told(next_run(table(("x", 0, 14, 0, True)), grown)) == {"a": ("grown", False)}


def test_slow_growth_is_measured_from_what_was_reported():
    events = table(("a", 0, 20, 0, True))
    news = []
    for width in (22, 24, 26, 28):
        events = next_run(table(("x", 0, width, 0, True)), events)
        news.append(bool(events["news"].item()))
    assert news == [False, False, True, False]


def test_what_is_not_found_any_more_is_withdrawn_once_and_recognised_when_it_returns():
    first = table(("a", 0, 10, 0, True))
    gone = next_run(table(), first)
    assert told(gone) == {"a": ("withdrawn", True)}
    still = next_run(table(), gone)
    assert told(still) == {"a": ("withdrawn", False)}
    back = next_run(table(("x", 0, 10, 0, True)), still)
    assert told(back) == {"a": ("confirmed", False)}


def test_an_event_before_the_time_looked_at_stays_as_it_is():
    first = table(("a", 0, 10, 0, True))
    later = int((DATE + pd.Timedelta(days=400)).timestamp())
    assert told(follow(table(), first, since=later, apart=APART)) == {"a": ("confirmed", False)}


def test_pieces_and_swallowed_events_are_no_news():
    whole = table(("a", 0, 20, 0, True))
    pieces = next_run(table(("x", 0, 12, 0, True), ("y", 130, 7, 0, True)), whole)
    assert told(pieces) == {"a": ("confirmed", False), "y": ("confirmed", False)}
    joined = next_run(table(("z", 0, 20, 0, True)), pieces)
    assert told(joined)["y"] == ("withdrawn", False)
    assert told(joined)["a"] == ("confirmed", False)


def test_the_same_ground_at_another_time_is_another_event():
    first = table(("a", 0, 10, 0, True))
    later = next_run(table(("x", 0, 10, 0, True), ("y", 0, 10, 400, True)), first)
    assert told(later) == {"a": ("confirmed", False), "y": ("confirmed", True)}


def test_dates_apart_are_the_same_where_their_intervals_overlap():
    first, found = table(("a", 0, 10, 0, True)), table(("x", 0, 10, 120, True))
    assert told(next_run(found, first))["x"] == ("confirmed", True)
    found["date_from"] = DATE
    assert told(next_run(found, first)) == {"a": ("confirmed", False)}


def test_the_first_alarm_is_not_moved_by_later_runs():
    first = table(("a", 0, 10, 0, True))
    [later] = next_run(table(("x", 0, 10, 20, True)), first).itertuples()
    assert later.first_seen == first["first_seen"].item()
    assert later.date == DATE + pd.Timedelta(days=20)


def test_earlier_events_in_another_reference_system_are_recognised():
    first = table(("a", 0, 10, 0, True))
    found = first.assign(id="x").set_geometry(first.geometry.translate(500_000, 5_600_000))
    earlier = found.assign(id="a").to_crs("EPSG:4326")
    assert told(next_run(found, earlier)) == {"a": ("confirmed", False)}


def review(event, verdict, **changed):
    kept = event[[name for name in TYPES if name in event] + ["geometry"]]
    values = {"verdict": verdict, "class": "farming", "by": "ada", "at": DATE, "maps": "m"}
    table = kept.assign(**(values | changed))
    return table[[*TYPES, "geometry"]].astype(TYPES)


def test_what_was_rejected_is_quiet_whatever_it_is_called():
    events = table(("a", 0, 10, 0, True), ("b", 500, 10, 0, True))
    reviews = review(events.iloc[:1], "rejected")
    quiet = quieten(events, reviews, APART)
    assert told(quiet) == {"a": ("confirmed", False), "b": ("confirmed", True)}
    assert quiet["review_verdict"].tolist() == ["rejected", None]
    assert quiet["review_by"].tolist() == ["ada", None]
    renamed = quieten(table(("x", 10, 9, 10, True)), reviews, APART)
    assert told(renamed) == {"x": ("confirmed", False)}


def test_a_rejection_counts_for_its_ground_and_time_only():
    reviews = review(table(("a", 0, 10, 0, True)), "rejected")
    larger = quieten(table(("x", 0, 40, 0, True)), reviews, APART)
    later = quieten(table(("x", 0, 10, 300, True)), reviews, APART)
    assert told(larger) == told(later) == {"x": ("confirmed", True)}


def test_an_accepted_event_carries_its_review_and_stays_news():
    events = table(("a", 0, 10, 0, True))
    [row] = quieten(events, review(events, "accepted"), APART).itertuples()
    assert (row.review_verdict, row.review_class, row.news) == ("accepted", "farming", True)
    assert row.review_at == DATE


def test_without_reviews_nothing_changes():
    events = table(("a", 0, 10, 0, True))
    assert quieten(events, empty_reviews(), APART) is events


@pytest.mark.parametrize("seed", range(3))
def test_of_two_hundred_events_forty_rejected_ones_never_come_back(seed):
    """The next run finds everything again, a little elsewhere and under other names."""
    generator = np.random.default_rng(seed)
    places = [(f"e{n:03d}", 300 * n, 10, int(generator.integers(0, 700)), True) for n in range(200)]
    events = table(*places)
    rejected = generator.choice(200, 40, replace=False)
    reviews = review(events.iloc[rejected], "rejected")
    moved = [
        (f"x{n}", left + int(generator.integers(-3, 4)) * 10, 10, days + int(shift), True)
        for (n, (_, left, _, days, _)), shift in zip(
            enumerate(places), generator.integers(-20, 21, 200), strict=True
        )
    ]  # fmt: skip
    found = table(*moved)
    followed = quieten(follow(found, events, since=0, apart=APART), reviews, APART)
    assert not followed["news"].any()
    assert set(followed["id"]) == set(events["id"])
    forgotten = quieten(found, reviews, APART)  # as if nothing had been published
    assert forgotten["news"].sum() == 160
