"""The benchmark of labels runs; its numbers mean something only on an area of full size."""

import subprocess
import sys

from benchmarks.labels import results
from benchmarks.stack import run_fetch, run_stack
from groundshift.cube.store import Cube


def test_the_benchmark_times_both_ways(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    workload = tmp_path / "workload"
    command = ["benchmarks/make_workload.py", "--out", str(workload), "--size", "tiny"]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    run_fetch(workload, tmp_path)
    cube = Cube.open(run_stack(workload, tmp_path))
    (row,) = results(cube, workload, tmp_path, [40], 5)
    assert row["windows"] >= 3
    assert row["steps"] > 5
    assert row["cpu_seconds"] > 0
    assert row["naive_cpu_seconds"] > 0
