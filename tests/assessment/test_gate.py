"""The gate's verdict, and the page that tells it."""

from dataclasses import replace

import pytest

from groundshift.assessment.card import render_card
from groundshift.assessment.gate import judge_gate, promotes
from groundshift.assessment.judging import judge
from groundshift.assessment.results import TREES, LevelResult, Rival
from groundshift.assessment.scores import Score
from groundshift.settings import GateSettings


def gate_of(result, champion=None, **settings):
    return judge_gate(result, GateSettings(**{"minimum_lift": 1.2} | settings), champion)


def area_of(result):
    return result.network.scores["pr_auc"].value


def test_a_network_well_above_chance_passes(result):
    gate = gate_of(result)
    assert (gate.verdict, gate.reasons) == ("passed", ())
    assert gate.lift == pytest.approx(
        area_of(result) / result.network.scores["prevalence"].value, abs=1e-6
    )


def test_a_network_near_chance_fails(result):
    gate = gate_of(result, minimum_lift=10)
    assert gate.verdict == "failed"
    assert "expected at least 10 times" in gate.reasons[0]


def test_too_little_change_gives_no_verdict(result):
    positives = int(result.network.blocks["positives"].sum())
    assert gate_of(result, minimum_positives=positives).verdict == "passed"
    gate = gate_of(result, minimum_positives=positives + 1)
    assert gate.verdict == "inconclusive"
    assert f"{positives} changed pixels" in gate.reasons[0]
    nothing = judge("network", [], [], Score(None, "none"), draws=0, seed=0)
    assert gate_of(LevelResult("reference", [], nothing)).verdict == "inconclusive"


def test_the_champion_is_compared_where_a_margin_is_asked_for(result):
    champion = {"level": "controlled_truth", "pr_auc": area_of(result)}
    assert gate_of(result, champion).verdict == "passed"
    assert gate_of(result, champion, margin=0.0).verdict == "passed"
    gate = gate_of(result, champion, margin=0.01)
    assert gate.verdict == "failed"
    assert "the champion's" in gate.reasons[0]
    assert gate_of(result, champion, margin=-0.01).verdict == "passed"
    for other in ({"level": "reference"}, {"pr_auc": None}):
        assert gate_of(result, champion | other, margin=0.5).verdict == "passed"


def test_baselines_are_told_and_not_judged_by(result):
    better = Rival(result.rivals[TREES].judged, result.network)
    gate = gate_of(replace(result, rivals={"strong": better, TREES: better}))
    assert gate.verdict == "passed"
    assert gate.beats_simple_baselines == {"strong": False}
    assert gate.beats_lightgbm is False
    assert gate_of(replace(result, rivals={})).beats_lightgbm is None


@pytest.mark.parametrize(
    ("verdict", "champion", "expected"),
    [
        ("passed", True, True),
        ("passed", False, True),
        ("inconclusive", True, False),
        ("inconclusive", False, True),
        ("failed", False, False),
    ],
)
def test_what_passes_is_promoted_and_the_first_that_did_not_fail(verdict, champion, expected):
    assert promotes(verdict, champion=champion) is expected


def test_the_page_has_a_row_per_detector_and_every_reason(result):
    gate = gate_of(result, minimum_lift=10)
    page = render_card(result, gate)
    assert page.startswith("# Evaluation: failed\n")
    assert gate.reasons[0] in page
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("|")]
    assert [row[0].strip() for row in rows[2:]] == [
        *("network", "weak", "lightgbm", "synthetic label"),
        "absent (no such sensor)",
    ]
    assert {len(row) for row in rows} == {6}
    assert f" {area_of(result):.3f} " in rows[2]
