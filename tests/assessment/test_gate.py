"""The gate's verdict, and the page that tells it."""

from dataclasses import replace

import pytest

from groundshift.assessment.card import render_card
from groundshift.assessment.comparison import Comparison, Stratum
from groundshift.assessment.gate import judge_gate, promotes
from groundshift.assessment.judging import judge
from groundshift.assessment.results import TREES, LevelResult, Rival
from groundshift.assessment.scores import Score
from groundshift.settings import GateSettings

COMPARED = Comparison(blocks=20, events=30, pr_auc=0.5, champion_pr_auc=0.4, lower_limit=0.05)


def gate_of(result, comparison=None, incomparable="", **settings):
    compared = replace(result, comparison=comparison)
    chosen = GateSettings(**{"minimum_lift": 1.2} | settings)
    return judge_gate(compared, chosen, incomparable)


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


def test_a_model_that_is_surely_ahead_of_the_champion_passes(result):
    gate = gate_of(result, COMPARED)
    assert (gate.verdict, gate.reasons) == ("passed", ())
    assert gate.to_dict()["comparison"]["champion_pr_auc"] == 0.4


@pytest.mark.parametrize(
    ("lower_limit", "margin", "verdict"),
    [(0.0, 0.0, "failed"), (0.01, 0.0, "passed"), (0.05, 0.05, "failed"), (-0.01, -0.02, "passed")],
)
def test_ahead_means_in_nearly_all_draws_and_by_the_margin(result, lower_limit, margin, verdict):
    gate = gate_of(result, replace(COMPARED, lower_limit=lower_limit), margin=margin)
    assert gate.verdict == verdict
    assert bool(gate.reasons) == (verdict == "failed")


def test_a_stratum_may_not_be_lost(result):
    strata = (
        Stratum("events of speed gradual", "recall", 12, model=0.5, champion=0.75),
        Stratum("decoy ground", "left alone", 900, model=0.8, champion=0.85),
    )
    gate = gate_of(result, replace(COMPARED, strata=strata))
    assert gate.verdict == "failed"
    assert gate.reasons == (
        "events of speed gradual: recall 0.500, expected at most 0.1 below the champion's 0.750",
    )
    assert gate_of(result, replace(COMPARED, strata=strata), stratum_margin=0.25).verdict == (
        "passed"
    )


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"blocks": 19}, "19 test blocks"),
        ({"events": 29}, "29 events"),
        ({"lower_limit": None}, "no paired draws"),
    ],
)
def test_too_few_blocks_or_events_decide_nothing(result, changes, found):
    gate = gate_of(result, replace(COMPARED, **{"lower_limit": -1.0} | changes))
    assert gate.verdict == "inconclusive"
    assert found in gate.reasons[0]


def test_a_bad_model_fails_also_where_the_champion_can_not_be_compared_with(result):
    assert gate_of(result, incomparable="another signature").verdict == "inconclusive"
    gate = gate_of(result, replace(COMPARED, blocks=3), minimum_lift=10)
    assert gate.verdict == "failed"
    assert len(gate.reasons) == 2


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
