"""A logged model: loads by MLflow alone, answers right, and knows nothing of this machine."""

import importlib.metadata
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from groundshift.errors import ContractError
from groundshift.services import tracking
from groundshift.services.logged_model import requirements
from groundshift.services.packed import pack, unpack
from groundshift.settings import TrainStage

EXAMPLE = {"values": np.arange(6, dtype=np.float32).reshape(2, 3)}


@pytest.fixture
def logged(place: Path, settings: TrainStage, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """URI of a logged model and id of its run."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
    model = place / "model"
    model.mkdir()
    (model / "factor.txt").write_text("2.5")
    with tracking.stage_run("train", settings, {}) as run:
        uri = tracking.log_model(
            model,
            opener="tests.services.doubling:open_model",
            example=EXAMPLE,
            content_hash="c" * 64,
        )
        assert run.store is not None
        assert run.store.client.get_run(run.id).info.status == "RUNNING"
    assert uri is not None
    return uri, run.id


def test_the_logged_model_loads_and_answers(logged: tuple[str, str], place: Path) -> None:
    (place / "model" / "factor.txt").write_text("0")  # the logged copy is meant
    model = mlflow.pyfunc.load_model(logged[0])
    answer = model.predict(pd.DataFrame({"sample": [pack(EXAMPLE), pack(EXAMPLE)]}))
    assert list(answer.columns) == ["result", "about"]
    for text in answer["result"]:
        np.testing.assert_array_equal(unpack(text)["score"], EXAMPLE["values"] * 2.5)


def test_it_names_its_signature_packages_and_run_but_no_place(
    logged: tuple[str, str], place: Path, client: MlflowClient
) -> None:
    folder = Path(download_artifacts(logged[0]))
    described = yaml.safe_load((folder / "MLmodel").read_text())
    assert "sample" in described["signature"]["inputs"]
    assert "result" in described["signature"]["outputs"]
    assert described["run_id"] == logged[1]
    assert (folder / "input_example.json").is_file()
    pinned = (folder / "requirements.txt").read_text().splitlines()
    assert all("==" in line for line in pinned)
    assert any(line.startswith("keras==") for line in pinned)
    # Where the store keeps it, which MLflow notes, is a path here and a URI on a server.
    assert described.pop("artifact_path").startswith(str(place / "mlartifacts"))
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    here = [str(Path(__file__).parents[2]).encode(), str(place).encode()]
    for path in folder.rglob("*"):
        if path.is_file():
            assert not any(name in path.read_bytes() for name in here), path
    flavor = described["flavors"]["python_function"]
    assert flavor["artifacts"] == {"model": {"path": "artifacts/model", "uri": "model"}}
    assert Path(flavor["model_code_path"]).parent.name.startswith("groundshift-model-")
    assert (folder / "code" / "groundshift" / "errors.py").is_file()
    assert not list(folder.rglob("*.pyc"))
    run = client.get_run(logged[1])
    assert run.info.status == "FINISHED"
    assert len(run.outputs.model_outputs) == 1


def test_a_model_trained_on_an_accelerator_is_served_on_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = importlib.metadata.version

    def version(name: str) -> str:
        if name == "tensorflow-cpu":
            raise importlib.metadata.PackageNotFoundError(name)
        return "2.21.0" if name == "tensorflow" else installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert "tensorflow-cpu==2.21.0" in requirements()


def test_requirements_are_pinned_to_what_is_installed() -> None:
    pinned = dict(line.split("==") for line in requirements())
    assert pinned["numpy"] == np.__version__
    assert "pytest" not in pinned


@pytest.mark.parametrize("text", ["", "not base64!", pack({})[:-8]])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ContractError, match="expected a base64 npz archive"):
        unpack(text)


def test_objects_are_never_loaded() -> None:
    import base64
    import io

    buffer = io.BytesIO()
    np.savez(buffer, values=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ContractError, match="plain arrays"):
        unpack(base64.b64encode(buffer.getvalue()).decode())
