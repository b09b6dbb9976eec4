"""A network that sees the windows before and after, from training to service."""

import numpy as np
import pandas as pd
import pytest

from components.evaluate import stage as evaluate
from components.infer import stage as infer
from components.train import stage as train
from groundshift.artifacts import read_manifest
from groundshift.cube.store import Cube
from groundshift.errors import ContractError, SettingsError
from groundshift.models.inference import map_cell, shown_digests
from groundshift.models.store import PROBE, Detector, read_probe
from groundshift.products.maps import read_map
from groundshift.products.serving.scorer import example, open_scorer
from groundshift.samples.store import Samples
from groundshift.services.packed import pack, unpack
from tests.components import made_up as area

pytestmark = pytest.mark.usefixtures("own_places")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Folders of an area with triples, and of a network that sees them."""
    folder = tmp_path_factory.mktemp("area")
    truth = area.truth_table()
    return area.artifacts(folder, truth, neighbours=True, kind="triple", length="40d")


@pytest.fixture(scope="module")
def rows(inputs):
    """The complete windows of the index."""
    windows = Samples.open(inputs["samples"]).windows
    return windows[windows["complete"]]


@pytest.fixture(scope="module")
def maps(inputs, rows):
    """The network's score of each complete window, [window, y, x]."""
    (cell,) = Cube.open(inputs["cube"]).cells.values()
    return np.stack([m for _, m in map_cell(Detector.open(inputs["model"]), cell, rows)])


def test_a_network_is_trained_with_neighbours(inputs, tmp_path):
    settings = area.settings_of("train", neighbours=True, epochs=1, batch=4, stride=4)
    folders = {name: inputs[name] for name in ("cube", "samples")}
    train.run(settings, **folders, model=tmp_path / "model")
    manifest = read_manifest(tmp_path / "model", "model")
    assert manifest.settings["train"]["neighbours"] is True
    detector = Detector.open(tmp_path / "model")
    assert detector.inputs.neighbours
    assert detector.spec.context_channels == 3 * (2 + 6)
    assert "neighbours" not in area.settings_of("train").affecting()["train"]


def test_evaluation_and_maps_see_the_same_neighbours(inputs, rows, maps, tmp_path):
    settings = area.settings_of("evaluate", baselines=False)
    summary = evaluate.run(settings, **inputs, evaluation=tmp_path / "evaluation")
    assert summary.metrics["pr_auc"] > 0
    chain = inputs | {"evaluation": tmp_path / "evaluation"}
    settings = area.settings_of("infer", page=False)
    summary = infer.run(settings, **chain, maps=tmp_path / "maps")
    files = sorted((tmp_path / "maps" / "scores").glob("*/*.tif"))
    # Ground can be mapped only once the window after is there.
    assert len(files) == len(rows) < len(Samples.open(inputs["samples"]).windows)
    for path, expected in zip(files, maps, strict=True):
        np.testing.assert_array_equal(read_map(path), expected)


def test_service_sees_the_same_neighbours(inputs, rows, maps, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_SERVE_PREFIXES", str(inputs["cube"].parent))
    scorer, row = open_scorer(inputs["model"]), rows.iloc[5]
    request = {"cube": str(inputs["cube"])}
    window = {"start": row["start"].isoformat(), "end": row["end"].isoformat()}
    by_date = {"date": (row["end"] + pd.Timedelta("40d")).isoformat()}
    for asked in (window, by_date):
        scores = unpack(scorer(request | asked)["result"])["score"]
        np.testing.assert_allclose(scores, maps[5], atol=1e-6)
    early = {"start": "2017-01-20", "end": "2017-03-01"}
    with pytest.raises(ContractError, match="the window before: expected 8 to"):
        scorer(request | early)
    probe = example(inputs["model"])
    scores = unpack(scorer({"sample": pack(probe)})["result"])["score"]
    np.testing.assert_allclose(scores, read_probe(inputs["model"] / PROBE).score, atol=1e-6)
    probe["values_optical_beside"] = probe["values_optical_beside"][:, :1]
    with pytest.raises(ContractError, match=r"optical_beside: expected \(1, 2\) images"):
        scorer({"sample": pack(probe)})
    del probe["values_optical_beside"]
    with pytest.raises(ContractError, match="missing: values_optical_beside"):
        scorer({"sample": pack(probe)})


def test_a_window_shows_its_neighbours_too(inputs, rows):
    (cell,) = Cube.open(inputs["cube"]).cells.values()
    detector = Detector.open(inputs["model"])
    moved = rows.assign(next_stop=rows["next_stop"] - 1)
    own, other = (shown_digests(detector, cell, windows) for windows in (rows, moved))
    assert not set(own) & set(other)


def test_windows_without_neighbours_are_refused(inputs, rows, tmp_path):
    (cell,) = Cube.open(inputs["cube"]).cells.values()
    alone = rows[["id", "first", "stop"]]
    with pytest.raises(ContractError, match=r"found \d+ of \d+ windows without"):
        list(map_cell(Detector.open(inputs["model"]), cell, alone))
    single = area.artifacts(tmp_path / "single", area.truth_table())
    folders = {name: single[name] for name in ("cube", "samples")}
    with pytest.raises(SettingsError, match=r"Set window\.kind=triple"):
        train.run(area.settings_of("train", neighbours=True), **folders, model=tmp_path / "model")
