"""The train stage through its command line, on a small cube; killed in the middle once."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from components.train.__main__ import app
from components.window.stage import run as run_window
from groundshift.artifacts import read_manifest
from groundshift.cube.store import Cube
from groundshift.models.inference import map_cell
from groundshift.models.store import HISTORY, Detector
from groundshift.samples.store import Samples
from groundshift.settings import parse
from tests.samples.ground import AREA, make_artifacts, stage_settings

pytestmark = pytest.mark.usefixtures("own_work")

TRAIN = {"epochs": 3, "batch": 8, "stride": 3, "members": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Observations, cube and samples."""
    folder = tmp_path_factory.mktemp("artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        artifacts = make_artifacts(folder)
        settings = stage_settings(stride=4)
        run_window(
            settings,
            observations=artifacts.observations,
            cube=artifacts.cube,
            samples=folder / "samples",
        )
    return {"cube": artifacts.cube, "samples": folder / "samples"}


def arguments(made, model, **train):
    period = {"start": "2017-01-01", "end": "2017-07-02"}
    values = {"name": "test", "area": AREA, "period": period, "train": TRAIN | train}
    settings = parse("train", values).model_dump_json()
    folders = {f"--{name}": str(path) for name, path in (made | {"model": model}).items()}
    return [*(part for pair in folders.items() for part in pair), "--settings", settings]


def invoke(made, model, **train):
    result = CliRunner().invoke(app, arguments(made, model, **train))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def trained(made, tmp_path_factory):
    """A model of an undisturbed run, and its summary."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        return folder / "model", invoke(made, folder / "model")


def test_the_stage_writes_a_model_that_leads_back_to_its_inputs(made, trained):
    folder, summary = trained
    manifest = read_manifest(folder, "model")
    assert manifest.inputs == {
        name: read_manifest(path, name).content_hash for name, path in made.items()
    }
    assert manifest.settings["train"]["epochs"] == 3
    assert manifest.licences == ("made up",)
    assert summary["metrics"]["radius"] == manifest.summary["radius"] > 0
    history = pd.read_csv(folder / HISTORY)
    assert history[["member", "epoch"]].to_numpy().tolist() == [
        [member, epoch] for member in (0, 1) for epoch in (1, 2, 3)
    ]
    assert len(manifest.record["epoch_seconds"]) == 6


def test_the_model_maps_the_cube_it_was_trained_on(made, trained):
    detector = Detector.open(trained[0])
    samples = Samples.open(made["samples"])
    assert detector.windows["length"] == "40d"
    windows = samples.windows_of("test").head(2)
    (cell,) = Cube.open(made["cube"]).cells.values()
    maps = dict(map_cell(detector, cell, windows))
    assert list(maps) == windows["id"].tolist()
    for scores in maps.values():
        assert scores.shape == (32, 32)
        assert 0 < scores.min() < scores.max() < 1


def test_a_killed_run_goes_on_to_the_same_model(made, trained, tmp_path):
    model, expected = tmp_path / "model", trained[1]
    command = [sys.executable, "-m", "components.train", *arguments(made, model)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "work").rglob("member_0.safetensors")):
        assert child.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert not model.exists()
    summary = invoke(made, model)
    assert summary["value_hash"] == expected["value_hash"]
    assert summary["content_hash"] == expected["content_hash"]
    assert len(read_manifest(model, "model").record["epoch_seconds"]) < 6


def test_a_variant_without_its_streams_is_bad_input(made, tmp_path):
    result = CliRunner().invoke(
        app, arguments(made, tmp_path / "model", features=["level", "colour"])
    )
    assert result.exit_code == 2
    assert not (tmp_path / "model").exists()


def test_radar_alone_is_a_model_too(made, tmp_path):
    invoke(made, tmp_path / "model", variant="radar", epochs=1, members=1)
    detector = Detector.open(tmp_path / "model")
    assert detector.inputs.roles == ("radar_a", "radar_b")
    assert np.isfinite(detector.arrays()["member_0/output/kernel"]).all()
