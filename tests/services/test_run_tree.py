"""One tree of runs per pipeline run, on engines that share a file, an id, or Kubeflow's plugin."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from groundshift.artifacts import Outcome
from groundshift.services import mlflow_store, run_tree, tracking
from groundshift.services.run_tree import CELLS, PARENT
from groundshift.settings import TrainStage

OUTCOMES = [
    Outcome("fetch", "plan", exit=0, kind="done"),
    *(
        Outcome("stack", cell=f"c{n:04}", exit=0, kind="done", metrics={"steps": float(n % 10)})
        for n in range(1000)
    ),
    Outcome("window", "coefficients", "c0000", exit=0, kind="done"),
    Outcome("infer", "scores", "c0001", exit=2, kind="broken", message="no window"),
]


def runs(client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name("groundshift")
    assert experiment is not None
    found = list(client.search_runs([experiment.experiment_id]))
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found)
    return named


def test_tasks_that_know_only_the_runs_id_share_a_parent(
    place: Path, client: MlflowClient, settings: TrainStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-7")
    for stage in ("window", "train"):
        with tracking.stage_run(stage, settings, {}):
            pass
    tracking.log_cells("run-7", "demo", [], succeeded=False)
    found = runs(client)
    parent = found["groundshift run-7"]
    assert parent.info.status == "FAILED"
    assert {found[name].data.tags[PARENT] for name in ("window", "train")} == {parent.info.run_id}
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-8")
    with tracking.stage_run("infer", settings, {}) as other:
        assert other.parent != parent.info.run_id


def test_of_two_parents_made_at_once_both_tasks_take_the_first(
    place: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = mlflow_store.open_store()
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-7")
    rival = client.create_run(store.experiment, tags={"groundshift.run": "run-7"}, start_time=1)
    looks, real = [False], run_tree._runs_of  # the first look comes too early
    monkeypatch.setattr(
        run_tree, "_runs_of", lambda *a: real(*a) if not looks else looks.clear() or []
    )
    assert run_tree.find_spot(store, "demo").parent == rival.info.run_id
    left = client.search_runs([store.experiment], "tags.`groundshift.run` = 'run-7'")
    assert [run.info.run_id for run in left] == [rival.info.run_id]


def test_the_run_that_kubeflows_plugin_made_for_a_task_is_written_into(
    place: Path, client: MlflowClient, settings: TrainStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = client.create_run("0", run_name="pipeline")
    task = client.create_run("0", tags={PARENT: pipeline.info.run_id}, run_name="train")
    monkeypatch.setenv("MLFLOW_RUN_ID", task.info.run_id)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    with tracking.stage_run("train", settings, {}) as run:
        tracking.log_metrics({"loss": 0.5})
        assert (run.id, run.parent) == (task.info.run_id, pipeline.info.run_id)
    found = client.get_run(task.info.run_id)
    assert found.data.params["train.epochs"] == "3"
    assert found.data.metrics == {"loss": 0.5}
    assert found.data.tags["groundshift.stage"] == "train"
    assert found.info.status == "RUNNING", "it is Kubeflow's to end"
    tracking.log_cells("run-7", "demo", OUTCOMES[-1:], succeeded=True)
    [scores] = client.search_runs(["0"], "tags.`groundshift.table` = 'infer-scores'")
    assert scores.data.tags[PARENT] == pipeline.info.run_id
    assert client.get_run(pipeline.info.run_id).info.status == "RUNNING"


def test_a_thousand_cells_are_one_run_with_a_table(
    place: Path, client: MlflowClient, settings: TrainStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-7")
    with tracking.stage_run("stack", settings, {}, row=True) as cell:
        assert cell.store is None
    for _ in range(2):  # the exit handler may be tried again
        tracking.log_cells("run-7", "demo", OUTCOMES, succeeded=True)
    found = runs(client)
    assert set(found) == {"groundshift run-7", "stack", "window-coefficients", "infer-scores"}
    parent = found["groundshift run-7"].info
    assert parent.status == "FINISHED"
    assert found["infer-scores"].info.status == "FAILED"
    assert found["stack"].data.metrics == {"cells": 1000, "failed_cells": 0, "steps": 4.5}
    assert found["stack"].data.tags[PARENT] == parent.run_id
    folder = Path(client.download_artifacts(found["stack"].info.run_id, CELLS))
    table = json.loads(folder.read_text())
    assert table["columns"][:3] == ["cell", "kind", "exit"]
    assert [len(table["data"]), table["data"][-1][0]] == [1000, "c0999"]


def test_a_server_that_is_lost_at_the_end_costs_the_record_only(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracking.log_cells("run-7", "demo", OUTCOMES, succeeded=True)
    assert "cells of run run-7 could not be recorded" in caplog.text
