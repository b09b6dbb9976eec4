"""A fresh place for MLflow runs, and the environment that decides where they go."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from groundshift.services import mlflow_store
from groundshift.settings import TrainStage, parse

_ENVIRONMENT = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "GROUNDSHIFT_RUN",
    "GROUNDSHIFT_TRACKING",
)


@pytest.fixture(scope="session")
def _empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, which take a second to make."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").get_experiment_by_name("Default")
    return path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _empty_database: Path) -> Path:
    """An empty current folder whose `mlflow.db` is ready."""
    for name in _ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copy(_empty_database, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def client(place: Path) -> MlflowClient:
    """Reads what was tracked."""
    return MlflowClient(mlflow_store.tracking_uri())


@pytest.fixture
def settings() -> TrainStage:
    """Some stage's settings."""
    values = {
        "name": "demo",
        "area": {"bounds": [3.0, 50.8, 3.1, 50.9]},
        "period": {"start": "2017-01-01", "end": "2018-01-01"},
        "train": {"epochs": 3},
    }
    parsed = parse("train", values)
    assert isinstance(parsed, TrainStage)
    return parsed
