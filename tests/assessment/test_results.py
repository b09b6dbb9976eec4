"""What an evaluation says of its detectors: JSON, verdict, tables, files."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from groundshift.artifacts import ValueHash
from groundshift.assessment.calibration import reliability
from groundshift.assessment.event_scores import COLUMNS
from groundshift.assessment.files import hash_values, write_files
from groundshift.assessment.judging import judge
from groundshift.assessment.results import LABEL, TREES, LevelResult, Rival, baseline_table, gate
from groundshift.assessment.scores import NO_PIXEL, Score


def judged(panels, name, skill, seed=0):
    generator = np.random.default_rng(seed)
    scores = [
        (generator.random(p.labels.shape) + skill * np.nan_to_num(p.labels)).astype(np.float32)
        for p in panels
    ]
    return judge(name, panels, scores, Score(0.9), draws=20, seed=0)


@pytest.fixture
def result(memory_panel):
    panels = [memory_panel, replace(memory_panel, block=replace(memory_panel.block, number=4))]
    network = judged(panels, "network", 0.6)
    rivals = {
        name: Rival(judged(panels, name, skill, seed=1), network)
        for name, skill in (("weak", 0.1), (TREES, 0.9), (LABEL, 1.0))
    }
    labels = np.random.default_rng(0).random(500) < 0.3
    event = dict.fromkeys(COLUMNS) | {
        "id": "a",
        "kind": "urban",
        "counts": True,
        "strength": 1.0,
        "speed": "abrupt",
        "date": pd.Timestamp("2018-01-01"),
        "found_date": pd.Timestamp("2018-01-05"),
        "error_days": 4.0,
    }
    return LevelResult(
        "controlled_truth",
        panels,
        network,
        rivals,
        {"absent": "no such sensor"},
        {"brier": Score(0.1), "event_recall": Score(None, "no event")},
        reliability(labels, labels.astype(np.float32) * 0.5),
        pd.DataFrame([event]),
        pd.DataFrame([{"strength": 1.0, "events": 1, "date_error_median": float("nan")}]),
    )


def test_json_holds_scores_intervals_and_reasons(result):
    document = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert document["blocks"] == 2
    assert document["windows"] == 13
    network = document["network"]
    assert network["brier"] == 0.1
    assert network["event_recall"] is None
    assert network["reasons"] == {"event_recall": "no event"}
    assert network["threshold"] == 0.9
    low, high = network["intervals"]["pr_auc"]
    assert low <= network["pr_auc"] <= high
    assert document["baselines"]["absent"] == {"pr_auc": None, "reason": "no such sensor"}
    weak = document["baselines"]["weak"]
    assert weak["network_ahead_by"] == pytest.approx(network["pr_auc"] - weak["pr_auc"], abs=2e-6)
    assert document["events_by_group"] == [
        {"strength": 1.0, "events": 1, "date_error_median": None}
    ]
    assert document["ground"].keys() == {"network", "weak", TREES, LABEL}


def test_the_headline_is_flat_and_names_its_level(result):
    headline = result.headline()
    assert headline["level"] == "controlled_truth"
    assert headline["event_recall"] is None
    assert not any(isinstance(value, dict | list) for value in headline.values())


def test_the_verdict_counts_simple_baselines_and_names_the_trees(result):
    verdict = gate(result)
    assert verdict["passed"] is True
    assert verdict["beats_simple_baselines"] == {"weak": True}
    assert verdict["beats_lightgbm"] is False
    better = Rival(result.rivals[TREES].judged, result.network)
    assert gate(replace(result, rivals={"strong": better}))["passed"] is False
    assert gate(replace(result, rivals={}))["passed"] is None


def test_a_table_has_a_row_per_detector(result):
    table = baseline_table(result).set_index("detector")
    assert table.index.tolist() == ["network", "weak", TREES, LABEL]
    assert pd.isna(table.loc["network", "network_ahead_by"])
    assert table.loc[TREES, "network_ahead_by"] < 0 < table.loc["weak", "network_ahead_by"]
    assert (table["pr_auc_low"] <= table["pr_auc"]).all()


def test_files_repeat_byte_for_byte(result, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pictures = write_files(tmp_path / name, [result])
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {path.name for path in pictures} == {"pr_curve.png", "reliability.png", "dates.png"}
    assert "baseline_pr_curves.csv" in names
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in names:
        first, second = (tmp_path / folder / name for folder in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
    curves = pd.read_csv(tmp_path / "one" / "baseline_pr_curves.csv")
    assert set(curves["detector"]) == {"weak", TREES, LABEL}


def test_an_evaluation_of_nothing_is_written_with_reasons(tmp_path):
    nothing = judge("network", [], [], Score(None, "no positive pixel"), draws=20, seed=0)
    empty = LevelResult("reference", [], nothing, extra={"mae": Score(None, NO_PIXEL)})
    assert [path.name for path in write_files(tmp_path, [empty])] == ["pr_curve.png"]
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["headline"]["pr_auc"] is None
    assert document["reference"]["network"]["reasons"]["threshold"] == "no positive pixel"


def test_the_value_hash_follows_scores_not_their_last_digits(result):
    def hashed(value):
        values = ValueHash()
        hash_values(values, [replace(result, extra={"brier": value})])
        return values.hexdigest()

    assert hashed(Score(0.1)) == hashed(Score(0.10001))
    assert hashed(Score(0.1)) != hashed(Score(0.11))
    assert hashed(Score(0.1)) != hashed(Score(None, "none"))
