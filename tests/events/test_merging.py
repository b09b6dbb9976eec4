"""Objects of cells joined over their edges are those of the whole area."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from groundshift.domain.time import DAY
from groundshift.events.merging import merge
from groundshift.events.objects import EventRule, ScoredWindows, find_objects
from groundshift.events.series import LookSums
from groundshift.events.table import events_of

START = 17_500 * DAY
STARTS = START + 20 * DAY * np.arange(9)
GRID = GeoBox.from_bbox(
    (600_000, 5_599_840, 600_200, 5_600_000), crs="EPSG:32631", resolution=10, tight=True
)
RULE = EventRule(0.5, 0.35, 3, confirm=2)
LOOKS = START + 6 * DAY * np.arange(45)
SPECKLE = np.random.default_rng(7).normal(0, 0.05, 45)


def blobs(seed):
    """Smooth scores that rise for a while in some places: [window, y, x]."""
    generator = np.random.default_rng(seed)
    scores = np.full((9, 16, 20), 0.1)
    for _ in range(6):
        y, x = generator.integers(0, 14), generator.integers(0, 18)
        first = generator.integers(0, 5)
        level = generator.uniform(0.4, 0.9)
        height, width = generator.integers(2, 6, 2)
        scores[first : first + 4, y : y + height, x : x + width] = level
    return scores.astype(np.float32)


def reader(first_row, first_column):
    """Looks whose values tell the pixel, so that sums over wrong pixels differ."""

    def read(labels):
        count = int(labels.max(initial=0))
        rows, columns = np.indices(labels.shape)
        power = 1 + (rows + first_row) * 0.1 + (columns + first_column) * 0.01
        step = 1 + np.repeat([0, 1], [20, len(LOOKS) - 20]) + SPECKLE
        found = []
        for number in range(1, count + 1):
            inside = labels == number
            totals = power[inside].sum() * step[:, None] * np.array([1.0, 2.0])
            seen = np.full(len(LOOKS), inside.sum())
            found.append([LookSums("s1", ("VV", "VH"), False, LOOKS, totals, seen)])
        return found

    return read


def objects_of(scores, rows, columns, name):
    windows = ScoredWindows(
        scores[:, rows, columns],
        STARTS,
        STARTS + 60 * DAY,
        GRID[rows, columns],
        {"spread": 1 - scores[:, rows, columns]},
    )
    read = reader(rows.start, columns.start)
    return find_objects(windows, RULE, read=read, cell=name, open_edges=True)


def table(cells):
    events = events_of(merge(cells), RULE, "EPSG:32631")
    return events.sort_values("id").reset_index(drop=True)


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(1, 15), st.integers(1, 19))
def test_events_do_not_depend_on_how_an_area_is_cut(seed, row, column):
    scores = blobs(seed)
    whole = table([objects_of(scores, slice(0, 16), slice(0, 20), "whole")])
    cut = table(
        [
            objects_of(scores, rows, columns, f"{rows.start}-{columns.start}")
            for rows in (slice(0, row), slice(row, 16))
            for columns in (slice(0, column), slice(column, 20))
        ]
    )
    assert cut["id"].tolist() == whole["id"].tolist()
    for name in ("date", "date_from", "date_to", "first_seen", "confirmed", "ended", "sensors"):
        assert cut[name].tolist() == whole[name].tolist() or whole[name].isna().any()
    for name in ("score", "score_peak", "uncertainty", "area_m2", "pixels"):
        np.testing.assert_allclose(cut[name], whole[name])
    assert cut.geometry.geom_equals(whole.geometry).all()


def test_an_event_over_an_edge_names_its_cells():
    scores = np.full((9, 16, 20), 0.1, np.float32)
    scores[2:6, 4:8, 8:12] = 0.9
    cells = [
        objects_of(scores, slice(0, 16), columns, name)
        for name, columns in (("west", slice(0, 10)), ("east", slice(10, 20)))
    ]
    [event] = table(cells).itertuples()
    assert event.cells == "east, west"
    assert event.pixels == 16
    assert event.geometry.area == pytest.approx(1600)


def test_neighbours_over_an_edge_that_changed_at_other_times_stay_two():
    scores = np.full((9, 16, 20), 0.1, np.float32)
    scores[0:3, 4:8, 8:10] = 0.9
    scores[6:9, 4:8, 10:12] = 0.9
    cells = [
        objects_of(scores, slice(0, 16), columns, name)
        for name, columns in (("west", slice(0, 10)), ("east", slice(10, 20)))
    ]
    assert sorted(table(cells)["cells"]) == ["east", "west"]
