"""Cron as Kubeflow reads it, and its translation into the server's zone."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from groundshift.errors import SettingsError
from pipelines.kubeflow.cron import Cron, for_server, zone

START = datetime(2026, 11, 21, tzinfo=UTC)
BRUSSELS = ZoneInfo("Europe/Brussels")


def times(text: str, count: int) -> list[str]:
    found = Cron.parse(text).next_times(ZoneInfo("UTC"), START, count)
    return [f"{time:%a %m-%d %H:%M:%S}" for time in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 3 * * MON", ["Mon 11-23 03:00:00", "Mon 11-30 03:00:00", "Mon 12-07 03:00:00"]),
        ("30 0 3 * * 1", ["Mon 11-23 03:00:30", "Mon 11-30 03:00:30", "Mon 12-07 03:00:30"]),
        ("0 0 1 JAN-mar ?", ["Fri 01-01 00:00:00", "Mon 02-01 00:00:00", "Mon 03-01 00:00:00"]),
        ("15/20 6 * * *", ["Sat 11-21 06:15:00", "Sat 11-21 06:35:00", "Sat 11-21 06:55:00"]),
        ("0 8-18/5 * * 0,6", ["Sat 11-21 08:00:00", "Sat 11-21 13:00:00", "Sat 11-21 18:00:00"]),
        # Both fields of the day limited: either is enough.
        ("0 0 25 * 1", ["Mon 11-23 00:00:00", "Wed 11-25 00:00:00", "Mon 11-30 00:00:00"]),
        # A star with a step counts as a star: both must hold.
        ("0 0 */2 * 1", ["Mon 11-23 00:00:00", "Mon 12-07 00:00:00", "Mon 12-21 00:00:00"]),
    ],
)
def test_next_times(text: str, expected: list[str]) -> None:
    assert times(text, count=3) == expected


def test_five_fields_get_second_zero() -> None:
    assert Cron.parse("0  3 * * 1").text == "0 0 3 * * 1"
    assert Cron.parse("7 0 3 * * 1").text == "7 0 3 * * 1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "3 fields"),
        ("@daily", "1 fields"),
        ("60 * * * *", "minute '60': expected 0 to 59"),
        ("0 3 * * 7", "day of week '7': expected 0 to 6"),
        ("0 3 0 * *", "day of month '0': expected 1 to 31"),
        ("0 3 * FOO *", "month 'FOO'"),
        ("9-3 * * * *", "smaller value first"),
        ("*/0 * * * *", "step of 1 or more"),
        ("0 3 30 2 *", "no such day"),
    ],
)
def test_what_is_wrong_is_named(text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as error:
        Cron.parse(text)
    assert reason in str(error.value)
    assert repr(text) in str(error.value)


def test_a_time_that_the_clock_skips_is_left_out() -> None:
    before = datetime(2027, 3, 27, 12, tzinfo=UTC)
    found = Cron.parse("30 2 * * *").next_times(BRUSSELS, before, 2)
    assert [f"{time:%m-%d %H:%M %Z}" for time in found] == ["03-29 02:30 CEST", "03-30 02:30 CEST"]


def test_zones_need_a_known_name() -> None:
    with pytest.raises(SettingsError, match=r"Europe/Brussels, UTC"):
        zone("Middle/Earth")
    with pytest.raises(SettingsError):
        zone("../etc/passwd")


@pytest.mark.parametrize(
    ("text", "wished", "server", "expected"),
    [
        ("0 3 * * MON", "UTC", "UTC", "0 0 3 * * MON"),
        ("0 3 * * *", "Europe/Brussels", "Europe/Brussels", "0 0 3 * * *"),
        ("0 3 * * *", "Europe/Brussels", "Europe/Paris", "0 0 3 * * *"),
        ("0 3 * * *", "Europe/Brussels", "Europe/Athens", "0 0 4 * * *"),
        ("0 3 * * MON", "Asia/Tokyo", "UTC", "0 0 18 * * 0"),
        ("0 3 * * *", "Asia/Kolkata", "UTC", "0 30 21 * * *"),
        ("0 3 1 * *", "Etc/GMT-1", "UTC", "0 0 2 1 * *"),
        ("*/20 * * * *", "Asia/Kathmandu", "UTC", "0 15,35,55 * * * *"),
    ],
)
def test_a_zone_at_constant_distance_is_translated(
    text: str, wished: str, server: str, expected: str
) -> None:
    assert for_server(Cron.parse(text), zone(wished), zone(server)).text == expected


@pytest.mark.parametrize(
    ("text", "wished", "reason"),
    [
        ("0 3 * * *", "Europe/Brussels", "changes its clocks"),
        ("0 3 * * *", "America/New_York", "CRON_SCHEDULE_TIMEZONE=America/New_York"),
        ("0 3 1 * *", "Asia/Tokyo", "days of the month"),
        ("0 3,12 * * MON", "Asia/Tokyo", "another day"),
        ("10,50 3 * * *", "Asia/Kathmandu", "different hours"),
    ],
)
def test_what_no_expression_says_is_refused(text: str, wished: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        for_server(Cron.parse(text), zone(wished), zone("UTC"))


def field(first: int, last: int) -> st.SearchStrategy[str]:
    number = st.integers(first, last)
    span = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    step = st.integers(1, 20).map(lambda size: f"*/{size}")
    listed = st.lists(number, min_size=1, max_size=3).map(lambda values: ",".join(map(str, values)))
    return st.one_of(st.just("*"), st.just("*"), listed, span, step)


CRONS = st.tuples(
    field(0, 59), field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6)
).map(" ".join)


@given(CRONS, st.integers(-14 * 4, 14 * 4))
def test_a_translated_expression_means_the_same_moments(text: str, quarters: int) -> None:
    try:
        cron = Cron.parse(text)
        moved = cron.shifted(15 * quarters)
    except (SettingsError, ValueError):
        assume(False)
    ahead = timedelta(minutes=15 * quarters)
    start = datetime(2026, 11, 21, 12)
    wished = islice(cron._local(start), 20)
    found = islice(moved._local(start + ahead), 20)
    assert [time + ahead for time in wished] == list(found)


@given(CRONS, st.integers(0, 3 * 365 * 24 * 3600))
def test_next_times_agree_with_the_fields(text: str, seconds: int) -> None:
    """Each time is one that the six fields allow, by the rules written out plainly."""
    try:
        cron = Cron.parse(text)
    except SettingsError:
        assume(False)
    start = START + timedelta(seconds=seconds)
    second, minute, hour, date, month, week = text.split()
    for time in cron.next_times(ZoneInfo("UTC"), start, 3):
        assert time > start
        assert allows(second, time.second, 0)
        assert allows(minute, time.minute, 0)
        assert allows(hour, time.hour, 0)
        assert allows(month, time.month, 1)
        in_date, in_week = allows(date, time.day, 1), allows(week, time.isoweekday() % 7, 0)
        if date.startswith("*") or week.startswith("*"):
            assert in_date
            assert in_week
        else:
            assert in_date or in_week


def allows(text: str, value: int, first: int) -> bool:
    if text.startswith("*"):
        return (value - first) % int(text.partition("/")[2] or 1) == 0
    low, dash, high = text.partition("-")
    if dash:
        return int(low) <= value <= int(high)
    return value in map(int, text.split(","))
