import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.errors import ContractError, SettingsError
from groundshift.reference import (
    single_windows,
    triple_windows,
    triple_windows_2021,
    window_values,
    windows_list,
)
from groundshift.reference.windows import write_windows_list
from tests.reference.conftest import GOLDEN, load

SERIES = json.loads((GOLDEN / "windows/ranges.json").read_text())
SETS = [(series, name) for series, content in SERIES.items() for name in content["sets"]]
ERAS = ("s12", "ers12ls5")


def limits(parameters: dict) -> dict:
    """A golden set's parameters under our names."""
    return {
        "length": parameters["delta_size"],
        "min_steps": parameters["omega"],
        "max_steps": parameters["Omega"],
    }


@pytest.mark.parametrize(("series", "name"), SETS)
def test_ranges_and_lists_are_the_published_ones(series: str, name: str) -> None:
    times, expected = SERIES[series]["times"], SERIES[series]["sets"][name]
    find = triple_windows if expected["triple"] else single_windows
    ranges = find(times, stride=expected["window_stride"], **limits(expected))
    shape = (-1, 3, 2) if expected["triple"] else (-1, 2)
    np.testing.assert_array_equal(ranges, np.reshape(expected["windows"], shape))
    rows = windows_list(times, ranges)
    assert [[r.id, r.first, r.last, r.count] for r in rows] == expected["windows_list"]


@pytest.mark.parametrize("era", ERAS)
def test_labelled_and_inference_series_have_the_published_windows(era: str, golden: Path) -> None:
    labelled, inferred = load(f"windows/labelled_{era}"), load(f"windows/infer_{era}")
    parameters = json.loads((golden / f"windows/labelled_{era}.json").read_text())
    times = labelled["times"]
    np.testing.assert_array_equal(
        triple_windows(times, stride=1, **limits(parameters)), labelled["ranges"]
    )
    stride = parameters["offline_inference"]["window_stride"]
    np.testing.assert_array_equal(
        single_windows(times, stride=stride, **limits(parameters)), labelled["offline_infer_ranges"]
    )
    parameters = json.loads((golden / f"windows/infer_{era}.json").read_text())
    ranges = single_windows(
        inferred["times"], stride=parameters["window_stride"], **limits(parameters)
    )
    np.testing.assert_array_equal(ranges, inferred["ranges"])


@given(
    gaps=st.lists(st.integers(1, 9), max_size=40),
    length=st.integers(1, 60),
    stride=st.integers(1, 4),
    min_steps=st.integers(1, 4),
    max_steps=st.integers(1, 12),
)
def test_single_windows_agree_with_their_definition(
    gaps: list[int], length: int, stride: int, min_steps: int, max_steps: int
) -> None:
    times = np.cumsum([0, *gaps])
    expected = []
    for m in range(0, len(times), stride):
        steps = [n for n, t in enumerate(times) if times[m] <= t < times[m] + length]
        steps = [n for n in steps if n < m + max_steps]
        if len(steps) >= min_steps:
            expected.append([steps[0], steps[-1] + 1])
    found = single_windows(
        times, length=length, stride=stride, min_steps=min_steps, max_steps=max_steps
    )
    assert found.tolist() == expected


@given(
    gaps=st.lists(st.integers(1, 9), max_size=40),
    length=st.integers(1, 60),
    min_steps=st.integers(0, 3),
    max_steps=st.integers(1, 12),
)
def test_triples_of_stride_one_agree_with_their_definition(
    gaps: list[int], length: int, min_steps: int, max_steps: int
) -> None:
    times = np.cumsum([0, *gaps])
    expected = []
    for m, anchor in enumerate(times):
        before = range(max(0, m - max_steps), m)
        after = range(m, min(m + 2 * max_steps, len(times)))
        triple = []
        for candidates, shift in ((before, -1), (after, 0), (after, 1)):
            start = anchor + shift * length
            steps = [n for n in candidates if start <= times[n] < start + length]
            triple.append([steps[0], steps[-1] + 1] if steps else [-1, -1])
        if all(stop - first >= min_steps for first, stop in triple):
            expected.append(triple)
    found = triple_windows(times, length=length, stride=1, min_steps=min_steps, max_steps=max_steps)
    assert found.tolist() == expected


def test_triples_of_2021_are_anchored_at_previous_and_repeat_current() -> None:
    times = [0, 2, 10, 11, 20, 21, 30]
    found = triple_windows_2021(times, length=10, min_steps=1, max_steps=8)
    assert found.tolist() == [
        [[0, 2], [2, 4], [4, 6]],
        [[1, 4], [4, 6], [6, 7]],
        [[2, 4], [4, 6], [6, 7]],
    ]
    later = triple_windows_2021([0, 1, 15, 25], length=10, min_steps=1, max_steps=8)
    assert [triple[1] for triple in later.tolist()] == [[2, 3], [2, 3]]


def test_content_is_the_steps_of_the_range_and_padding_follows() -> None:
    stack = load("windows/labelled_s12")["codes"][:, 0, 0].astype(np.float32) / 256
    values = window_values(stack, 3, 8, padded=7)
    np.testing.assert_array_equal(values[:5], stack[3:8])
    assert values.shape == (7, 8, 8, 17)
    assert (values[5:] == -1).all()
    assert np.shares_memory(window_values(stack, 3, 8), stack)
    with pytest.raises(ContractError, match="at most 4 steps, found 5"):
        window_values(stack, 3, 8, padded=4)


def test_list_is_written_with_times_in_utc(tmp_path: Path) -> None:
    rows = windows_list([0, 86400, 90061], [[0, 2], [1, 3]])
    write_windows_list(rows, tmp_path / "windows.csv")
    assert (tmp_path / "windows.csv").read_text().splitlines() == [
        "0,1970-01-01 00:00:00,1970-01-02 00:00:00,2",
        "1,1970-01-02 00:00:00,1970-01-02 01:01:01,2",
    ]


def test_no_steps_give_no_windows() -> None:
    assert single_windows([], length=1, stride=1, min_steps=1, max_steps=1).shape == (0, 2)
    assert triple_windows([], length=1, stride=1, min_steps=1, max_steps=1).shape == (0, 3, 2)


@pytest.mark.parametrize(
    ("times", "changed", "message"),
    [
        ([3, 1], {}, "sorted"),
        ([1, 3], {"stride": 0}, "stride of windows: expected at least 1, found 0"),
        ([1, 3], {"length": -1}, "length"),
        (np.array([1], "datetime64[s]"), {}, "expected seconds"),
    ],
)
def test_senseless_parameters_are_refused(times: object, changed: dict, message: str) -> None:
    parameters = {"length": 5, "stride": 1, "min_steps": 1, "max_steps": 2} | changed
    for find in (single_windows, triple_windows):
        with pytest.raises(SettingsError, match=message):
            find(times, **parameters)
