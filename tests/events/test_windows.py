"""Support, alarms and dates from overlapping windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.domain.time import DAY
from groundshift.events.windows import (
    Course,
    alarm_of,
    high_span,
    running_median,
    support,
    supported,
    window_dates,
)

START = 17_500 * DAY
WINDOWS = START + 5 * DAY * np.arange(30)
LENGTH = 60 * DAY


def course_of(scores, starts=None, length=LENGTH):
    """The course of an event of one pixel."""
    starts = WINDOWS[: len(scores)] if starts is None else starts
    values = np.asarray(scores, np.float64)
    return Course(starts, starts + length, np.nan_to_num(values), (~np.isnan(values)).astype(int))


def naive_support(scores, starts, ends):
    """The mean over the windows around each window's centre, at least 3/4 of the usual number."""
    centres = [(a + b) // 2 for a, b in zip(starts, ends, strict=True)]
    around = [
        [w for w in range(len(starts)) if starts[w] <= centre < ends[w]] for centre in centres
    ]
    usual = max(map(len, around))
    return max(scores[windows].sum() / max(len(windows), 0.75 * usual) for windows in around)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12),
    st.lists(st.integers(0, 40), min_size=12, max_size=12, unique=True),
)
def test_support_is_the_best_mean_of_the_windows_around_a_date(values, days):
    scores = np.array(values, np.float32)
    starts = START + np.sort(days) * DAY
    found = support(np.tile(scores[:, None, None], (1, 2, 3)), starts, starts + 10 * DAY)
    expected = naive_support(scores, starts, starts + 10 * DAY)
    assert found.value == pytest.approx(np.full((2, 3), expected), abs=1e-5)
    assert np.isin(found.date, starts + 5 * DAY).all()


def test_support_needs_many_windows_not_one():
    scores = np.zeros((30, 1, 3), np.float32)
    scores[10, 0, 0] = 1
    scores[8:20, 0, 1] = 0.8
    scores[:, 0, 2] = np.nan
    found = support(scores, WINDOWS, WINDOWS + LENGTH)
    alone, together, unknown = found.value[0]
    assert alone < 0.12
    # Windows 8 to 19 have date 95 to 100 in common.
    assert abs(found.date[0, 1] - (START + 97 * DAY)) <= 5 * DAY
    assert together == pytest.approx(0.8)
    assert np.isnan(unknown)


def test_windows_around_a_change_date_it_to_their_middle():
    scores = np.zeros((30, 1, 2), np.float32)
    day = START + 100 * DAY
    inside = (day >= WINDOWS) & (day < WINDOWS + LENGTH)
    scores[inside] = 0.9
    scores[~inside, 0, 0] = 0.3  # below half of the best: no evidence
    dates = window_dates(scores, WINDOWS, WINDOWS + LENGTH)
    expected = (WINDOWS[inside] + LENGTH / 2).mean()
    assert dates == pytest.approx(np.full((1, 2), expected))
    assert abs(expected - day) <= 5 * DAY


def test_a_pixel_without_a_score_has_no_date():
    scores = np.array([[0, np.nan], [0, np.nan]], np.float32)
    assert np.isnan(window_dates(scores, WINDOWS[:2], WINDOWS[:2] + LENGTH)).all()


@given(st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5))
def test_a_date_lies_within_the_high_windows(values):
    scores = np.array(values, np.float32)
    starts = WINDOWS[:5]
    date = window_dates(scores[:, None], starts, starts + LENGTH)[0]
    if not scores.any():
        assert np.isnan(date)
        return
    first, last = high_span(course_of(scores))
    assert first <= date <= last


def test_the_span_covers_the_windows_that_score_half_of_the_best():
    scores = np.array([0.1, 0.5, 0.9, 0.44, 0.45], np.float32)
    found = high_span(course_of(scores))
    assert found == (WINDOWS[1], WINDOWS[4] + LENGTH)


def test_a_running_median_takes_single_windows_away():
    scores = np.array([0, 0, 1, 0, 0, 1, 1, 1, 0, 0], np.float32)
    assert running_median(scores, 3).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 0, 0]
    assert running_median(scores, 1) is scores
    one = support(scores[:, None, None], WINDOWS[:10], WINDOWS[:10] + 5 * DAY)
    smooth = support(scores[:, None, None], WINDOWS[:10], WINDOWS[:10] + 5 * DAY, smooth=3)
    assert one.date[0, 0] < smooth.date[0, 0] == WINDOWS[5] + 2.5 * DAY


def test_dates_are_supported_by_the_windows_around_them():
    course = course_of([0.2, 0.4, 0.9], WINDOWS[:3], 7 * DAY)
    instants = WINDOWS[0] + DAY * np.array([-1.0, 3.0, 6.0, 12.0, 30.0])
    assert supported(course, instants) == pytest.approx([0, 0.2, 0.3, 0.9, 0])


@pytest.mark.parametrize(
    ("scores", "first", "confirmed", "ended"),
    [
        ([0.1, 0.9, 0.9, 0.9, 0.1], 1, 2, 3),  # rang, was confirmed, ended
        ([0.1, 0.1, 0.1, 0.9], 3, None, None),  # just now
        ([0.1, 0.4, 0.9, 0.4, 0.9], 2, 3, None),  # low windows keep it up, and don't raise it
        ([0.9, 0.1, 0.6, 0.95, 0.6], 2, 3, None),  # of two alarms the better one
        ([0.1, 0.4, 0.1, 0.1], 1, None, 1),  # never high: its best window
        ([0.1, np.nan, 0.8, 0.8], 2, 3, None),
    ],
)
def test_an_alarm_is_raised_confirmed_and_ended(scores, first, confirmed, ended):
    course = course_of(scores)
    found = alarm_of(course, high=0.5, low=0.3, confirm=2)
    at = [None if n is None else int(course.ends[n]) for n in (first, confirmed, ended)]
    assert [found.first, found.confirmed, found.ended] == at


@given(st.data())
def test_courses_of_parts_add_up_to_that_of_the_whole(data):
    size = data.draw(st.integers(2, 6))
    scores = np.array(data.draw(st.lists(st.floats(0, 1), min_size=8 * size, max_size=8 * size)))
    scores = scores.reshape(8, size)
    cut = data.draw(st.integers(1, size - 1))
    starts, ones = WINDOWS[:8], np.ones(8, int)
    whole = Course(starts, starts + LENGTH, scores.sum(axis=1), ones * size)
    left = Course(starts, starts + LENGTH, scores[:, :cut].sum(axis=1), ones * cut)
    right = Course(starts, starts + LENGTH, scores[:, cut:].sum(axis=1), ones * (size - cut))
    found = left + right
    np.testing.assert_allclose(found.mean, whole.mean)
    later = Course(starts[3:], starts[3:] + LENGTH, right.total[3:], right.count[3:])
    assert ((left + later).starts == starts).all()
    np.testing.assert_allclose((left + later).mean[:3], scores[:3, :cut].mean(axis=1))
