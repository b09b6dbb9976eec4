import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.cube.timeline import Bins, days, frames_of, time_line
from groundshift.errors import SettingsError
from tests.cube.conftest import START, settings

BINS = Bins(start=100, end=160, step=10)
moments = st.lists(st.integers(60, 200), max_size=30).map(sorted)


@given(st.lists(moments, max_size=4), st.integers(1, 40))
def test_a_step_is_the_last_acquisition_of_a_bin_that_has_one(sensors, step):
    bins = Bins(100, 160, step)
    last = {}
    for time in sorted(time for times in sensors for time in times):
        if 100 <= time < 160:
            last[(time - 100) // step] = time
    found = time_line([np.array(times, np.int64) for times in sensors], bins)
    assert found.tolist() == list(last.values())


def test_bins_begin_at_the_start_and_leave_out_the_end():
    found = time_line([np.array([99, 100, 109, 110, 159, 160])], BINS)
    assert found.tolist() == [109, 110, 159]


@given(moments.map(lambda times: sorted(set(times))), moments)
def test_every_look_before_the_end_is_in_one_frame_at_its_own_bin(looks, others):
    times = time_line([np.array(looks, np.int64), np.array(others, np.int64)], BINS)
    frames = frames_of(looks, times, BINS)
    merged = [look for frame in frames for look in frame.looks]
    assert merged == ([look for look in looks if look < 160] if times.size else [])
    for frame in frames:
        assert frame.bin == (times[frame.step] - 100) // 10
        assert all(look < 100 for look in frame.looks[: frame.early])
        assert all((look - 100) // 10 == frame.bin for look in frame.looks[frame.early :])
        assert frame.step == 0 or frame.early == 0
        assert frame.time == frame.looks[-1]


def test_looks_before_the_period_warm_up_the_first_step():
    (frame,) = frames_of([80, 95], np.array([104, 131]), BINS)
    assert (frame.step, frame.looks, frame.early) == (0, (80, 95), 2)


def test_days_are_those_of_the_calendar():
    assert days(np.array([START - 1, START, START + 86399])).tolist() == [17166, 17167, 17167]


def test_a_step_must_be_whole_seconds():
    assert Bins.of(settings(1, step="1s")) == Bins(START, START + 86400, 1)
    with pytest.raises(SettingsError, match=r"stack.step: expected whole seconds .* found 0.5 s"):
        Bins.of(settings(1, step="0.5s"))
