"""Dates from windows and from radar series."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.domain.time import DAY
from groundshift.events.dating import (
    MeanSeries,
    fit_transition,
    high_span,
    support,
    window_dates,
)

START = 17_500 * DAY
WINDOWS = START + 5 * DAY * np.arange(30)
LENGTH = 60 * DAY


def series_of(step_day, duration=0, *, seed=0, noise=0.1, every=6, days=200):
    """Two bands whose power doubles and trebles, with speckle of many pixels."""
    times = START + every * DAY * np.arange(days // every)
    since = (times - START) / DAY - step_day
    ramp = (since >= 0) * 1.0 if not duration else np.clip(since / duration + 0.5, 0, 1)
    generator = np.random.default_rng(seed)
    power = np.stack([0.05 * (1 + ramp), 0.01 * (1 + 2 * ramp)], axis=1)
    return MeanSeries(times, power * generator.normal(1, noise, power.shape))


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
    first, last = high_span(scores, starts, starts + LENGTH)
    assert first <= date <= last


def test_the_span_covers_the_windows_that_score_half_of_the_best():
    scores = np.array([0.1, 0.5, 0.9, 0.44, 0.45], np.float32)
    found = high_span(scores, WINDOWS[:5], WINDOWS[:5] + LENGTH)
    assert found == (WINDOWS[1], WINDOWS[4] + LENGTH)


@pytest.mark.parametrize("seed", range(5))
def test_a_sudden_change_is_dated_to_the_gap_between_two_looks(seed):
    series = [series_of(90, seed=seed), series_of(90, seed=seed + 50, every=5)]
    found = fit_transition(series, START, START + 200 * DAY)
    assert abs(found.middle - (START + 90 * DAY)) <= 6 * DAY
    assert found.start <= found.middle <= found.end


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_change_is_dated_to_its_middle(seed):
    found = fit_transition([series_of(100, 120, seed=seed)], START, START + 200 * DAY)
    assert abs(found.middle - (START + 100 * DAY)) <= 20 * DAY
    assert found.end - found.start >= 60 * DAY


def test_looks_outside_the_span_do_not_count():
    series = series_of(40)
    found = fit_transition([series], START + 60 * DAY, START + 200 * DAY)
    assert found.middle > START + 60 * DAY


def test_a_noiseless_step_is_found_exactly():
    found = fit_transition([series_of(90, noise=0)], START, START + 200 * DAY)
    assert found.middle == START + 87 * DAY  # between the looks of days 84 and 90
    assert found.start == found.end == found.middle


def test_too_few_looks_say_nothing():
    series = series_of(90)
    short = MeanSeries(series.times[:3], series.power[:3])
    assert fit_transition([short], START, START + 200 * DAY) is None
    assert fit_transition([], START, START + 200 * DAY) is None
    assert fit_transition([series], START - DAY, START) is None


def test_a_constant_series_does_not_fail():
    flat = MeanSeries(series_of(90).times, np.full((33, 2), 0.1))
    found = fit_transition([flat], START, START + 200 * DAY)
    assert found is None or np.isfinite(found.middle)
