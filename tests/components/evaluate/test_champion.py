"""The champion beside a new network, and what becomes champion."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from components.evaluate import stage
from groundshift.artifacts import ArtifactStore, Champion, read_manifest, writing
from groundshift.models.store import Detector
from tests.artifacts.stores import in_store
from tests.components.evaluate.commands import invoke, metrics_of
from tests.components.made_up import settings_of


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


def test_what_passes_becomes_the_champion_and_what_decides_nothing_does_not(
    inputs, other, tmp_path
):
    store = ArtifactStore.open(str(tmp_path / "store"))
    folders = [f"--cube={inputs['cube']}", f"--samples={inputs['samples']}"]
    folders += [f"--evaluation={tmp_path / 'evaluation'}", f"--store={store.root}"]
    quick = {"baselines": False, "bootstrap": 50}
    models = [store.folder(in_store(store, folder, "model")) for folder in (inputs["model"], other)]
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
    model = store.folder(in_store(store, inputs["model"], "model"))
    rival = store.folder(in_store(store, other, "model"))
    first_stage = stage.run

    def overtaken(*arguments, **options):
        summary = first_stage(*arguments, **options)
        evaluation = store.folder(in_store(store, summary.artifact, "evaluation"))
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
