"""Quality told by level of evidence, from an evaluation artifact."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groundshift.artifacts import writing
from groundshift.errors import ContractError
from groundshift.products import pictures
from groundshift.products.report.evidence import Evidence

NETWORK = {
    "pr_auc": 0.71,
    "prevalence": 0.056,
    "roc_auc": 0.95,
    "f1": 0.6,
    "precision": 0.7,
    "recall": 0.55,
    "event_precision": 0.8,
    "event_recall": 0.75,
    "date_error_median": 6.2,
    "intervals": {"pr_auc": [0.6, 0.8]},
}
GROUPS = [
    {"strength": 1.0, "speed": "abrupt", "events": 3, "found": 2, "date_error_median": 4.04},
    {"strength": 0.666667, "speed": "gradual", "events": 1, "found": 0, "date_error_median": None},
]
WAYS = [
    {"way": "dated by series", "threshold": 0.4, "event_f1": 0.76, "date_error_median": 1.0},
    {"way": "threshold and polygonize", "threshold": 0.65, "event_f1": 0.5,
     "date_error_median": None},
]  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "headline": {
        "level": "controlled_truth",
        "pr_auc": 0.71,
        "prevalence": 0.056,
        "threshold": 0.4,
    },
    "controlled_truth": {
        "meaning": "planted",
        "blocks": 4,
        "windows": 92,
        "network": NETWORK,
        "ground": {"network": {"decoy": {"share_detected": 0.25}}},
        "baselines": {
            "ndvi_difference": {"pr_auc": 0.07, "intervals": {}},
            "lightgbm": {"pr_auc": 0.68, "intervals": {"pr_auc": [0.5, 0.7]}},
            "endisi_difference": {"pr_auc": None, "reason": "no SWIR band"},
        },
        "event_ways": WAYS,
        "events_by_group": GROUPS,
    },
    "synthetic_agreement": {
        "meaning": "labels",
        "blocks": 4,
        "windows": 92,
        "network": NETWORK | {"pr_auc": None, "intervals": None},
        "ground": {},
    },
}


def evidence(folder: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Evidence:
    """An evaluation artifact with this document and one plot."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
    target = folder / "evaluation"
    with writing(target, "evaluation", area="t", settings={}, inputs={}) as draft:
        (draft.folder / "metrics.json").write_text(json.dumps(document))
        picture = pictures.paint_score(np.zeros((4, 4), np.float32))
        (draft.folder / "pr_curve.png").write_bytes(pictures.encode_png(picture))
    return Evidence.open(target)


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    """The evaluation of `DOCUMENT`."""
    return evidence(tmp_path, DOCUMENT, monkeypatch)


def test_levels_never_share_a_table(found: Evidence) -> None:
    tables = found.quality().tables
    assert [(table.level, table.title) for table in tables] == [
        ("controlled", "Against changes known by construction"),
        ("controlled", "Events by kind of change"),
        ("controlled", "Events against the simple way"),
        ("synthetic", "Agreement with synthetic labels"),
    ]
    assert "no measure of truth" in tables[3].lead


def test_the_network_stands_above_the_baselines_by_score(found: Evidence) -> None:
    table = found.quality().tables[0]
    names = [row.cells[0] for row in table.rows]
    assert names == [
        "network",
        "LightGBM on window statistics",
        "NDVI difference",
        "ENDISI difference (no SWIR band)",
    ]
    assert [row.ours for row in table.rows] == [True, False, False, False]
    titles = [column.title for column in table.columns]
    network = dict(zip(titles, table.rows[0].cells, strict=True))
    assert network["PR-AUC"] == "0.710"
    assert network["PR-AUC, 95 %"] == "0.60 to 0.80"
    assert network["decoys taken for change"] == "25%"
    undefined = dict(zip(titles, table.rows[3].cells, strict=True))
    assert undefined["PR-AUC"] == ""


def test_events_are_told_by_kind_and_over_all(found: Evidence) -> None:
    table = found.quality().tables[1]
    assert table.rows[0].cells == ["1", "abrupt", "3", "2", "4.04"]
    assert table.rows[1].cells == ["0.67", "gradual", "1", "0", ""]
    assert "recall 0.75, precision 0.80" in table.lead
    assert "within 6 days" in table.lead


def test_two_ways_of_making_events_stand_side_by_side(found: Evidence) -> None:
    ours, simple = found.quality().tables[2].rows
    assert ours.cells == ["dated by series", "0.4", "0.76", "1"]
    assert simple.cells == ["threshold and polygonize", "0.65", "0.5", ""]
    assert (ours.ours, simple.ours) == (True, False)


def test_columns_with_nothing_to_say_are_left_out(found: Evidence) -> None:
    titles = [column.title for column in found.quality().tables[3].columns]
    assert "decoys taken for change" not in titles
    assert "PR-AUC" not in titles
    assert "ROC-AUC" in titles


def test_the_headline_and_threshold_come_from_the_evaluation(
    found: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found.threshold == 0.4
    fact = found.headline()
    assert fact is not None
    assert fact.value == "0.71"
    assert "chance is 0.056" in fact.note
    nothing = DOCUMENT | {"headline": DOCUMENT["headline"] | {"pr_auc": None, "threshold": None}}
    undefined = evidence(tmp_path / "other", nothing, monkeypatch)
    assert undefined.headline() is None
    assert undefined.threshold is None


def test_plots_travel_inside_the_page(found: Evidence) -> None:
    (plot,) = found.quality().plots
    assert plot.picture.startswith("data:image/png;base64,")
    assert "Precision" in plot.title


def test_another_document_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ContractError, match=r"Rerun: python -m components\.evaluate"):
        evidence(tmp_path, {"scores": []}, monkeypatch)
