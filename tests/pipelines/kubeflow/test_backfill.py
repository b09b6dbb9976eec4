"""A backfill runs what is missing, once, a few at a time, and goes on where it broke off."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundshift.errors import SettingsError
from pipelines.kubeflow.backfill import Backfill, Step, Window, days
from pipelines.kubeflow.engine import KubeflowEngine, RunStatus
from pipelines.kubeflow.packages import Package, upload
from pipelines.kubeflow.server import Server
from tests.pipelines.kubeflow.conftest import Clock
from tests.pipelines.kubeflow.fake import FakeKubeflow

FOUR = days(date(2020, 1, 31), date(2020, 4, 30), Step.parse("1mo"))


@pytest.mark.parametrize(
    ("every", "last", "expected"),
    [
        ("1mo", "2020-05-01", ["2020-01-31", "2020-02-29", "2020-03-31", "2020-04-30"]),
        ("1y", "2022-01-31", ["2020-01-31", "2021-01-31", "2022-01-31"]),
        ("2w", "2020-02-28", ["2020-01-31", "2020-02-14", "2020-02-28"]),
        ("7d", "2020-01-31", ["2020-01-31"]),
    ],
)
def test_days(every: str, last: str, expected: list[str]) -> None:
    found = days(date(2020, 1, 31), date.fromisoformat(last), Step.parse(every))
    assert [str(day) for day in found] == expected


@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(0, 900), st.integers(1, 40))
def test_days_are_evenly_apart(first: date, span: int, size: int) -> None:
    found = days(first, first + timedelta(days=span), Step.parse(f"{size}d"))
    assert found == [first + timedelta(days=n) for n in range(0, span + 1, size)]


@pytest.mark.parametrize("text", ["", "0d", "1", "mo", "1m", "-1d"])
def test_a_step_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--every"):
        Step.parse(text)


def test_days_that_run_backwards_are_refused() -> None:
    with pytest.raises(SettingsError, match="--to 2019-01-01 is before --from 2020-01-01"):
        days(date(2020, 1, 1), date(2019, 1, 1), Step(days=1))


class Filling:
    """A backfill of four months against the fake, which ends a run while somebody waits."""

    def __init__(self, fake: FakeKubeflow, server: Server, packages: Path, clock: Clock) -> None:
        self.fake = fake
        self.most = 0
        self.started: list[str] = []
        self.engine = KubeflowEngine(server)
        self.package = Package.read(packages / "monitoring.yaml")
        self.backfill = Backfill(self.engine, "monitoring", "demo")
        clock.then = self._pass

    def _pass(self) -> None:
        running = [r for r in self.fake.state.items["runs"].values() if r["finished_at"] < "2"]
        self.most = max(self.most, len(running))
        self.fake.state.tick()

    def start(self, window: Window) -> RunStatus:
        self.started.append(str(window.as_of))
        return self.engine.start(upload(self.engine.server, self.package), {}, window.name)

    def run(self, *, parallel: int = 1, retry_failed: bool = False) -> list[str]:
        self.started.clear()
        plan = self.backfill.plan(FOUR, retry_failed=retry_failed)
        return [run.state for run in self.backfill.execute(plan, self.start, parallel=parallel)]

    def plan(self, *, retry_failed: bool = False) -> list[str]:
        return [str(w.todo) for w in self.backfill.plan(FOUR, retry_failed=retry_failed)]


@pytest.fixture
def filling(fake: FakeKubeflow, server: Server, packages: Path, clock: Clock) -> Filling:
    return Filling(fake, server, packages, clock)


@pytest.mark.parametrize("parallel", [1, 3, 9])
def test_every_window_runs_once_and_not_too_many_at_a_time(filling: Filling, parallel: int) -> None:
    assert filling.plan() == ["to run"] * 4
    assert filling.run(parallel=parallel) == ["SUCCEEDED"] * 4
    assert filling.started == [str(day) for day in FOUR]
    assert filling.most == min(parallel, 4)
    assert filling.run(parallel=parallel) == []
    assert filling.plan() == ["done"] * 4


def test_failed_windows_run_again_where_asked(filling: Filling, fake: FakeKubeflow) -> None:
    fake.state.final = lambda name: "FAILED" if "02-29" in name else "SUCCEEDED"
    assert filling.run() == ["SUCCEEDED", "FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert filling.plan() == ["done", "failed", "done", "done"]
    assert filling.run() == []
    fake.state.final = lambda name: "SUCCEEDED"
    assert filling.run(retry_failed=True) == ["SUCCEEDED"]
    assert filling.started == ["2020-02-29"]
    assert filling.plan() == ["done"] * 4


def test_what_was_broken_off_goes_on(filling: Filling, clock: Clock) -> None:
    ticking = clock.then

    def kill() -> None:
        ticking()
        if len(filling.started) == 2:
            raise KeyboardInterrupt

    clock.then = kill
    with pytest.raises(KeyboardInterrupt):
        filling.run()
    clock.then = ticking
    assert filling.plan() == ["done", "running", "to run", "to run"]
    assert filling.run() == ["SUCCEEDED"] * 3
    assert filling.started == ["2020-03-31", "2020-04-30"]
    assert filling.most == 1
    assert len(filling.fake.state.items["runs"]) == 4


def test_other_areas_and_experiments_don_t_count(filling: Filling, server: Server) -> None:
    version = upload(server, filling.package)
    for name in ("monitoring-demo-north-2020-01-31", "x-monitoring-demo-2020-01-31"):
        filling.engine.start(version, {}, name)
    KubeflowEngine(server, "other").start(version, {}, "monitoring-demo-2020-01-31")
    assert filling.plan() == ["to run"] * 4


def test_a_server_that_restarts_meanwhile_loses_nothing(filling: Filling, clock: Clock) -> None:
    ticking, waits = clock.then, iter(range(1000))

    def restart() -> None:
        ticking()
        if next(waits) == 2:
            filling.fake.stop()
            filling.fake.start()
            filling.fake.loses("POST /apis/v2beta1/runs")

    clock.then = restart
    assert filling.run() == ["SUCCEEDED"] * 4
    assert len(filling.fake.state.items["runs"]) == 4
