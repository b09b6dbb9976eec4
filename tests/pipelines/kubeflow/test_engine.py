"""Runs on the fake cluster: submit, wait through a restart, what tasks say."""

from pathlib import Path

import pytest

from pipelines.kubeflow.engine import KubeflowEngine
from pipelines.kubeflow.packages import Package
from pipelines.kubeflow.server import ClusterError, Server
from tests.pipelines.kubeflow.conftest import Clock
from tests.pipelines.kubeflow.fake import FakeKubeflow


@pytest.fixture
def engine(server: Server) -> KubeflowEngine:
    return KubeflowEngine(server)


@pytest.fixture
def package(packages: Path) -> Package:
    return Package.read(packages / "training.yaml")


def test_a_run_gets_version_arguments_and_experiment(
    fake: FakeKubeflow, engine: KubeflowEngine, package: Package
) -> None:
    run = engine.submit(package, {"area": "demo"}, "training-demo")
    assert (run.name, run.state, run.over) == ("training-demo", "PENDING", False)
    stored = fake.state.get("runs", run.run_id)
    version = stored["pipeline_version_reference"]["pipeline_version_id"]
    assert fake.state.get("pipeline_versions", version)["display_name"] == package.version
    assert stored["runtime_config"]["parameters"] == {"area": "demo"}
    assert fake.state.get("experiments", stored["experiment_id"])["display_name"] == "groundshift"


@pytest.mark.parametrize("trouble", ["loses", "drops"])
def test_a_lost_answer_starts_no_second_run(
    fake: FakeKubeflow, engine: KubeflowEngine, package: Package, trouble: str
) -> None:
    earlier = engine.submit(package, {}, "training-demo")
    getattr(fake, trouble)("POST /apis/v2beta1/runs")
    later = engine.submit(package, {}, "training-demo")
    assert set(fake.state.items["runs"]) == {earlier.run_id, later.run_id}
    assert earlier.run_id != later.run_id


@pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"])
def test_waiting_ends_with_the_run(
    fake: FakeKubeflow, engine: KubeflowEngine, package: Package, clock: Clock, state: str
) -> None:
    fake.state.final = lambda name: state
    clock.then = fake.state.tick
    run = engine.wait(engine.submit(package, {}, "r").run_id, timeout=600)
    assert (run.state, run.succeeded) == (state, state == "SUCCEEDED")
    assert run.finished is not None


def test_waiting_outlives_a_restart(
    fake: FakeKubeflow, engine: KubeflowEngine, package: Package, clock: Clock
) -> None:
    run = engine.submit(package, {}, "r")
    away = iter([fake.state.tick, fake.stop, *[lambda: None] * 8, fake.start, fake.state.tick])
    clock.then = lambda: next(away, lambda: None)()
    fake.answers(503, "GET /apis/v2beta1/runs", times=2)
    assert engine.wait(run.run_id, timeout=600).succeeded
    assert clock.now > engine.server.patience


def test_waiting_too_long_says_that_it_goes_on(
    fake: FakeKubeflow, engine: KubeflowEngine, package: Package, clock: Clock
) -> None:
    run = engine.submit(package, {}, "r")
    with pytest.raises(ClusterError, match=r"still PENDING after 60 s.*--timeout") as error:
        engine.wait(run.run_id, timeout=60)
    assert error.value.transient
    assert clock.now <= 60
    fake.stop()
    with pytest.raises(ClusterError, match=r"no answer"):
        engine.wait(run.run_id, timeout=60)
    assert clock.now <= 120


def test_tasks_come_in_order_with_what_went_wrong(
    fake: FakeKubeflow, engine: KubeflowEngine, package: Package
) -> None:
    run = engine.submit(package, {}, "r")
    stored = fake.state.get("runs", run.run_id)
    fake.state.move(stored, "FAILED", "a task failed")
    start = "2026-11-21T03:0{}:00Z"
    stored["run_details"] = {
        "task_details": [
            {"task_id": "3", "display_name": "infer", "start_time": "1970-01-01T00:00:00Z"},
            {
                "task_id": "2",
                "display_name": "stack",
                "state": "FAILED",
                "start_time": start.format(2),
                "end_time": start.format(5),
                "state_history": [
                    {"state": "RUNNING", "update_time": start.format(2)},
                    {
                        "state": "FAILED",
                        "update_time": start.format(5),
                        "error": {"code": 13, "message": "exit code 2"},
                    },
                ],
                "child_tasks": [{"pod_name": "stack-1"}, {"pod_name": "stack-1"}],
            },
            {"task_id": "1", "display_name": "fetch", "start_time": start.format(1)},
        ]
    }
    found = engine.status(run.run_id)
    assert found.message == "a task failed"
    assert [task.name for task in found.tasks] == ["fetch", "stack", "infer"]
    stack = found.tasks[1]
    assert (stack.message, stack.pods) == ("exit code 2", ("stack-1",))
    assert [state for state, _ in stack.history] == ["RUNNING", "FAILED"]
    assert (stack.finished - stack.started).total_seconds() == 180  # type: ignore[operator]
    assert found.tasks[2].started is None


def test_runs_are_listed_by_part_of_their_name(engine: KubeflowEngine, package: Package) -> None:
    assert list(engine.runs("training")) == []
    for name in ("training-a", "monitoring-a", "training-b"):
        engine.submit(package, {}, name)
    assert [run.name for run in engine.runs("training-")] == ["training-a", "training-b"]
