"""Memory is bounded by the cell (`area.cell`), not by the area: cells are worked on in turn."""

import sys

import pytest
import yaml

from pipelines.comparison import Chain
from pipelines.comparison.chain import WRITES, measured

EDGE = 1280  # metres, 128 pixels
SOUTH, WEST = 4375 * EDGE, 390 * EDGE  # a corner of cells
PARAMS = {
    "task": "change",
    "memory": "2GB",
    "area": {"resolution": 10, "halo": 32, "cell": EDGE},
    "areas": {
        "square": {
            "area": {
                "bounds": [WEST, SOUTH, WEST + EDGE, SOUTH + EDGE],
                "bounds_crs": "EPSG:32631",
            },
            "period": {"start": "2018-03-01", "end": "2018-05-15"},
            # One worker: which images or tiles meet in memory is chance otherwise.
            "fetch": {"source": "synthetic", "synthetic": {"level": "L2A"}, "workers": 1},
            "stack": {"radar": ["s1_088", "s1_110"], "optical": "s2", "workers": 1},
            "window": {
                "kind": "single",
                "length": "30d",
                "stride": 6,
                "min_steps": 3,
                "max_steps": 60,
                "patch": 16,
                "labels": "truth",
                "split": {"block": 32, "buffer": 0},
            },
            "train": {
                "variant": "radar",
                "epochs": 1,
                "batch": 8,
                "stride": 4,
                "validation_stride": 4,
            },
            "evaluate": {"bootstrap": 0, "baselines": False, "stride": 4},
            "infer": {"stride": 4, "page": False, "series": False},
        }
    },
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the settings, whose stages begin as a user's do."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        monkeypatch.setenv(name, "1")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    return tmp_path


def peaks(folder, edge):
    """Peak memory of the six stages in MB, and the size of the cube."""
    chosen = [f"area.bounds=[{WEST}, {SOUTH}, {WEST + edge}, {SOUTH + edge}]"]
    run = Chain(folder / "params.yaml", "square", folder / "kept").run(chosen)
    words = [sys.executable, "-m", "components.infer", "--params", str(folder / "params.yaml")]
    words += [part for setting in chosen for part in ("--set", setting)]
    for name in ("cube", "samples", "model", "evaluation"):
        words += [f"--{name}", str(run.folders[name])]
    log = folder / "infer.log"
    with log.open("wb") as file:
        code, _, peak = measured([*words, "--maps", str(folder / f"maps-{edge}")], file)
    assert code == 0, log.read_text()
    found = {stage: run.costs[stage].peak_mb for stage in WRITES} | {"infer": peak}
    return found, run.costs["stack"].written_mb


def test_peak_memory_hardly_grows_when_the_area_doubles_in_each_direction(folder):
    (small, little), (large, much) = (peaks(folder, edge) for edge in (EDGE, 2 * EDGE))
    assert much > 3 * little
    assert len(small) == 6
    for stage, peak in small.items():
        assert 50 < peak < 2e9 / 2**20
        assert large[stage] < 1.1 * peak, (stage, small, large)
