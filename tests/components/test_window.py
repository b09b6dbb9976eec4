"""The window stage through its command line, on a small cube."""

import json
import shutil

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from components.window.__main__ import app
from components.window.regional import run_betas, run_coefficients
from components.window.stage import run
from groundshift.artifacts import digest, read_manifest
from groundshift.samples.store import Samples
from tests.samples.ground import make_artifacts, stage_settings


def invoke(artifacts, samples, **window):
    """Run the stage; returns the result, and the summary it printed if it went well."""
    settings = stage_settings(**window).model_dump_json()
    arguments = {
        "--observations": artifacts.observations,
        "--cube": artifacts.cube,
        "--samples": samples,
        "--settings": settings,
    }
    flat = [str(part) for pair in arguments.items() for part in pair]
    result = CliRunner().invoke(app, flat)
    return result, json.loads(result.stdout.splitlines()[-1]) if result.exit_code == 0 else None


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        return make_artifacts(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One place for all runs: making a new one takes MLflow seconds."""
    return tmp_path_factory.mktemp("runs") / "mlflow.db"


@pytest.fixture(autouse=True)
def _own_places(monkeypatch, tmp_path, runs):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{runs}")


def test_the_stage_writes_samples_that_lead_back_to_their_inputs(artifacts, tmp_path):
    result, summary = invoke(artifacts, tmp_path / "samples")
    assert result.exit_code == 0, result.output
    manifest = read_manifest(tmp_path / "samples", "samples")
    assert manifest.inputs == {
        name: read_manifest(getattr(artifacts, name), name).content_hash
        for name in ("cube", "observations")
    }
    assert manifest.licences == ("made up",)
    assert summary["content_hash"] == manifest.content_hash
    assert summary["metrics"]["patches_training"] == 8
    assert 0 < summary["metrics"]["synthetic_average_precision"] <= 1
    assert "8 training, 4 validation, 4 test patches" in summary["notes"][0]
    for name in ("label_card.png", "label_card.md", "label_card.json", "truth.parquet"):
        assert (tmp_path / "samples" / name).is_file()


def test_one_cell_gives_the_same_samples_in_steps(artifacts, tmp_path):
    settings = stage_settings()
    folders = {name: tmp_path / name for name in ("coefficients", "betas", "samples")}
    run_coefficients(settings, cube=artifacts.cube, coefficients=folders["coefficients"])
    run_betas(settings, coefficients=folders["coefficients"], betas=folders["betas"])
    found = run(
        settings,
        observations=artifacts.observations,
        cube=artifacts.cube,
        betas=folders["betas"],
        samples=folders["samples"],
    )
    _, expected = invoke(artifacts, tmp_path / "at_once")
    assert found.value_hash == expected["value_hash"]
    assert found.metrics == expected["metrics"]
    assert found.pages["card"].read_text().startswith("# Label card")
    assert "betas" in read_manifest(folders["samples"], "samples").inputs


def test_labels_open_in_xarray(artifacts, tmp_path):
    invoke(artifacts, tmp_path / "samples")
    samples = Samples.open(tmp_path / "samples")
    cell = samples.windows["cell"].iloc[0]
    labels = xr.open_zarr(tmp_path / "samples" / "labels" / f"{cell}.zarr")
    assert labels["truth"].dims == ("window", "y", "x")
    assert labels["window"].values.tolist() == samples.labelled(cell).tolist()
    expected = samples.label_series(cell, "truth", slice(0, 32), slice(0, 32))
    np.testing.assert_array_equal(labels["truth"].values, expected)


def test_a_truth_file_goes_before_what_was_planted_and_is_an_input(artifacts, tmp_path):
    table = gpd.read_parquet(artifacts.observations / "truth.parquet").iloc[:1]
    table.assign(kind="swap").to_parquet(tmp_path / "truth.parquet")
    result, _ = invoke(artifacts, tmp_path / "samples", truth=str(tmp_path / "truth.parquet"))
    assert result.exit_code == 0, result.output
    samples = Samples.open(tmp_path / "samples")
    assert samples.truth["kind"].tolist() == ["swap"]
    assert len(samples.manifest.inputs["truth"]) == 64
    cell = samples.windows["cell"].iloc[0]
    assert not samples.label_series(cell, "truth", slice(0, 32), slice(0, 32)).any()


def test_bad_settings_end_with_2_and_leave_nothing(artifacts, tmp_path, caplog):
    result, _ = invoke(artifacts, tmp_path / "samples", kind="triple", length="90d")
    assert result.exit_code == 2
    assert "Set window.length=60d or shorter" in caplog.text
    assert not (tmp_path / "samples").exists()


def test_a_cube_of_other_observations_is_refused(artifacts, tmp_path, caplog):
    folder = tmp_path / "observations"
    document = json.loads((artifacts.observations / "manifest.json").read_text())
    document["content"]["licences"] = ["another"]
    document["content_hash"] = digest(document["content"])
    shutil.copytree(artifacts.observations, folder)
    (folder / "manifest.json").write_text(json.dumps(document))
    result, _ = invoke(artifacts._replace(observations=folder), tmp_path / "samples")
    assert result.exit_code == 2
    assert "was made from observations" in caplog.text


def test_help_shows_an_example():
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for text in ("--observations", "--cube", "--samples", "Example: python -m components.window"):
        assert text in result.output
