"""MLflow's server is killed at the start, in the middle and at the end of a training."""

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from groundshift.artifacts import read_manifest
from groundshift.services import tracking
from groundshift.services.run_tree import PARENT, RUN_ID
from tests.faults.world import app, arguments
from tests.services.mlflow_servers import MlflowServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mlflow")
    server = MlflowServer(f"sqlite:///{folder}/mlflow.db", folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def train(world, server, tmp_path, monkeypatch):
    """Runs the stage as a task of the pipeline run `run-7`: its exit code."""
    for name in ("GROUNDSHIFT_TRACKING", "MLFLOW_RUN_ID", "GROUNDSHIFT_RUN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", tmp_path.name)
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv(RUN_ID, "run-7")
    options = arguments("train", world, model=tmp_path / "model")
    return lambda: CliRunner().invoke(app("train"), options).exit_code


@pytest.fixture
def ended(server, undisturbed, tmp_path):
    """Ends the pipeline run as its exit handler does, and looks at what MLflow has of it."""

    def ended():
        tracking.log_cells("run-7", "tiny", [], succeeded=True)
        client = MlflowClient(server.uri)
        place = experiment_of(server, tmp_path)
        found = client.search_runs(place, order_by=["attributes.start_time"])
        [parent] = [run for run in found if PARENT not in run.data.tags]
        stages = [run for run in found if run is not parent]
        assert {run.data.tags[PARENT] for run in stages} == {parent.info.run_id}
        assert parent.info.status == "FINISHED"
        [model] = client.search_logged_models(place)
        assert str(model.status) == "READY"
        made = read_manifest(tmp_path / "model", "model").content_hash
        assert model.tags["groundshift.content_hash"] == made == undisturbed["train"].content_hash
        assert client.search_registered_models() == []
        *_, last = stages
        history = client.get_metric_history(last.info.run_id, "validation_loss")
        assert [entry.step for entry in history] == [1, 2]
        return [run.info.status for run in stages]

    return ended


def test_at_the_start_nothing_begins(train, server, ended, tmp_path):
    server.kill()
    assert train() == 4
    assert not (tmp_path / "model").exists()
    server.start()
    assert train() == 0
    assert ended() == ["FINISHED"]


def test_in_the_middle_nothing_is_lost_once_it_is_back(train, server, ended, monkeypatch):
    log_metrics = tracking.log_metrics

    def struck(values, step):
        if step == 1:
            server.kill()
        log_metrics(values, step)
        if step == 1:
            server.start()

    monkeypatch.setattr(tracking, "log_metrics", struck)
    assert train() == 0
    assert ended() == ["FINISHED"]


def test_at_the_end_no_half_of_a_model_stays(train, server, ended, tmp_path, monkeypatch):
    send = MlflowClient.log_model_artifacts

    def struck(*arguments, **options):
        server.kill()
        return send(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_model_artifacts", struck)
        assert train() == 0, "the model is there, only its record is not"
    server.start()
    [half] = MlflowClient(server.uri).search_logged_models(experiment_of(server, tmp_path))
    assert str(half.status) == "PENDING"
    assert train() == 0
    assert ended() == ["KILLED", "FINISHED"]


def experiment_of(server, folder):
    found = MlflowClient(server.uri).get_experiment_by_name(folder.name)
    return [found.experiment_id]
