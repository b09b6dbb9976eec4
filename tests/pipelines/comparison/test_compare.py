"""The command on a tiny synthetic city, all stages as processes of their own."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.comparison import Chain

WEST, SOUTH = 503_040, 5_605_120
PARAMS = {
    "task": "change",
    "area": {"resolution": 10, "halo": 0},
    "areas": {
        "tiny": {
            "area": {
                "bounds": [WEST, SOUTH, WEST + 480, SOUTH + 480],
                "bounds_crs": "EPSG:32631",
            },
            "period": {"start": "2018-03-01", "end": "2018-07-01"},
            "fetch": {"source": "synthetic", "synthetic": {"level": "L2A"}},
            "stack": {"step": "6d", "radar": ["s1_088"], "optical": "s2"},
            "window": {
                "kind": "single",
                "length": "60d",
                "min_steps": 5,
                "max_steps": 40,
                "patch": 8,
                "labels": "truth",
                "split": {"block": 16, "buffer": 0},
            },
            "train": {"epochs": 1, "stride": 8, "validation_stride": 8, "variant": "radar"},
            "evaluate": {"bootstrap": 20, "stride": 8, "baselines": False},
            "infer": {},
        }
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    return folder


@pytest.fixture(autouse=True)
def _own_work_folder(folder, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")


def compare(folder, *words):
    common = ("--area", "tiny", "--params", str(folder / "params.yaml"))
    return CliRunner().invoke(app, ["compare", *common, "--folder", str(folder / "kept"), *words])


def test_variants_share_work_and_one_that_fails_does_not_stop_the_others(folder):
    words = ("--vary", "window.length=900d,60d", "--report", str(folder / "table.md"))
    result = compare(folder, *words)
    # No window of 900 days fits: the exit code is that of the window stage.
    assert result.exit_code == 2, result.output
    kept = {path.name: len(list(path.iterdir())) for path in (folder / "kept").iterdir()}
    assert kept == {"fetch": 1, "stack": 1, "window": 2, "train": 1, "evaluate": 1}
    table = (folder / "table.md").read_text()
    (failed,) = [line for line in table.splitlines() if line.startswith("| 900d")]
    assert "window ended with exit code 2" in failed
    (done,) = [line for line in table.splitlines() if line.startswith("| 60d")]
    assert "groundshift compare \\\n  --area tiny \\\n  --vary window.length=900d,60d\n" in table
    assert "controlled_truth" in table
    again = Chain(folder / "params.yaml", "tiny", folder / "kept").run(['window.length="60d"'])
    assert again.fresh == ()
    assert all(cost.cpu_seconds > 0 and cost.peak_mb > 50 for cost in again.costs.values())
    metrics = json.loads((again.folders["evaluation"] / "metrics.json").read_text())
    assert "controlled_truth" in metrics
    assert f"{round(sum(cost.cpu_seconds for cost in again.costs.values()))}" in done


def test_settings_that_can_not_be_read_are_refused_before_anything_is_run(folder):
    result = compare(folder, "--vary", "stack.step=2d", "--vary", "window.lenght=60d,90d")
    assert result.exit_code == 2
    assert "did you mean 'length'" in result.output
    assert not (folder / "elsewhere").exists()
