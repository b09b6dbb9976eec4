"""Runs in MLflow: what is logged, how runs are nested, what a missing service does."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from groundshift.artifacts import Summary, read_manifest, writing
from groundshift.artifacts.versions import Version
from groundshift.errors import ContractError, SourceError
from groundshift.services import tracking
from groundshift.settings import TrainStage
from groundshift.storage import Pointer

PARENT = "mlflow.parentRunId"


def _runs(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("groundshift")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], order_by=["start_time ASC"]))


def _summary(folder: Path, **fields: object) -> Summary:
    return Summary("train", folder, "c" * 64, "v" * 64, **fields)  # type: ignore[arg-type]


def _artifact(folder: Path, contract: str) -> Path:
    with writing(folder, contract, area="demo", settings={}, inputs={}) as draft:
        (draft.folder / "content.txt").write_text(contract)
    return folder


def test_a_stage_logs_settings_inputs_numbers_figures_and_hashes(
    place: Path, client: MlflowClient, settings: TrainStage
) -> None:
    cube = _artifact(place / "cube", "cube")
    figure = place / "curve.png"
    figure.write_bytes(b"png")
    folders = {"cube": cube, "model": place / "model"}
    with tracking.stage_run("train", settings, folders) as run:
        tracking.log_metrics({"loss": 0.5, "undefined": float("nan")}, step=1)
        tracking.log_metrics({"loss": 0.25}, step=2)
        made = _summary(place, metrics={"pr_auc": 0.7}, figures=(figure,))
        run.finish(dataclasses.replace(made, version=Pointer("d" * 32 + ".dir", 1, 1)))

    (stage,) = _runs(client)
    assert stage.info.status == "FINISHED"
    assert stage.info.run_name == "train"
    assert stage.data.params["train.epochs"] == "3"
    assert stage.data.params["period.start"].startswith("2017-01-01")
    assert stage.data.metrics == {"loss": 0.25, "pr_auc": 0.7}
    history = client.get_metric_history(stage.info.run_id, "loss")
    assert [(entry.step, entry.value) for entry in history] == [(1, 0.5), (2, 0.25)]
    assert stage.data.tags["groundshift.content_hash"] == "c" * 64
    assert stage.data.tags["groundshift.value_hash"] == "v" * 64
    assert stage.data.tags["groundshift.dvc"] == "d" * 32 + ".dir"
    assert stage.data.tags["groundshift.area"] == "demo"
    (dataset,) = [entry.dataset for entry in stage.inputs.dataset_inputs]
    content = read_manifest(cube, "cube").content_hash
    pointer = Version.of(cube, "cube").pointer
    assert (dataset.name, dataset.digest) == ("cube", content[:36])
    assert json.loads(dataset.source) == {
        "uri": str(cube),
        "content_hash": content,
        "dvc": pointer.md5,
    }
    assert [entry.path for entry in client.list_artifacts(stage.info.run_id, "figures")] == [
        "figures/curve.png"
    ]


def test_nothing_is_written_beside_the_database_and_its_artifacts(
    place: Path, settings: TrainStage
) -> None:
    figure = place / "curve.png"
    figure.write_bytes(b"png")
    with tracking.stage_run("train", settings, {}) as run:
        run.finish(_summary(place, figures=(figure,)))
    found = sorted(path.name for path in place.iterdir())
    assert found == ["curve.png", "mlartifacts", "mlflow.db"]


def test_a_failed_stage_says_why_without_credentials(
    place: Path, client: MlflowClient, settings: TrainStage
) -> None:
    message = "https://ann:secret@host/x?token=abc refused\nsecond line"
    with pytest.raises(SourceError), tracking.stage_run("train", settings, {}):
        raise SourceError(message)
    (stage,) = _runs(client)
    assert stage.info.status == "FAILED"
    assert stage.data.tags["groundshift.error"] == "https://***@host/x?*** refused"


def test_a_damaged_input_fails_the_run_that_read_it(
    place: Path, client: MlflowClient, settings: TrainStage
) -> None:
    cube = _artifact(place / "cube", "cube")
    manifest = cube / "manifest.json"
    manifest.write_text(manifest.read_text().replace("content.txt", "other.txt"))
    with (
        pytest.raises(ContractError, match="was changed"),
        tracking.stage_run("train", settings, {"cube": cube}),
    ):
        pytest.fail("the stage must not start")
    (stage,) = _runs(client)
    assert stage.info.status == "FAILED"


def test_stages_of_a_pipeline_share_a_parent_that_the_first_one_makes(
    place: Path, client: MlflowClient, settings: TrainStage
) -> None:
    with tracking.pipeline_run("nightly", "demo") as pipeline:
        with tracking.stage_run("window", settings, {}):
            pass
        with tracking.stage_run("train", settings, {}) as stage:
            cube = _artifact(place / "cube", "cube")
    parent_id = pipeline.id
    recorded = read_manifest(cube, "cube").record["mlflow"]
    assert recorded == {"store": "sqlite:///mlflow.db", "run": stage.id, "parent": parent_id}
    later = _artifact(place / "later", "cube")
    assert "mlflow" not in read_manifest(later, "cube").record
    runs = {run.info.run_name: run for run in _runs(client)}
    assert set(runs) == {"nightly", "window", "train"}
    assert runs["nightly"].info.run_id == parent_id
    assert runs["window"].data.tags[PARENT] == parent_id
    assert runs["train"].data.tags[PARENT] == parent_id
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_a_pipeline_with_nothing_to_do_leaves_no_run_and_no_file(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from groundshift.services import tracking\n"
        "with tracking.pipeline_run('nightly', 'demo') as run: pass\n"
        "assert run.id is None\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, env={"PYTHONPATH": str(root)}
    )
    assert list(tmp_path.iterdir()) == []


def test_a_failed_pipeline_closes_its_run_and_those_of_killed_stages(
    place: Path, client: MlflowClient, settings: TrainStage
) -> None:
    def stop() -> None:
        tracking._start("train", settings, {})  # a killed stage never ends its run
        raise RuntimeError

    with pytest.raises(RuntimeError), tracking.pipeline_run("nightly", "demo"):
        stop()
    runs = {run.info.run_name: run.info.status for run in _runs(client)}
    assert runs == {"nightly": "FAILED", "train": "KILLED"}


def test_a_stage_is_nested_in_the_run_that_the_environment_names(
    place: Path,
    client: MlflowClient,
    settings: TrainStage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outer = client.create_run("0", run_name="outer")
    monkeypatch.setenv("MLFLOW_RUN_ID", outer.info.run_id)
    with (
        tracking.pipeline_run("nightly", "demo") as pipeline,
        tracking.stage_run("train", settings, {}) as run,
    ):
        assert pipeline.id == outer.info.run_id
        stage = client.get_run(run.id)
    assert stage.data.tags[PARENT] == outer.info.run_id
    assert stage.info.experiment_id == "0"
    assert client.get_run(outer.info.run_id).info.status == "RUNNING"  # it is its owner's to end


def test_an_unknown_parent_is_no_reason_to_try_again(
    place: Path, settings: TrainStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    with (
        pytest.raises(SourceError, match="Check MLFLOW_TRACKING_URI") as caught,
        tracking.stage_run("train", settings, {}),
    ):
        pytest.fail("the stage must not start")
    assert not caught.value.transient


def test_a_server_that_is_not_there_stops_the_stage_before_it_works(
    place: Path, settings: TrainStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        pytest.raises(SourceError, match="Start it or wait") as caught,
        tracking.stage_run("train", settings, {}),
    ):
        pytest.fail("the stage must not start")
    assert caught.value.transient
    assert "secret" not in str(caught.value)


def test_a_server_lost_on_the_way_costs_the_record_and_not_the_work(
    place: Path,
    settings: TrainStage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with tracking.stage_run("train", settings, {}) as run:
        assert run.store is not None
        lost = MlflowClient("http://127.0.0.1:9")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        object.__setattr__(run.store, "client", lost)
        tracking.log_metrics({"loss": 0.5}, step=1)
        run.finish(_summary(place, metrics={"pr_auc": 0.7}))
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "could not be recorded" in warnings[0].getMessage()


def test_without_tracking_nothing_is_written(
    tmp_path: Path, settings: TrainStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    with tracking.stage_run("train", settings, {}) as run:
        tracking.log_metrics({"loss": 1.0})
        run.finish(_summary(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert tracking.active().store is None


def test_in_an_image_only_a_server_that_is_named_is_tracked_on(
    place: Path, settings: TrainStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{place}/named.db"
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "server")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with tracking.stage_run("train", settings, {}) as run:
        assert run.store is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with tracking.stage_run("train", settings, {}) as run:
        assert run.store is not None


def test_a_dataset_that_another_run_adds_at_the_same_moment_is_found_again() -> None:
    tries: list[int] = []

    def write() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets")

    tracking.with_peers(write)
    assert len(tries) == 3
    with pytest.raises(MlflowException, match="no such run"):
        tracking.with_peers(lambda: _raise(MlflowException("no such run")))


def _raise(error: Exception) -> None:
    raise error
