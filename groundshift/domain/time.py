"""Instants as whole seconds since 1970-01-01 UTC, and lengths of time written as people do."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, PlainSerializer

DAY = 86400
YEAR_DAYS = 365.25

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")
_STAMP = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?:[T_ ]?(\d{2}):?(\d{2}):?(\d{2}))?(?!\d)")


def parse_duration(value: object) -> timedelta:
    """Read `182d`, `6h`, `30min` or `1s`; a `timedelta` passes through."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(str(value).strip())
    if not match:
        raise ValueError(f"{value!r} is no length of time; write for example 182d, 6h or 1s")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def format_duration(value: timedelta) -> str:
    """Write a length of time in the largest unit that keeps it a whole number."""
    seconds = value.total_seconds()
    for unit in ("d", "h", "min"):
        if seconds and seconds % _UNITS[unit] == 0:
            return f"{int(seconds // _UNITS[unit])}{unit}"
    return f"{int(seconds)}s" if seconds.is_integer() else f"{seconds}s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
]


def stamp(seconds: int) -> str:
    """Name of an acquisition: `YYYYmmddTHHMMSS` in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y%m%dT%H%M%S")


def isoformat(seconds: int) -> str:
    """An instant as people and GIS programs read it: `YYYY-mm-ddTHH:MM:SSZ`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find_stamp(text: str) -> int | None:
    """The first date, with a time of day if there is one, in a file name or tag.

    Returns:
        Seconds since 1970 (midnight UTC where no time of day is given), or None.
    """
    for match in _STAMP.finditer(text):
        parts = [int(part) for part in match.groups(default="0")]
        try:
            return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]
        except ValueError:
            continue
    return None


def as_datetime64(seconds: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Whole seconds as numpy instants, for tables and coordinates."""
    return np.asarray(seconds, np.int64).astype("datetime64[s]")
