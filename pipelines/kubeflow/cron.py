"""Cron expressions as Kubeflow's scheduler reads them, and in which zone it reads them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from croniter.croniter import CroniterBadDateError

from groundshift.errors import SettingsError

_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MINUTES_A_DAY = 24 * 60
_YEARS = 5
"""How far ahead two zones are compared."""


@dataclass(frozen=True)
class _Unit:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        if text.upper() in self.names:
            return self.names.index(text.upper()) + self.first
        value = int(text) if text.isdecimal() else -1
        if not self.first <= value <= self.last:
            raise ValueError(f"{self.name} {text!r}: expected {self.first} to {self.last}")
        return value


_UNITS = (
    _Unit("second", 0, 59),
    _Unit("minute", 0, 59),
    _Unit("hour", 0, 23),
    _Unit("day of month", 1, 31),
    _Unit("month", 1, 12, _MONTHS),
    _Unit("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True)
class Field:
    """One field of a cron expression.

    Attributes:
        values: what it allows, sorted.
        star: whether it was written with `*` or `?`. Of day of month and day of week, either must
            match, but both where one of them has a star.
    """

    values: tuple[int, ...]
    star: bool

    @classmethod
    def parse(cls, text: str, unit: _Unit) -> "Field":
        """Read `*`, `?`, `5`, `MON`, `1-5`, `*/10`, `8-18/2`, `7/3` and lists of them."""
        parts = [_span(part, unit) for part in text.split(",")]
        values = {value for span, _ in parts for value in span}
        return cls(tuple(sorted(values)), any(star for _, star in parts))

    def full(self, unit: _Unit) -> bool:
        """Whether it allows everything."""
        return len(self.values) == unit.last - unit.first + 1


@dataclass(frozen=True)
class Cron:
    """When something starts: second, minute, hour, day of month, month, day of week.

    Kubeflow reads six fields and would take the minute of the usual five for the second, so that
    expressions are always sent with six.
    """

    text: str
    fields: tuple[Field, ...]

    @classmethod
    def parse(cls, text: str) -> "Cron":
        """Read a cron expression of six fields, or of five (second 0).

        Raises:
            SettingsError: it can't be read, or never comes true.
        """
        parts = text.split()
        parts = ["0", *parts] if len(parts) == 5 else parts
        try:
            if len(parts) != len(_UNITS):
                raise ValueError(f"{len(text.split())} fields, expected 5 or 6")
            fields = tuple(map(Field.parse, parts, _UNITS))
        except ValueError as error:
            raise SettingsError(
                f"cron {text!r}: {error}. Write [second] minute hour day-of-month month "
                "day-of-week, e.g. '0 3 * * MON'"
            ) from error
        cron = cls(" ".join(parts), fields)
        try:
            next(cron._local(datetime(2024, 1, 1)))
        except CroniterBadDateError:
            raise SettingsError(f"cron {text!r}: there is no such day") from None
        return cron

    def next_times(self, zone: ZoneInfo, after: datetime, count: int) -> list[datetime]:
        """The next times in a zone; those that a change of clocks skips are left out."""
        times: list[datetime] = []
        for naive in self._local(after.astimezone(zone).replace(tzinfo=None)):
            moment = naive.replace(tzinfo=zone)
            if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive:
                times.append(moment)
            if len(times) == count:
                break
        return times

    def shifted(self, minutes: int) -> "Cron":
        """The expression for a clock that is `minutes` ahead.

        Raises:
            ValueError: no expression says it, and why.
        """
        minute, hour = self.fields[1:3]
        clock = [60 * h + m + minutes for h, m in product(hour.values, minute.values)]
        hours = {time % _MINUTES_A_DAY // 60 for time in clock}
        past = {time % 60 for time in clock}
        if len(hours) * len(past) != len(clock):
            raise ValueError("its minutes fall into different hours")
        parts = self.text.split()
        parts[1] = _listed(past) if past != set(minute.values) else parts[1]
        parts[2] = _listed(hours) if hours != set(hour.values) else parts[2]
        parts[3:] = self._days_moved({time // _MINUTES_A_DAY for time in clock})
        return Cron.parse(" ".join(parts))

    def _days_moved(self, days: set[int]) -> list[str]:
        """Day of month, month and day of week where the hours fall so many days later."""
        date, month, week = self.fields[3:]
        free = date.full(_UNITS[3]), month.full(_UNITS[4]), week.full(_UNITS[5])
        daily = any(free[::2]) if self._either_day else all(free[::2])
        if days == {0} or (daily and free[1]):
            return self.text.split()[3:]
        if len(days) > 1:
            raise ValueError("some of its hours fall on another day")
        if not all(free[:2]):
            raise ValueError("its days of the month fall on other days")
        (shift,) = days
        return ["*", "*", _listed({(day + shift) % 7 for day in week.values})]

    @property
    def _either_day(self) -> bool:
        """Whether one of day of month and day of week is enough."""
        return not (self.fields[3].star or self.fields[5].star)

    def _local(self, after: datetime) -> Iterator[datetime]:
        # Written out in numbers, so that croniter's own reading of a field plays no part.
        numbers = [
            "*" if field.star and field.full(unit) else _listed(field.values)
            for field, unit in zip(self.fields, _UNITS, strict=True)
        ]
        times = croniter(
            " ".join(numbers),
            after,
            ret_type=datetime,
            day_or=self._either_day,
            second_at_beginning=True,
        )
        while True:
            yield times.get_next()


def zone(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        SettingsError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"time zone {name!r} is not known: expected an IANA name such as Europe/Brussels, UTC "
            "or Etc/GMT-1 (one hour ahead of UTC)"
        ) from error


def for_server(cron: Cron, wished: ZoneInfo, server: ZoneInfo) -> Cron:
    """The expression that means in the server's zone what `cron` means in the wished one.

    Kubeflow has one zone for all schedules. A translation holds only where the two zones differ
    by the same hours all year.

    Raises:
        SettingsError: no translation is right all year.
    """
    difference = _difference(wished.key, server.key)
    try:
        if difference is None:
            raise ValueError(f"{wished.key} changes its clocks against it")
        return cron.shifted(difference)
    except ValueError as error:
        raise SettingsError(
            f"cron {cron.text!r} in {wished.key}: Kubeflow has one time zone for all schedules, "
            f"here {server.key}, and {error}. Set CRON_SCHEDULE_TIMEZONE={wished.key} on the "
            f"deployment ml-pipeline-scheduledworkflow and `server_timezone: {wished.key}` in the "
            "file, or write another time or a zone of fixed offset such as Etc/GMT-1"
        ) from None


@cache
def _difference(wished: str, server: str) -> int | None:
    """Minutes that the server's clock is ahead, None where that changes in the coming years."""
    if wished == server:
        return 0
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    here, there = ZoneInfo(wished), ZoneInfo(server)
    found = {
        _offset(moment, there) - _offset(moment, here)
        for moment in (start + timedelta(hours=hour) for hour in range(_YEARS * 366 * 24))
    }
    minutes, rest = divmod(found.pop(), timedelta(minutes=1))
    return None if found or rest else minutes


def _offset(moment: datetime, place: ZoneInfo) -> timedelta:
    return moment.astimezone(place).utcoffset() or timedelta()


def _span(text: str, unit: _Unit) -> tuple[range, bool]:
    """One part of a field: its values, and whether it has a star."""
    limits, slash, step = text.partition("/")
    if slash and not (step.isdecimal() and int(step) > 0):
        raise ValueError(f"{unit.name} {text!r}: expected a step of 1 or more after '/'")
    low, dash, high = limits.partition("-")
    star = limits in ("*", "?")
    first = unit.first if star else unit.number(low)
    alone = unit.last if star or slash else first
    last = unit.number(high) if dash else alone
    if last < first:
        raise ValueError(f"{unit.name} {text!r}: expected the smaller value first")
    return range(first, last + 1, int(step) if slash else 1), star


def _listed(values: Iterable[int]) -> str:
    return ",".join(map(str, sorted(values)))
