"""Events from score maps: pixels, outlines, dates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from groundshift.cube.store import Frames
from groundshift.domain.time import DAY
from groundshift.events.dating import MeanSeries, Support
from groundshift.events.objects import ScoredWindows, cube_series, find_events, label_objects

START = 17_500 * DAY
GRID = GeoBox.from_bbox(
    (600_000, 5_599_920, 600_100, 5_600_000), crs="EPSG:32631", resolution=10, tight=True
)


def windows_of(scores):
    starts = START + 10 * DAY * np.arange(len(scores))
    return ScoredWindows(np.asarray(scores, np.float32), starts, starts + 30 * DAY, GRID)


def naive_groups(high, periods, min_pixels):
    """Groups of pixels by flooding over neighbours at most one period apart, as sets."""
    left = {tuple(p) for p in np.argwhere(high)}
    groups = []
    while left:
        group, border = set(), [left.pop()]
        while border:
            y, x = border.pop()
            group.add((y, x))
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left and abs(periods[near] - periods[y, x]) <= 1:
                    left.remove(near)
                    border.append(near)
        if len(group) >= min_pixels:
            groups.append(group)
    return groups


def supported(values, days=None):
    values = np.asarray(values, np.float32)
    days = np.zeros(values.shape, np.int64) if days is None else np.asarray(days)
    return Support(values, START + days * DAY)


@given(arrays(np.bool_, (5, 6)), arrays(np.int64, (5, 6), elements=st.integers(0, 3)), st.data())
def test_objects_are_the_groups_of_neighbours_with_near_dates(high, periods, data):
    min_pixels = data.draw(st.integers(1, 4))
    found = label_objects(
        supported(high, 100 * periods), 0.5, min_pixels=min_pixels, apart=150 * DAY
    )
    groups = [{tuple(p) for p in np.argwhere(found == n)} for n in range(1, int(found.max()) + 1)]
    expected = naive_groups(high, periods, min_pixels)
    assert sorted(map(sorted, groups)) == sorted(map(sorted, expected))
    # Numbered by their first pixel in rows.
    firsts = [min(group) for group in groups]
    assert firsts == sorted(firsts)


def test_fields_side_by_side_built_at_different_times_are_two_events():
    values, days = np.ones((2, 6)), np.zeros((2, 6), int)
    days[:, 3:] = 160
    labels = label_objects(supported(values, days), 0.5, min_pixels=1, apart=90 * DAY)
    assert labels.tolist() == [[1, 1, 1, 2, 2, 2]] * 2
    assert label_objects(supported(values, days), 0.5, min_pixels=1, apart=200 * DAY).max() == 1


def test_pixels_without_a_score_belong_to_no_object():
    values = [[np.nan, 0.9], [0.9, 0.1]]
    labels = label_objects(supported(values), 0.5, min_pixels=1, apart=DAY)
    assert labels.tolist() == [[0, 1], [2, 0]]


@pytest.fixture
def scores():
    """Two events: one of 6 pixels seen by windows 2 to 4, one of 2 pixels by the last four.

    Windows last as long as three steps between them, so that three hold any date.
    """
    values = np.full((9, 8, 10), 0.1)
    values[2:5, 1:3, 1:4] = 0.9
    values[5:9, 6, 7:9] = 0.7
    values[0, 4, 4] = 1  # a single window is no support
    values[:, 7, :] = np.nan
    return values


def test_events_have_outline_size_score_and_the_windows_dates(scores):
    events = find_events(windows_of(scores), threshold=0.5, min_pixels=2, prefix="c-")
    assert events["id"].tolist() == ["c-0001", "c-0002"]
    assert events["pixels"].tolist() == [6, 2]
    assert events["area_m2"].tolist() == [600, 200]
    assert events.geometry.area.tolist() == [600, 200]
    assert events["score"].tolist() == pytest.approx([0.9, 0.7])
    assert str(events.crs) == "EPSG:32631"
    first = events.iloc[0]
    assert first["date"].timestamp() == START + (30 + 15) * DAY
    assert first["start"].timestamp() == START + 20 * DAY
    assert first["end"].timestamp() == START + 70 * DAY
    burnt = rasterize([first.geometry], out_shape=GRID.shape, transform=GRID.transform)
    assert np.argwhere(burnt).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]


def test_small_events_are_dropped_and_none_is_an_empty_table(scores):
    assert len(find_events(windows_of(scores), threshold=0.5, min_pixels=3)) == 1
    none = find_events(windows_of(scores), threshold=0.95, min_pixels=1)
    assert none.empty
    assert {"id", "geometry", "start", "date", "end", "score"} <= set(none.columns)


def test_the_radar_series_refines_the_date(scores):
    asked = []

    def read(place, inside):
        asked.append((place, int(inside.sum())))
        times = START + 5 * DAY * np.arange(40)
        power = np.where(times >= START + 42 * DAY, 0.2, 0.1)[:, None]
        return [MeanSeries(times, power)]

    events = find_events(windows_of(scores), threshold=0.5, min_pixels=3, read=read)
    assert asked == [((slice(1, 3), slice(1, 4)), 6)]
    assert events["date"].iloc[0].timestamp() == START + 42.5 * DAY
    assert events["start"].iloc[0] == events["end"].iloc[0] == events["date"].iloc[0]


def test_a_series_that_says_nothing_leaves_the_windows_dates(scores):
    plain = find_events(windows_of(scores), threshold=0.5, min_pixels=3)
    silent = find_events(
        windows_of(scores), threshold=0.5, min_pixels=3, read=lambda place, inside: []
    )
    assert silent["date"].tolist() == plain["date"].tolist()


class RadarCell:
    """Radar frames of a cell: two frames over three steps, some pixels carried."""

    times = START + DAY * np.array([0, 4, 8])
    roles = {"optical": "s2", "radar_a": "s1"}  # noqa: RUF012

    def __init__(self):
        self.asked = None

    def frames(self, sensor, first, stop, rows, columns):
        self.asked = (sensor, first, stop, rows, columns)
        values = np.arange(2 * 2 * 2 * 1, dtype=np.float32).reshape(2, 2, 2, 1)
        fresh = np.array([[[1, 1], [1, 1]], [[1, 1], [0, 0]]], bool)
        return Frames(values, fresh, np.zeros((2, 2, 2), np.int16)), np.array([0, 0, 1])


def test_series_of_a_cube_are_means_over_new_looks():
    cell = RadarCell()
    read = cube_series(cell, origin=(10, 20))
    [series] = read((slice(1, 3), slice(4, 6)), np.ones((2, 2), bool))
    assert cell.asked == ("s1", 0, 3, slice(11, 13), slice(24, 26))
    # Only half of the second frame's pixels are new, which is not most of them.
    assert series.times.tolist() == [START]
    assert series.power.tolist() == [[1.5]]
    [series] = read((slice(1, 3), slice(4, 6)), np.array([[True, True], [True, False]]))
    assert series.times.tolist() == [START, START + 8 * DAY]
    assert series.power.tolist() == [[1.0], [4.5]]
