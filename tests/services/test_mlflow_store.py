"""Where runs go, and what is kept out of them."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from groundshift.services import mlflow_store


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://user:pass@host:5000/x", "http://***@host:5000/x"),
        ("s3://bucket/key?X-Amz-Signature=abc", "s3://bucket/key?***"),
        ("no uri here? none", "no uri here? none"),
        ("S2?_*.tif", "S2?_*.tif"),
    ],
)
def test_credentials_and_signatures_are_masked(text: str, expected: str) -> None:
    assert mlflow_store.masked(text) == expected


def test_settings_flatten_to_dotted_names() -> None:
    values = {"a": {"b": 1, "none": None}, "parts": [{"bands": ["B02"]}], "url": "s3://k:s@h/x"}
    assert mlflow_store.flatten(values) == {
        "a.b": "1",
        "parts.0.bands": "['B02']",
        "url": "s3://***@h/x",
    }


def test_artifacts_lie_beside_a_database_elsewhere(
    place: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = place / "tracking"
    elsewhere.mkdir()
    (place / "mlflow.db").rename(elsewhere / "runs.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere / 'runs.db'}")
    store = mlflow_store.open_store()
    experiment = store.client.get_experiment(store.experiment)
    assert experiment.name == "groundshift"
    assert experiment.artifact_location.removeprefix("file://") == str(elsewhere / "mlartifacts")


def test_the_experiment_may_be_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "flood")
    store = mlflow_store.open_store()
    assert store.client.get_experiment(store.experiment).name == "flood"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", store.experiment)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    assert mlflow_store.open_store().experiment == store.experiment
