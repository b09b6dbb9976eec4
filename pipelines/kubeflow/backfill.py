"""Runs of one pipeline for past days, each window once, a few at a time."""

import calendar
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from groundshift.errors import SettingsError
from pipelines.kubeflow.engine import POLL, KubeflowEngine, RunStatus

_EVERY = re.compile(r"([1-9]\d*)(d|w|mo|y)")


class Todo(StrEnum):
    """What is to be done about a window."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    RUN = "to run"


@dataclass(frozen=True)
class Window:
    """One day of a backfill.

    Attributes:
        as_of: the day the run's period ends with.
        name: of its runs.
        todo: what is to be done.
        run_id: the run that says so, None where there is none.
    """

    as_of: date
    name: str
    todo: Todo
    run_id: str | None = None


@dataclass(frozen=True)
class Step:
    """The distance of two windows: a number of days or of months."""

    days: int = 0
    months: int = 0

    @classmethod
    def parse(cls, text: str) -> "Step":
        """Read `7d`, `2w`, `1mo` or `1y`.

        Raises:
            SettingsError: it is none of them.
        """
        match = _EVERY.fullmatch(text.strip())
        if not match:
            raise SettingsError(f"--every {text!r}: expected a number and d, w, mo or y, e.g. 1mo")
        count, unit = int(match[1]), match[2]
        if unit in "dw":
            return cls(days=count * (7 if unit == "w" else 1))
        return cls(months=count * (12 if unit == "y" else 1))

    def after(self, start: date, count: int) -> date:
        """The day `count` steps after the first; a month's last day where it has no such day."""
        month = start.month - 1 + count * self.months
        year, month = start.year + month // 12, month % 12 + 1
        day = min(start.day, calendar.monthrange(year, month)[1])
        return date(year, month, day) + timedelta(days=count * self.days)


def run_name(pipeline: str, area: str, as_of: str) -> str:
    """How a run is called: what a backfill recognises a window by."""
    return f"{pipeline}-{area}-{as_of}"


def days(first: date, last: date, step: Step) -> list[date]:
    """The windows' days, from the first to the last at most.

    Raises:
        SettingsError: the last day comes before the first.
    """
    if last < first:
        raise SettingsError(f"--to {last} is before --from {first}")
    found: list[date] = []
    while (day := step.after(first, len(found))) <= last:
        found.append(day)
    return found


class Backfill:
    """One pipeline and area over some days."""

    def __init__(self, engine: KubeflowEngine, pipeline: str, area: str) -> None:
        """Know what to run where."""
        self.engine = engine
        self._prefix = run_name(pipeline, area, "")

    def plan(self, days: Iterable[date], *, retry_failed: bool) -> list[Window]:
        """Find out which days have a run that succeeded, goes on or failed.

        Args:
            days: the windows.
            retry_failed: run those again that failed.
        """
        runs: dict[str, list[RunStatus]] = {}
        for run in self.engine.runs(self._prefix):
            runs.setdefault(run.name, []).append(run)
        named = ((day, f"{self._prefix}{day.isoformat()}") for day in days)
        return [_window(day, name, runs.get(name, []), retry_failed) for day, name in named]

    def execute(
        self, windows: Iterable[Window], start: Callable[[Window], RunStatus], *, parallel: int
    ) -> Iterator[RunStatus]:
        """Start what is to run, at most `parallel` at a time, and give each run as it ends.

        Runs that go on already count and are waited for, so that a backfill that was broken off
        can be started again at any time.

        Args:
            windows: from `plan`.
            start: starts the run of a window.
            parallel: how many may run at the same time.
        """
        windows = list(windows)
        waiting = [window for window in windows if window.todo is Todo.RUN]
        active = [window.run_id for window in windows if window.todo is Todo.RUNNING]
        while waiting or active:
            while waiting and len(active) < parallel:
                active.append(start(waiting.pop(0)).run_id)
            statuses = [self.engine.status(run_id) for run_id in active if run_id]
            active = [run.run_id for run in statuses if not run.over]
            yield from (run for run in statuses if run.over)
            if len(active) >= parallel or (active and not waiting):
                self.engine.server.pause(POLL)


def _window(day: date, name: str, runs: list[RunStatus], retry_failed: bool) -> Window:
    for todo, found in (
        (Todo.DONE, [run for run in runs if run.succeeded]),
        (Todo.RUNNING, [run for run in runs if not run.over]),
        (Todo.RUN if retry_failed else Todo.FAILED, runs),
    ):
        if found:
            return Window(day, name, todo, found[-1].run_id)
    return Window(day, name, Todo.RUN)
