"""What an evaluation says of its detectors: JSON, verdict, tables, files."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from groundshift.artifacts import ValueHash
from groundshift.assessment.files import hash_values, read_headline, write_files
from groundshift.assessment.gate import Gate
from groundshift.assessment.judging import judge
from groundshift.assessment.results import LABEL, TREES, LevelResult, baseline_table
from groundshift.assessment.scores import NO_PIXEL, Score
from groundshift.errors import ContractError

GATE = Gate("passed", (), "controlled_truth")


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


def test_a_table_has_a_row_per_detector(result):
    table = baseline_table(result).set_index("detector")
    assert table.index.tolist() == ["network", "weak", TREES, LABEL]
    assert pd.isna(table.loc["network", "network_ahead_by"])
    assert table.loc[TREES, "network_ahead_by"] < 0 < table.loc["weak", "network_ahead_by"]
    assert (table["pr_auc_low"] <= table["pr_auc"]).all()


def test_files_repeat_byte_for_byte(result, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        pictures = write_files(tmp_path / name, [result], GATE)
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
    assert [path.name for path in write_files(tmp_path, [empty], GATE)] == ["pr_curve.png"]
    document = json.loads((tmp_path / "metrics.json").read_text())
    assert document["headline"]["pr_auc"] is None
    assert read_headline(tmp_path) == document["headline"]
    assert document["reference"]["network"]["reasons"]["threshold"] == "no positive pixel"


def test_a_headline_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ContractError, match=r"Rerun: python -m components\.evaluate"):
        read_headline(tmp_path)


def test_the_value_hash_follows_scores_not_their_last_digits(result):
    def hashed(value):
        values = ValueHash()
        hash_values(values, [replace(result, extra={"brier": value})])
        return values.hexdigest()

    assert hashed(Score(0.1)) == hashed(Score(0.10001))
    assert hashed(Score(0.1)) != hashed(Score(0.11))
    assert hashed(Score(0.1)) != hashed(Score(None, "none"))
