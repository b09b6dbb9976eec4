"""The command line against the fake: what it prints, where, and its exit codes."""

import re
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from pipelines.commands import register
from pipelines.kubeflow.server import Server
from tests.pipelines.kubeflow.conftest import Clock, arguments
from tests.pipelines.kubeflow.fake import FakeKubeflow

SECRET = "s3cr3t-t0k3n"
SCHEDULES = """
schedules:
  weekly: {pipeline: monitoring, area: demo, cron: 30 23 * * SUN, timezone: Etc/GMT+5}
  paused: {pipeline: training, area: demo, cron: 0 3 1 * *, enabled: false}
"""


@pytest.fixture(autouse=True)
def _arguments(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr("pipelines.parameters.arguments", arguments)


@pytest.fixture
def fake() -> Iterator[FakeKubeflow]:
    """A fake that wants a token."""
    server = FakeKubeflow(token=SECRET)
    yield server
    server.stop()


class Shell:
    """Runs commands; no secret may be in what they print."""

    def __init__(self, fake: FakeKubeflow, folder: Path) -> None:
        self.environment = {"KFP_HOST": fake.host, "KFP_TOKEN": SECRET, "COLUMNS": "200"}
        self.packages = str(folder)
        self.app = typer.Typer(pretty_exceptions_enable=False)
        register(self.app)

    def __call__(self, *words: str) -> Result:
        result = CliRunner().invoke(self.app, words, env=self.environment)
        assert SECRET not in result.output
        return result

    def ok(self, *words: str) -> str:
        result = self(*words)
        assert result.exit_code == 0, result.output
        return result.stdout


@pytest.fixture
def shell(fake: FakeKubeflow, packages: Path) -> Shell:
    return Shell(fake, packages)


def submit(shell: Shell, *words: str) -> str:
    return shell.ok("submit", "training", "--packages", shell.packages, *words).strip()


def test_submit_prints_the_id_alone(shell: Shell, fake: FakeKubeflow) -> None:
    run = submit(shell, "--as-of", "2026-11-21", "--set", "infer.stride=5")
    stored = fake.state.get("runs", run)
    assert stored["display_name"] == "training-demo-2026-11-21"
    assert stored["runtime_config"]["parameters"] == {
        "area": "demo",
        "infer_settings": '{"infer":{"stride":5}}',
        "as_of": "2026-11-21",
    }
    unnamed = fake.state.get("runs", submit(shell))["display_name"]
    assert re.fullmatch(r"training-demo-\d{8}T\d{6}", unnamed)
    assert fake.state.get("runs", submit(shell, "--name", "mine"))["display_name"] == "mine"


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1)])
def test_wait_ends_as_the_run_does(
    shell: Shell, fake: FakeKubeflow, clock: Clock, state: str, code: int
) -> None:
    fake.state.final = lambda name: state
    clock.then = fake.state.tick
    result = shell("wait", submit(shell))
    assert result.exit_code == code
    assert result.stdout.startswith(state)


def test_wait_gives_up_with_a_code_of_its_own(shell: Shell) -> None:
    result = shell("wait", submit(shell), "--timeout", "30")
    assert result.exit_code == 4
    assert "still PENDING" in result.stderr


def test_an_interrupt_says_that_the_run_goes_on(shell: Shell, clock: Clock) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    run = submit(shell)
    clock.then = interrupt
    result = shell("wait", run)
    assert result.exit_code == 130
    assert "go on" in result.stderr


def test_status_and_logs_say_what_happened(shell: Shell, fake: FakeKubeflow) -> None:
    run = submit(shell)
    stored = fake.state.get("runs", run)
    fake.state.move(stored, "FAILED", "task stack failed")
    stored["run_details"] = {
        "task_details": [
            {
                "task_id": "2",
                "display_name": "stack",
                "state": "FAILED",
                "start_time": "2026-11-21T03:00:00Z",
                "end_time": "2026-11-21T03:01:30Z",
                "error": {"code": 13, "message": "exit code 2"},
                "state_history": [{"state": "FAILED", "update_time": "2026-11-21T03:01:30Z"}],
                "child_tasks": [{"pod_name": "stack-pod"}],
            },
            {"task_id": "3", "display_name": "infer"},
        ]
    }
    status = shell.ok("status", run)
    assert re.search(r"FAILED +90 s +stack", status)
    assert re.search(r"PENDING +- +infer", status)
    logs = shell.ok("logs", run, "--task", "stack")
    for text in ("task stack failed", "exit code 2", "pod stack-pod", "03:01:30  FAILED"):
        assert text in logs
    assert "infer" not in logs
    assert f"kubectl logs --namespace kubeflow --selector pipeline/runid={run}" in logs


def test_schedules_from_file_to_server_and_back(
    shell: Shell, fake: FakeKubeflow, tmp_path: Path
) -> None:
    file = tmp_path / "schedules.yaml"
    file.write_text(SCHEDULES)
    words = ("-f", str(file), "--packages", shell.packages)

    different = shell("schedule", "diff", *words)
    assert different.exit_code == 1
    assert "weekly: create" in different.stdout

    applied = shell.ok("schedule", "apply", *words)
    times = re.findall(r"next Sun \S+ 23:30:00 \S+, as_of (\S+)", applied)
    assert len(times) == 5
    # Kubeflow writes the day in UTC, where it is Monday by then.
    assert {date.fromisoformat(day).weekday() for day in times} == {0}
    assert "disabled" in applied.partition("paused: create")[2]

    assert shell.ok("schedule", "diff", *words).count("unchanged") == 2
    assert shell.ok("schedule", "apply", *words).count("unchanged") == 2
    listed = shell.ok("schedule", "list")
    assert re.search(r"paused +disabled .*0 3 1 \* \* in UTC", listed)
    assert re.search(r"weekly +enabled .*30 23 \* \* SUN in Etc/GMT\+5", listed)

    assert shell.ok("schedule", "remove", "paused").strip() == "paused: removed"
    assert shell.ok("schedule", "remove", "paused").strip() == "paused: was not there"
    assert [r["display_name"] for r in fake.state.items["recurring_runs"].values()] == ["weekly"]


def test_a_backfill_is_planned_run_and_judged(
    shell: Shell, fake: FakeKubeflow, clock: Clock
) -> None:
    clock.then = fake.state.tick
    fake.state.final = lambda name: "FAILED" if "2020-02" in name else "SUCCEEDED"
    words = ("backfill", "monitoring", "--from", "2020-01-15", "--to", "2020-03-15")
    words += ("--packages", shell.packages)

    planned = shell.ok(*words, "--dry-run")
    assert planned.count("to run") == 3
    assert fake.state.items["runs"] == {}

    result = shell(*words)
    assert result.exit_code == 1
    assert result.stdout.count("SUCCEEDED") == 2
    days = [r["runtime_config"]["parameters"]["as_of"] for r in fake.state.items["runs"].values()]
    assert days == ["2020-01-15", "2020-02-15", "2020-03-15"]

    assert shell(*words).exit_code == 1
    assert len(fake.state.items["runs"]) == 3
    fake.state.final = lambda name: "SUCCEEDED"
    assert shell.ok(*words, "--retry-failed").count("SUCCEEDED") == 1
    assert shell.ok(*words).count("done") == 3


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["status", "nothing"], 2, "404"),
        (["submit", "nothing"], 2, "groundshift compile nothing"),
        (["backfill", "training", "--from", "soon", "--to", "2020-01-01"], 2, "--from 'soon'"),
        (["backfill", "training", "--from", "2020-01-01", "--to", "2020-01-02"], 2, "compile"),
        (["schedule", "apply", "-f", "nothing.yaml"], 2, "nothing.yaml"),
    ],
)
def test_bad_input_has_exit_code_2(shell: Shell, words: list[str], code: int, message: str) -> None:
    result = shell(*words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_a_wrong_token_has_exit_code_2(shell: Shell, fake: FakeKubeflow) -> None:
    fake.token = "another"
    result = shell("status", "x")
    assert result.exit_code == 2
    assert "KFP_TOKEN" in result.stderr


def test_a_server_that_stays_away_has_exit_code_4(shell: Shell, fake: FakeKubeflow) -> None:
    fake.stop()
    result = shell("status", "x")
    assert result.exit_code == 4
    assert "no answer" in result.stderr
    assert "Retrying" not in result.stderr


def test_without_a_host_no_server_is_asked(shell: Shell, fake: FakeKubeflow) -> None:
    shell.environment["KFP_HOST"] = ""
    result = shell("schedule", "list")
    assert result.exit_code == 2
    assert "KFP_HOST" in result.stderr
    assert fake.trace == []


def test_waiting_is_real_outside_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert (Server.pause, Server.clock) == (time.sleep, time.monotonic)
