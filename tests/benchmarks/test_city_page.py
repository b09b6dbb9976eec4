import json
from pathlib import Path

from benchmarks.city_page import spread
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
