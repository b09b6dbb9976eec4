"""The evaluate stage on a small made-up area: real artifacts, an untrained network."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pystac
import pytest
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from components.evaluate import stage
from components.evaluate.__main__ import app
from groundshift.artifacts import ArtifactStore, Champion, read_manifest, writing
from groundshift.artifacts.manifest import check_files
from groundshift.assessment import network_scores
from groundshift.assessment.network_scores import score_network
from groundshift.assessment.protocol import panels
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.models.inference import map_cell
from groundshift.models.store import Detector
from groundshift.samples.store import Samples
from tests.components.made_up import BLOCK, PIXELS, artifacts, make_model, settings_of, truth_table

DATA = Path(__file__).parents[1] / "data"
CLASS = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "name": {"type": "string", "minLength": 1}},
    "required": ["value", "name"],
}
"""Of a classification: the extension's Python model tells what holds one, not what is in it."""


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(tmp_path_factory.mktemp("work")))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return artifacts(tmp_path_factory.mktemp("area"), truth_table())


@pytest.fixture(scope="module")
def done(inputs, tmp_path_factory):
    """The stage's summary and its folder."""
    folder = tmp_path_factory.mktemp("out") / "evaluation"
    return stage.run(settings_of(), **inputs, evaluation=folder), folder


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


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
    expected = {"network", "endisi_difference", "ndvi_difference", "omnibus_count"}
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


@pytest.fixture(scope="module")
def other(inputs, tmp_path_factory):
    """Another model for the same cube: with other first weights."""
    folder = tmp_path_factory.mktemp("other") / "model"
    return make_model(folder, inputs["cube"], inputs["samples"], seed=8)


def test_the_champion_is_scored_on_the_same_blocks_and_draws(inputs, other, tmp_path):
    folder = tmp_path / "evaluation"
    chosen = settings_of(baselines=False, gate={"minimum_lift": 1})
    summary = stage.run(chosen, **inputs, evaluation=folder, champion=other)
    manifest = read_manifest(folder, "evaluation")
    theirs = read_manifest(other, "model").content_hash
    assert manifest.inputs["champion"] == theirs
    gate = manifest.record["gate"]
    assert gate["verdict"] == "inconclusive"
    assert "3 test blocks" in gate["reasons"][0]
    assert "2 events" in gate["reasons"][1]
    alone = tmp_path / "alone"
    stage.run(chosen, **(inputs | {"model": other}), evaluation=alone)
    compared = gate["comparison"]
    assert compared["champion_pr_auc"] == metrics_of(alone)["headline"]["pr_auc"]
    table = pd.read_csv(folder / "baselines.csv").set_index("detector")
    assert table.loc["champion", "pr_auc"] == pytest.approx(compared["champion_pr_auc"], abs=1e-6)
    assert table["prevalence"].nunique() == 1
    found = metrics_of(folder)["controlled_truth"]["champion"]
    assert (
        found["lower_limit"]
        == compared["lower_limit"]
        < found["pr_auc"] - compared["champion_pr_auc"]
    )
    assert summary.metrics["ahead_of_champion_by_at_least"] == pytest.approx(
        found["lower_limit"], abs=1e-6
    )
    assert {s["measure"] for s in found["strata"]} == {"left alone"}


def test_the_champion_has_nobody_to_be_ahead_of(done, inputs, tmp_path):
    folder = tmp_path / "evaluation"
    summary = stage.run(settings_of(), **inputs, evaluation=folder, champion=inputs["model"])
    assert summary.content_hash == done[0].content_hash


def test_a_champion_that_takes_other_numbers_leaves_it_open(inputs, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(inputs["model"], folder)
    detector = Detector.open(folder)
    signature = replace(detector.signature, resolution=20.0)
    with writing(folder, "model", area="t", settings={}, inputs={}) as draft:
        replace(detector, signature=signature).write(draft.folder)
        shutil.copy(inputs["model"] / "probe.npz", draft.folder)
    out = tmp_path / "evaluation"
    chosen = settings_of(baselines=False, gate={"minimum_lift": 1})
    stage.run(chosen, **inputs, evaluation=out, champion=folder)
    manifest = read_manifest(out, "evaluation")
    assert manifest.record["gate"]["verdict"] == "inconclusive"
    assert "resolution: expected 20.0, found 10" in manifest.record["gate"]["reasons"][0]
    assert "champion" not in manifest.inputs


def test_a_model_card_tells_where_when_and_how_good(done, inputs):
    page = (done[1] / "model_card.md").read_text()
    model = read_manifest(inputs["model"], "model").content_hash
    assert page.startswith(f"# groundshift-made-up-{model[:12]}\n")
    for told in ("images of 2017-01-", "`radar_a`: sentinel1", "| pr_auc |", "no rights reserved"):
        assert told in page
    item = json.loads((done[1] / "model.stac.json").read_text())
    west, south, east, north = item["bbox"]
    assert 4.3 < west < east < 4.5
    assert 50.5 < south < north < 50.6
    assert item["properties"]["mlm:input"][0]["bands"] == [{"name": "VV"}, {"name": "VH"}]
    assert item["properties"]["groundshift:data"]["model"] == model
    read = pystac.Item.from_dict(item)
    read.stac_extensions = []  # their schemas are on the network only
    read.validate()


def test_a_model_card_has_the_fields_of_stacs_extension_for_models(done):
    item = json.loads((done[1] / "model.stac.json").read_text())
    fields = item["properties"]
    schema = json.loads((DATA / "mlm" / "properties.schema.json").read_text())
    schema["$defs"]["MLMClassification"] = CLASS
    known = {name for name in fields if name.startswith("mlm:")}
    assert known <= schema["properties"].keys()
    jsonschema.Draft202012Validator(schema).validate(fields)
    with pytest.raises(jsonschema.ValidationError, match="'dim_order' is a required property"):
        jsonschema.validate(fields | {"mlm:output": [broken(fields["mlm:output"][0])]}, schema)
    # The rules beyond single fields.
    assert item["stac_extensions"] == ["https://stac-extensions.github.io/mlm/v1.6.0/schema.json"]
    assert (fields["mlm:pretrained"], fields["mlm:pretrained_source"]) == (False, None)
    [weights] = [a for a in item["assets"].values() if "mlm:model" in a["roles"]]
    assert weights["mlm:artifact_type"] == "safetensors"
    described = {band["name"] for band in weights["bands"]}
    assert {band["name"] for taken in fields["mlm:input"] for band in taken["bands"]} == described


def broken(output):
    return output | {"result": {n: v for n, v in output["result"].items() if n != "dim_order"}}


def invoke(settings, *arguments):
    return CliRunner().invoke(app, ["--settings", settings.model_dump_json(), *map(str, arguments)])


def in_store(store, folder, contract):
    with store.incoming() as incoming:
        shutil.copytree(folder, incoming / contract)
        return store.folder(store.adopt(incoming / contract, contract))


def test_what_passes_becomes_the_champion_and_what_decides_nothing_does_not(
    inputs, other, tmp_path
):
    store = ArtifactStore.open(str(tmp_path / "store"))
    folders = [f"--cube={inputs['cube']}", f"--samples={inputs['samples']}"]
    folders += [f"--evaluation={tmp_path / 'evaluation'}", f"--store={store.root}"]
    quick = {"baselines": False, "bootstrap": 50}
    models = [in_store(store, folder, "model") for folder in (inputs["model"], other)]
    told = tmp_path / "promoted"

    def judged(model, promote=True, **gate):
        chosen = settings_of(**quick, gate=gate)
        outputs = {"parameters": {"promoted": {"outputFile": str(told)}}} if promote else {}
        outputs |= {"outputFile": str(tmp_path / "answer.json")}
        options = [f"--model={model}", "--executor-output", json.dumps({"outputs": outputs})]
        result = invoke(chosen, *folders, *options, *(["--promote"] * promote))
        assert result.exit_code == 0, result.output
        if promote:  # the pipeline maps by it
            own = read_manifest(model, "model").content_hash
            assert json.loads(told.read_text()) is (own == store.champion_hash("made-up"))
        return store.champion_hash("made-up")

    first, second = (read_manifest(model, "model").content_hash for model in models)
    assert judged(models[0], minimum_lift=90) == ""
    assert judged(models[0], promote=False, minimum_lift=1) == ""
    assert judged(models[0], minimum_lift=1) == first
    assert judged(models[0], minimum_lift=1.1) == first, "judged again it stays what it is"
    assert judged(models[1], minimum_lift=1) == first, "3 blocks decide nothing"
    ahead = {"minimum_blocks": 2, "minimum_events": 1, "margin": -1, "stratum_margin": 1}
    assert judged(models[1], minimum_lift=1, **ahead) == second
    made = store.decisions("made-up")
    assert [decision.action for decision in made] == [
        *("kept out", "promoted", "kept out", "promoted")
    ]
    assert [decision.champion for decision in made] == ["", "", first, first]
    assert made[-1].figures["blocks"] == 3
    assert all("pr_auc" in decision.figures for decision in made), "the first has no rival"
    assert store.champion("made-up").replaced == first


def test_of_two_that_were_judged_by_the_same_champion_one_is_told_to_run_again(
    inputs, other, tmp_path, monkeypatch
):
    store = ArtifactStore.open(str(tmp_path / "store"))
    model = in_store(store, inputs["model"], "model")
    rival = in_store(store, other, "model")
    first_stage = stage.run

    def overtaken(*arguments, **options):
        summary = first_stage(*arguments, **options)
        evaluation = in_store(store, summary.artifact, "evaluation")
        references = (store.reference(rival, "model"), store.reference(evaluation, "evaluation"))
        store.promote("made-up", Champion(*references))
        return summary

    monkeypatch.setattr("components.evaluate.__main__.run", overtaken)
    folders = [f"--cube={inputs['cube']}", f"--samples={inputs['samples']}", f"--model={model}"]
    folders += [f"--evaluation={tmp_path / 'evaluation'}", f"--store={store.root}", "--promote"]
    chosen = settings_of(baselines=False, bootstrap=0, gate={"minimum_lift": 1})
    result = invoke(chosen, *folders)
    assert result.exit_code == 4, "worth a retry"
    assert store.champion_hash("made-up") == read_manifest(rival, "model").content_hash
    assert store.decisions("made-up") == ()


def test_drift_is_measured_against_a_model_or_the_champion(inputs, done, tmp_path):
    store = ArtifactStore.open(str(tmp_path / "store"))
    model = in_store(store, inputs["model"], "model")
    evaluation = in_store(store, done[1], "evaluation")
    references = (store.reference(model, "model"), store.reference(evaluation, "evaluation"))
    store.promote("made-up", Champion(*references))
    cube = f"--cube={inputs['cube']}"
    given = invoke(settings_of(), cube, f"--model={model}", f"--drift={tmp_path / 'drift'}")
    assert given.exit_code == 0, given.output
    found = json.loads(given.stdout.splitlines()[-1])
    document = json.loads((tmp_path / "drift" / "drift.json").read_text())
    assert found["metrics"] == {"drift": document["drift"], "new_windows": 0}
    assert document["retrain"] is False, "nothing came after the training"
    assert document["until"].startswith("2017-07-1")
    champion = [f"--store={store.root}", f"--champion={references[0].content_hash}"]
    again = invoke(settings_of(), cube, *champion, f"--drift={tmp_path / 'again'}")
    assert json.loads(again.stdout.splitlines()[-1])["content_hash"] == found["content_hash"]


def test_an_evaluation_needs_all_its_inputs_and_promotion_a_store(inputs, tmp_path):
    target = f"--evaluation={tmp_path / 'evaluation'}"
    folders = [f"--{name}={path}" for name, path in inputs.items()]
    for arguments in (folders[:1], [*folders, "--promote"]):
        assert invoke(settings_of(), *arguments, target).exit_code == 2
    assert not (tmp_path / "evaluation").exists()


def test_the_command_line_refuses_what_is_no_artifact(tmp_path):
    folders = [f"--{name}={tmp_path}" for name in ("cube", "samples", "model")]
    settings = settings_of().model_dump_json()
    target = f"--evaluation={tmp_path / 'evaluation'}"
    result = CliRunner().invoke(app, [*folders, target, "--settings", settings])
    assert result.exit_code == 2
