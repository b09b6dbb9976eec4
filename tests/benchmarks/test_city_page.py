import json
from pathlib import Path

from benchmarks.city_page import experiments, spread
from groundshift.assessment.uncertainty import CLOSENESS, SPREAD
from pipelines.comparison import Run


def run_of(folder: Path, **network: float) -> Run:
    folder.mkdir()
    metrics = {"controlled_truth": {"network": {"pr_auc": 0.5, **network}}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return Run({"evaluation": folder}, {}, ())


def test_the_spread_is_told_of_ensembles_only(tmp_path: Path) -> None:
    done = {
        "city": [run_of(tmp_path / "one")],
        "three": [run_of(tmp_path / "two", **{SPREAD: 0.71, CLOSENESS: 0.84})],
        "not yet": [],
    }
    _, _, *rows = spread(done)
    assert rows == ["| three | 1 | 0.71 | 0.84 |"]


def test_a_row_without_rivals_of_its_own_says_whose_they_are(tmp_path: Path) -> None:
    one = {"prevalence": 0.03, "event_recall": 0.4}
    own, shared = run_of(tmp_path / "own", **one), run_of(tmp_path / "shared", **one)
    metrics = json.loads((tmp_path / "own" / "metrics.json").read_text())
    rivals = {"lightgbm": 0.7, "synthetic_label": 0.9, "radar_step": 0.3, "ndvi_difference": 0.2}
    level = metrics["controlled_truth"]
    level["baselines"] = {name: {"pr_auc": area} for name, area in rivals.items()}
    (tmp_path / "own" / "metrics.json").write_text(json.dumps(metrics))
    _, _, *rows = experiments({"city": [own], "radar only": [shared], "hard": []})
    assert rows == [
        "| city | 1 | 0.03 | 0.50 | 0.70 | 0.30 | 0.40 |",
        "| radar only | 1 | 0.03 | 0.50 | as city | as city | 0.40 |",
        "| hard | not run |  |  |  |  |  |",
    ]
