"""Memory is bounded by the cell (`area.cell`), not by the area: cells are worked on in turn."""

import yaml

from pipelines.comparison import Chain

EDGE = 1280  # metres, 128 pixels
SOUTH, WEST = 4375 * EDGE, 390 * EDGE  # a corner of cells
PARAMS = {
    "task": "change",
    "area": {"resolution": 10, "halo": 0, "cell": EDGE},
    "areas": {
        "square": {
            "area": {
                "bounds": [WEST, SOUTH, WEST + EDGE, SOUTH + EDGE],
                "bounds_crs": "EPSG:32631",
            },
            "period": {"start": "2018-03-01", "end": "2018-05-15"},
            "fetch": {"source": "synthetic", "synthetic": {"level": "L2A"}},
            "stack": {"radar": ["s1_088", "s1_110"], "optical": "s2"},
            "window": {
                "kind": "single",
                "length": "30d",
                "min_steps": 3,
                "max_steps": 60,
                "patch": 16,
                "labels": "truth",
                "split": {"block": 32, "buffer": 0},
            },
            "train": {},
            "evaluate": {},
            "infer": {},
        }
    },
}


def test_peak_memory_hardly_grows_when_the_area_doubles_in_each_direction(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    # What glibc keeps aside for threads that have ended differs by 20 MB from run to run.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    chain = Chain(tmp_path / "params.yaml", "square", tmp_path / "kept", last="window")
    small, large = (
        chain.run([f"area.bounds=[{WEST}, {SOUTH}, {WEST + edge}, {SOUTH + edge}]"]).costs
        for edge in (EDGE, 2 * EDGE)
    )
    assert large["stack"].written_mb > 3 * small["stack"].written_mb
    for stage in ("fetch", "stack", "window"):
        assert 50 < small[stage].peak_mb < 1000
        assert large[stage].peak_mb < 1.1 * small[stage].peak_mb, stage
