"""Windows against counting by hand, and against the published windows where those are right."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.domain.time import DAY
from groundshift.errors import SettingsError
from groundshift.samples import windows
from groundshift.samples.windows import longest_length, require_complete, single, triple

GOLDEN = Path(__file__).parents[1] / "golden" / "windows" / "ranges.json"

gaps = st.lists(st.integers(1, 9), min_size=3, max_size=60)
sizes = {
    "length": st.integers(1, 60),
    "stride": st.integers(1, 7),
    "min_steps": st.integers(1, 6),
    "max_steps": st.integers(4, 20),
}


def days(*numbers):
    return np.array(numbers, np.int64) * DAY


def counted(times, begin, end):
    """Half-open range of the steps with begin <= t < end, by looking at each."""
    inside = [i for i, t in enumerate(times.tolist()) if begin <= t < end]
    return [inside[0], inside[-1] + 1] if inside else None


@given(gaps, st.fixed_dictionaries(sizes), st.booleans())
def test_windows_hold_the_steps_of_their_time_and_say_what_is_wrong(gaps, sizes, three):
    times = 1000 + np.cumsum(gaps).astype(np.int64)
    length, least, most = sizes["length"], sizes["min_steps"], sizes["max_steps"]
    found = (triple if three else single)(times, **sizes)
    assert found.start.tolist() == times[:: sizes["stride"]].tolist()
    begin, end = windows.covered(times, None)
    for i, start in enumerate(found.start.tolist()):
        steps = counted(times, start, start + length)
        assert found.ranges[i, 1].tolist() == steps
        good = start + length <= end and least <= steps[1] - steps[0] <= most
        for part, shift in ((0, -length), (2, length)):
            beside = counted(times, start + shift, start + shift + length)
            inside = start + shift >= begin and start + shift + length <= end
            whole = inside and beside is not None and beside[1] - beside[0] >= least
            assert found.ranges[i, part].tolist() == (beside if whole else [-1, -1])
            good = good and (whole or not three)
        assert found.complete[i] == good
        assert found.paired[i] == (found.ranges[i, (0, 2), 0] >= 0).all()


@given(gaps, st.integers(1, 40), st.integers(2, 6))
def test_a_stride_only_leaves_windows_out(gaps, length, stride):
    times = np.cumsum(gaps).astype(np.int64)
    every = triple(times, length=length, stride=1, min_steps=2, max_steps=99)
    some = triple(times, length=length, stride=stride, min_steps=2, max_steps=99)
    assert (some.ranges == every.ranges[::stride]).all()
    assert (some.problem == every.problem[::stride]).all()


def test_complete_windows_are_the_published_ones_without_the_cut_tail():
    compared = 0
    for series in json.loads(GOLDEN.read_text()).values():
        times = np.array(series["times"], np.int64)
        for golden in series["sets"].values():
            compared += compare_published(times, golden)
    assert compared > 100


def compare_published(times, golden):
    """Check every complete window of a set against the published ones; returns how many."""
    if golden["triple"] and golden["window_stride"] > 1:
        return 0  # the published program pairs other previous windows there
    most = golden["Omega"]
    found = (triple if golden["triple"] else single)(
        times,
        length=golden["delta_size"],
        stride=golden["window_stride"],
        min_steps=golden["omega"],
        max_steps=most,
    )
    published = {tuple(map(tuple, ranges)) for ranges in golden["windows"]}
    complete = found.ranges[found.complete].tolist()
    if golden["triple"]:
        # The published program looks at no more than Omega steps back and 2 Omega ahead.
        complete = [
            r for r in complete if r[0][1] - r[0][0] <= most and r[2][1] - r[1][0] <= 2 * most
        ]
    for ranges in complete:
        assert tuple(map(tuple, ranges if golden["triple"] else ranges[1:2])) in published
    return len(complete)


def test_a_period_that_ends_in_the_future_completes_nothing():
    times = days(*range(0, 100, 2))
    now = single(times, length=30 * DAY, stride=1, min_steps=5, max_steps=20)
    planned = single(
        times, length=30 * DAY, stride=1, min_steps=5, max_steps=20, period=(0, 900 * DAY)
    )
    assert (now.problem == planned.problem).all()
    assert (planned.problem == windows.PAST_END).any()
    assert planned.end[planned.complete].max() == 100 * DAY


def test_the_period_bounds_what_is_complete():
    times = days(*range(0, 100, 2))
    found = triple(
        times, length=20 * DAY, stride=1, min_steps=5, max_steps=20, period=(10 * DAY, 81 * DAY)
    )
    assert found.start[found.complete].min() == 30 * DAY
    assert found.end[found.complete].max() + 20 * DAY <= 81 * DAY


def test_too_short_a_period_says_the_longest_length_that_fits():
    times = days(*range(0, 100, 2))
    options = {"stride": 1, "min_steps": 5, "period": (0, 100 * DAY)}
    found = triple(times, length=60 * DAY, max_steps=99, **options)
    with pytest.raises(SettingsError, match=r"window\.length=(\d+)d") as caught:
        require_complete(found, times, max_steps=99, place="cell a", **options)
    advised = int(str(caught.value).split("window.length=")[1].split("d")[0])
    assert advised == longest_length(times, kind="triple", **options) // DAY
    assert triple(times, length=advised * DAY, max_steps=99, **options).complete.any()
    longer = range(advised + 1, 101)
    assert not any(
        triple(times, length=n * DAY, max_steps=99, **options).complete.any() for n in longer
    )


def test_no_length_fits_a_series_with_too_few_steps():
    times = days(0, 10, 20, 30)
    found = single(times, length=20 * DAY, stride=1, min_steps=9, max_steps=99)
    with pytest.raises(SettingsError, match=r"lower window\.min_steps \(now 9\)"):
        require_complete(
            found, times, stride=1, min_steps=9, max_steps=99, period=None, place="cell a"
        )


def test_windows_with_too_many_steps_are_refused_with_the_number_needed():
    times = days(*range(50), *range(50, 100, 5))
    found = single(times, length=30 * DAY, stride=1, min_steps=3, max_steps=20)
    assert (found.problem == windows.MANY_STEPS).any()
    with pytest.raises(SettingsError, match=r"Set window\.max_steps=30"):
        require_complete(
            found, times, stride=1, min_steps=3, max_steps=20, period=None, place="cell a"
        )


def test_the_table_numbers_windows_and_keeps_their_instants():
    times = days(*range(0, 60, 2))
    table = triple(times, length=20 * DAY, stride=3, min_steps=5, max_steps=20).table("a")
    assert table["id"].tolist() == list(range(10))
    assert str(table["start"].dtype) == "datetime64[s]"
    assert (table["end"] - table["start"]).dt.days.eq(20).all()
    complete = table[table["complete"]]
    assert (complete["previous_stop"] == complete["first"]).all()
    assert (complete["next_first"] == complete["stop"]).all()
    assert (table.loc[~table["complete"], "problem"] != "").all()


def test_a_series_without_steps_is_refused():
    with pytest.raises(SettingsError, match="0 steps"):
        single(days(), length=DAY, stride=1, min_steps=1, max_steps=2)
