"""Change points in mean series."""

import numpy as np
import pytest

from groundshift.domain.time import DAY, YEAR_DAYS
from groundshift.events.dating import BELIEVED, fit_change_point
from groundshift.events.series import MeanSeries

START = 17_500 * DAY


def series_of(step_day, duration=0, *, seed=0, noise=0.1, every=6, days=200):
    """Two bands whose power doubles and trebles, with speckle of many pixels."""
    times = START + every * DAY * np.arange(days // every)
    since = (times - START) / DAY - step_day
    ramp = (since >= 0) * 1.0 if not duration else np.clip(since / duration + 0.5, 0, 1)
    generator = np.random.default_rng(seed)
    power = np.stack([0.05 * (1 + ramp), 0.01 * (1 + 2 * ramp)], axis=1)
    return MeanSeries("s1", ("VV", "VH"), times, power * generator.normal(1, noise, power.shape))


def greenness(step_day=None, *, seed=0, days=900, every=8, drop=0.15):
    """NDVI with seasons far larger than the change."""
    times = START + every * DAY * np.arange(days // every)
    season = 0.5 + 0.25 * np.sin(2 * np.pi * times / DAY / YEAR_DAYS)
    values = season + np.random.default_rng(seed).normal(0, 0.03, len(times))
    if step_day is not None:
        values -= drop * (times >= START + step_day * DAY)
    return MeanSeries("s2", ("NDVI",), times, values[:, None], seasonal=True)


@pytest.mark.parametrize("seed", range(5))
def test_a_sudden_change_is_dated_to_the_gap_between_two_looks(seed):
    series = [series_of(90, seed=seed), series_of(90, seed=seed + 50, every=5)]
    found = fit_change_point(series, START, START + 200 * DAY)
    assert abs(found.middle - (START + 90 * DAY)) <= 6 * DAY
    assert found.start <= found.middle <= found.end
    assert found.earliest <= START + 90 * DAY <= found.latest
    assert found.latest - found.earliest <= 30 * DAY


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_change_is_dated_to_its_middle(seed):
    found = fit_change_point([series_of(100, 120, seed=seed)], START, START + 200 * DAY)
    assert abs(found.middle - (START + 100 * DAY)) <= 20 * DAY
    assert found.end - found.start >= 60 * DAY


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_slow_change_holds_all_of_it(seed):
    found = fit_change_point([series_of(100, 120, seed=seed)], START, START + 200 * DAY)
    assert found.earliest <= found.start
    assert found.latest >= found.end
    assert found.earliest <= START + 50 * DAY
    assert found.latest >= START + 150 * DAY


def test_looks_outside_the_span_do_not_count():
    series = series_of(40)
    assert fit_change_point([series], START + 60 * DAY, START + 200 * DAY) is None
    assert fit_change_point([series], START, START + 200 * DAY) is not None


def test_a_noiseless_step_is_found_exactly():
    found = fit_change_point([series_of(90, noise=0)], START, START + 200 * DAY)
    assert found.middle == START + 87 * DAY  # between the looks of days 84 and 90
    assert found.start == found.end == found.middle


def test_too_few_looks_say_nothing():
    series = series_of(90)
    short = MeanSeries("s1", ("VV", "VH"), series.times[:3], series.values[:3])
    assert fit_change_point([short], START, START + 200 * DAY) is None
    assert fit_change_point([], START, START + 200 * DAY) is None
    assert fit_change_point([series], START - DAY, START) is None


def test_a_constant_series_does_not_fail():
    flat = MeanSeries("s1", ("VV", "VH"), series_of(90).times, np.full((33, 2), 0.1))
    found = fit_change_point([flat], START, START + 200 * DAY)
    assert found is None


@pytest.mark.parametrize("seed", range(3))
def test_seasons_are_no_change_and_hide_none(seed):
    inside = START + 350 * DAY, START + 650 * DAY
    assert fit_change_point([greenness(seed=seed)], *inside) is None
    found = fit_change_point([greenness(500, seed=seed)], *inside)
    assert abs(found.middle - (START + 500 * DAY)) <= 24 * DAY
    [evidence] = found.evidence
    change, gain = evidence.changes["NDVI"]
    assert change == pytest.approx(-0.15, abs=0.04)
    assert gain == evidence.gain > BELIEVED


def test_several_series_date_better_than_one():
    noisy = [series_of(90, seed=seed, noise=0.5) for seed in range(6)]
    spans = [
        found.latest - found.earliest
        for used in (noisy[:1], noisy)
        if (found := fit_change_point(used, START, START + 200 * DAY))
    ]
    assert spans[-1] <= 40 * DAY
    assert len(spans) == 1 or spans[1] < spans[0]


def test_the_interval_holds_the_date_as_often_as_it_says():
    held = 0
    for seed in range(100):
        found = fit_change_point([series_of(90, seed=seed, noise=0.4)], START, START + 200 * DAY)
        held += found is None or found.earliest <= START + 90 * DAY <= found.latest
    assert held >= 90


def test_looks_that_resemble_their_neighbours_count_less():
    generator = np.random.default_rng(1)
    times = START + 6 * DAY * np.arange(60)
    wandering = np.cumsum(generator.normal(0, 0.1, 60))[:, None]
    series = [MeanSeries("s1", ("VV",), times, wandering)]
    independent = MeanSeries("s1", ("VV",), times, generator.permutation(wandering))
    slow = fit_change_point(series, START, START + 400 * DAY)
    assert slow is None or slow.evidence[0].gain < 0.5 * 60 * np.log(60)
    assert fit_change_point([independent], START, START + 400 * DAY) is None


def test_what_the_windows_know_decides_between_equals():
    times = START + 6 * DAY * np.arange(60)
    up_and_on = 0.1 * ((times >= times[20]) * 1.0 + (times >= times[40]))[:, None]
    noise = np.random.default_rng(0).normal(0, 0.02, (60, 1))
    series = [MeanSeries("s1", ("VV",), times, 0.1 + up_and_on + noise)]
    for near in (times[20], times[40]):
        found = fit_change_point(
            series, times[0], times[-1], lambda t, near=near: np.exp(-abs(t - near) / (40 * DAY))
        )
        assert found.start <= near <= found.end or abs(found.middle - near) <= 60 * DAY
