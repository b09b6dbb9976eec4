"""The stage on a small made-up area: real artifacts, an untrained network."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from components.evaluate import stage
from groundshift.artifacts import read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.assessment import network_scores
from groundshift.assessment.network_scores import score_network
from groundshift.assessment.protocol import panels
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.models.inference import map_cell
from groundshift.models.store import Detector
from groundshift.samples.store import Samples
from tests.components.evaluate.commands import metrics_of
from tests.components.made_up import BLOCK, PIXELS, artifacts, settings_of, truth_table


def test_the_artifact_is_whole_and_traceable(done, inputs):
    summary, folder = done
    manifest = read_manifest(folder, "evaluation")
    check_files(folder, manifest)
    assert manifest.inputs["model"] == read_manifest(inputs["model"], "model").content_hash
    assert manifest.licences == ("made up, no rights reserved",)
    assert manifest.record["gate"]["level"] == "controlled_truth"
    names = {entry.path for entry in manifest.files}
    tables = ("baselines", "blocks", "pr_curve", "roc_curve", "reliability", "events")
    assert {f"{name}.csv" for name in tables} < names
    assert {"metrics.json", "headline.json", "summary.md", "reliability.png"} < names
    assert all(path.is_file() for path in summary.figures)
    assert summary.metrics["pr_auc"] == metrics_of(folder)["headline"]["pr_auc"]


def test_levels_of_truth_stand_apart(done):
    document = metrics_of(done[1])
    assert document.keys() == {"headline", "controlled_truth", "synthetic_agreement"}
    assert document["headline"]["level"] == "controlled_truth"
    assert "no measure of truth" in document["synthetic_agreement"]["meaning"]
    assert "baselines" not in document["synthetic_agreement"]
    assert json.loads((done[1] / "headline.json").read_text()) == document["headline"]


def test_the_network_is_scored_on_the_test_blocks_as_it_maps_them(done, inputs):
    images, indexed = Cube.open(inputs["cube"]), Samples.open(inputs["samples"])
    [(name, cell_cube)] = images.cells.items()
    windows = indexed.windows_of("test", name)
    maps = np.stack([m for _, m in map_cell(Detector.open(inputs["model"]), cell_cube, windows)])
    everywhere = slice(0, PIXELS)
    labels = indexed.label_series(name, "truth", everywhere, everywhere)
    test = np.zeros((PIXELS, PIXELS), bool)
    for block in (3, 4, 5):
        top, left = (BLOCK * i for i in divmod(block, PIXELS // BLOCK))
        test[top : top + BLOCK, left : left + BLOCK] = True
    expected = average_precision_score(labels[:, test].ravel() >= 0.5, maps[:, test].ravel())
    found = metrics_of(done[1])["controlled_truth"]
    assert found["network"]["pr_auc"] == pytest.approx(expected, abs=1e-5)
    assert found["network"]["prevalence"] == pytest.approx(
        (labels[:, test] >= 0.5).mean(), abs=1e-6
    )
    assert found["windows"] == len(windows)


def test_blocks_apart_score_as_the_whole_cell(inputs, monkeypatch):
    images, indexed = Cube.open(inputs["cube"]), Samples.open(inputs["samples"])
    detector = Detector.open(inputs["model"])
    asked = panels(indexed, images, "test", "truth", stride=9)
    at_once = score_network(detector, images, asked)
    monkeypatch.setattr(network_scores, "WHOLE_VALUES", 0)
    apart = score_network(detector, images, asked)
    assert [scores.mean.shape for scores in apart] == [panel.labels.shape for panel in asked]
    for one, other in zip(at_once, apart, strict=True):
        assert other.mean == pytest.approx(one.mean, abs=1e-4)


def test_blocks_hold_every_pixel_and_say_null_where_nothing_changed(done):
    blocks = pd.read_csv(done[1] / "blocks.csv")
    mine = blocks[blocks["detector"] == "network"].set_index("block")
    windows = metrics_of(done[1])["controlled_truth"]["windows"]
    assert mine["pixels"].tolist() == [BLOCK * BLOCK * windows] * 3
    assert mine.index.tolist() == [3, 4, 5]
    assert mine["pr_auc"].isna().tolist() == [False, True, False]


def test_baselines_see_what_the_network_sees(done):
    table = pd.read_csv(done[1] / "baselines.csv").set_index("detector")
    expected = {"network", "endisi_difference", "ndvi_difference", "omnibus_test"}
    expected |= {"radar_log_ratio", "radar_step", "lightgbm", "synthetic_label"}
    expected |= {"ndvi_cusum", "ndvi_ewma"}
    assert set(table.index) == expected
    same = table.drop(index="synthetic_label")["prevalence"]
    assert same.nunique() == 1
    # Power grows fourfold: what looks for steps finds it, an untrained network does not.
    assert table.loc["radar_step", "pr_auc"] > 0.5
    assert table.loc["lightgbm", "pr_auc"] > 0.8
    assert table.loc["network", "pr_auc"] < table.loc["radar_step", "pr_auc"]
    gate = read_manifest(done[1], "evaluation").record["gate"]
    assert gate["beats_simple_baselines"]["radar_step"] is False


def test_decoys_and_events_are_those_of_the_test_blocks(done):
    ground = metrics_of(done[1])["controlled_truth"]["ground"]
    assert ground["network"]["decoy"]["pixels"] > 0
    assert ground["lightgbm"]["change"]["mean_score"] > ground["lightgbm"]["decoy"]["mean_score"]
    events = pd.read_csv(done[1] / "events.csv")
    known = events[events["kind"] != "none"]
    assert known["id"].tolist() == ["test-1", "test-swap", "test-2"]
    assert known["counts"].tolist() == [True, False, True]
    assert known["pixels"].tolist() == [16, 16, 16]
    strata = pd.read_csv(done[1] / "strata.csv").set_index(["by", "stratum"])
    assert strata.loc[("size", "0.1 to 0.5 ha"), "events"] == 2
    curve = pd.read_csv(done[1] / "operating.csv")
    assert set(curve["events"]) == {2}
    assert curve["recall"].between(0, 1).all()
    network = metrics_of(done[1])["controlled_truth"]["network"]
    assert network["exposure"] == pytest.approx(3 * 0.0064 / 100 * 196 / 365.25, rel=0.05)


def test_events_are_set_beside_those_of_the_simple_way(done):
    document = metrics_of(done[1])["controlled_truth"]
    ours, simple = document["event_ways"]
    assert (ours["way"], simple["way"]) == ("dated by series", "threshold and polygonize")
    assert ours["events"] == simple["events"] > 0
    assert all(0.1 <= way["threshold"] <= 0.9 for way in (ours, simple))
    assert ours["event_f1"] is not None


def test_pipelines_are_told_verdict_curves_and_page(done):
    summary, folder = done
    verdict = read_manifest(folder, "evaluation").record["gate"]["verdict"]
    assert summary.parameters == {"verdict": verdict}
    assert summary.pages["summary"].read_text().startswith(f"# Evaluation: {verdict}")
    points = summary.curves["roc"]["confidenceMetrics"]
    assert 2 < len(points) <= 100
    assert [points[-1][name] for name in ("recall", "falsePositiveRate")] == [1, 1]
    found = summary.curves["confusion"]["confusionMatrix"]
    assert [spec["displayName"] for spec in found["annotationSpecs"]] == ["change", "no change"]
    (hits, missed), (false, _) = (row["row"] for row in found["rows"])
    assert hits / (hits + missed) == pytest.approx(summary.metrics["recall"], abs=1e-6)
    assert hits / (hits + false) == pytest.approx(summary.metrics["precision"], abs=1e-6)
    assert sum(map(sum, (row["row"] for row in found["rows"]))) == (
        pd.read_csv(folder / "blocks.csv").query("detector == 'network'")["pixels"].sum()
    )


def test_a_rerun_writes_the_same(done, inputs, tmp_path):
    again = stage.run(settings_of(), **inputs, evaluation=tmp_path / "evaluation")
    assert again.content_hash == done[0].content_hash
    assert again.value_hash == done[0].value_hash


def test_a_given_threshold_is_used_and_baselines_can_be_left_out(inputs, tmp_path):
    chosen = settings_of(threshold=0.25, baselines=False, stride=3)
    folder = tmp_path / "evaluation"
    stage.run(chosen, **inputs, evaluation=folder)
    document = metrics_of(folder)
    assert document["headline"]["threshold"] == 0.25
    assert "baselines" not in document["controlled_truth"]
    assert read_manifest(folder, "evaluation").record["gate"]["beats_simple_baselines"] == {}


def test_without_truth_only_agreement_is_told(tmp_path):
    found = artifacts(tmp_path, None, 600, labels="synthetic", length="182d", min_steps=10)
    folder = tmp_path / "evaluation"
    summary = stage.run(settings_of(baselines=False), **found, evaluation=folder)
    document = metrics_of(folder)
    assert document.keys() == {"headline", "synthetic_agreement"}
    assert document["headline"]["level"] == "synthetic_agreement"
    assert not (folder / "events.csv").exists()
    assert any("no measure of truth" in note for note in summary.notes)


def test_a_truth_of_the_users_own_is_a_reference(tmp_path):
    truth_table().to_file(tmp_path / "known.geojson", driver="GeoJSON")
    found = artifacts(tmp_path, None, truth=str(tmp_path / "known.geojson"))
    folder = tmp_path / "evaluation"
    stage.run(settings_of(baselines=False), **found, evaluation=folder)
    assert metrics_of(folder)["headline"]["level"] == "reference"


def test_a_cube_that_was_not_indexed_is_refused(inputs, tmp_path):
    other = artifacts(tmp_path, truth_table().iloc[:5])
    mixed = inputs | {"cube": other["cube"]}
    with pytest.raises(ContractError, match=r"Rerun: python -m components\.window"):
        stage.run(settings_of(), **mixed, evaluation=tmp_path / "evaluation")
    assert not (tmp_path / "evaluation").exists()
