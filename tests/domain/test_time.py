from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.domain.time import find_stamp, format_duration, isoformat, parse_duration, stamp


@pytest.mark.parametrize(
    ("text", "seconds"), [("182d", 15724800), ("6h", 21600), ("30min", 1800), ("1s", 1)]
)
def test_lengths_of_time_are_written_as_people_do(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(1, 10**9))
def test_every_length_of_whole_seconds_survives(seconds):
    length = timedelta(seconds=seconds)
    assert parse_duration(format_duration(length)) == length


@pytest.mark.parametrize("text", ["", "d", "12", "12 parsecs", "-3d"])
def test_nonsense_is_no_length(text):
    with pytest.raises(ValueError, match="is no length of time"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("20170804T105328.tif", "20170804T105328"),
        ("S2A_MSIL2A_20170613T101031_87_48.tif", "20170613T101031"),
        ("2000-03-17.tif", "20000317T000000"),
        ("2018-01-02 03:04:05", "20180102T030405"),
        ("LT52240631988227CUB02_B1.TIF", None),
        ("scene_99999999.tif", None),
        ("tile_20171399_20180102.tif", "20180102T000000"),
    ],
)
def test_dates_are_found_in_names(name, expected):
    found = find_stamp(name)
    assert (stamp(found) if found is not None else None) == expected


@given(st.integers(0, 4 * 10**9))
def test_a_stamp_names_its_second(seconds):
    assert find_stamp(stamp(seconds)) == seconds
    assert isoformat(seconds).endswith("Z")
