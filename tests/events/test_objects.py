"""Objects from score maps: pixels, outlines, scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from groundshift.domain.time import DAY
from groundshift.events.objects import EventRule, ScoredWindows, find_objects, label_objects
from groundshift.events.windows import Support

START = 17_500 * DAY
SINGLE = EventRule(0.5, 0.5, 1)
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
    rule = EventRule(0.5, 0.5, min_pixels)
    found = label_objects(supported(high, 100 * periods), rule, 150 * DAY)
    groups = [{tuple(p) for p in np.argwhere(found == n)} for n in range(1, int(found.max()) + 1)]
    expected = naive_groups(high, periods, min_pixels)
    assert sorted(map(sorted, groups)) == sorted(map(sorted, expected))
    # Numbered by their first pixel in rows.
    firsts = [min(group) for group in groups]
    assert firsts == sorted(firsts)


def test_fields_side_by_side_built_at_different_times_are_two_events():
    values, days = np.ones((2, 6)), np.zeros((2, 6), int)
    days[:, 3:] = 160
    labels = label_objects(supported(values, days), SINGLE, 90 * DAY)
    assert labels.tolist() == [[1, 1, 1, 2, 2, 2]] * 2
    assert label_objects(supported(values, days), SINGLE, 200 * DAY).max() == 1


def test_pixels_without_a_score_belong_to_no_object():
    values = [[np.nan, 0.9], [0.9, 0.1]]
    labels = label_objects(supported(values), SINGLE, DAY)
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


def test_objects_have_outline_size_and_scores(scores):
    found = find_objects(windows_of(scores), EventRule(0.5, 0.5, 2), cell="c")
    first, second = found.parts
    assert (first.pixels, second.pixels) == (6, 2)
    assert (first.area_m2, second.area_m2) == (600, 200)
    assert (first.geometry.area, second.geometry.area) == (600, 200)
    assert first.support / 6 == pytest.approx(0.9)
    assert second.peak == pytest.approx(0.7)
    assert first.cells == ("c",)
    assert first.corner == (600_015, 5_599_985)
    np.testing.assert_allclose(first.course.mean, scores[:, 1, 1])
    burnt = rasterize([first.geometry], out_shape=GRID.shape, transform=GRID.transform)
    assert np.argwhere(burnt).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]


def test_an_object_spreads_over_low_pixels_but_needs_a_high_one():
    values = np.full((3, 6), 0.1)
    values[1] = [0.3, 0.3, 0.6, 0.1, 0.3, 0.3]
    assert label_objects(supported(values), EventRule(0.5, 0.3, 1), DAY)[1].tolist() == [
        1, 1, 1, 0, 0, 0
    ]  # fmt: skip
    assert label_objects(supported(values), EventRule(0.5, 0.5, 1), DAY)[1].tolist() == [
        0, 0, 1, 0, 0, 0
    ]  # fmt: skip
    kept = label_objects(supported(values), EventRule(0.5, 0.3, 4), DAY, open_edges=True)
    assert kept[1].tolist() == [1, 1, 1, 0, 2, 2]


def test_pixels_along_the_edge_are_named_by_their_place_on_earth(scores):
    scores[:, 0, 4] = 0.8
    found = find_objects(windows_of(scores), EventRule(0.5, 0.3, 2), open_edges=True)
    assert [part.pixels for part in found.parts] == [1, 6, 2]
    assert found.edge.numbers.tolist() == [0]
    assert found.edge.places.tolist() == [[60_004, -560_000]]


def test_small_objects_are_dropped_and_there_may_be_none(scores):
    assert len(find_objects(windows_of(scores), EventRule(0.5, 0.5, 3)).parts) == 1
    assert find_objects(windows_of(scores), EventRule(0.95, 0.95, 1)).parts == ()
