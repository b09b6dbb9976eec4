"""The benchmark of labels runs; its numbers mean something only on an area of full size."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.labels import measure, results, window_settings
from benchmarks.samples import labels_of, plain_labels
from benchmarks.stack import run_fetch, run_stack
from groundshift.cube.store import Cube
from groundshift.samples.store import Samples


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    command = ["benchmarks/make_workload.py", "--out", str(folder / "workload"), "--size", "tiny"]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        run_fetch(folder / "workload", folder)
        run_stack(folder / "workload", folder)
    return folder / "workload"


@pytest.fixture
def cube(workload, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    return Cube.open(workload.parent / "cube")


def test_the_benchmark_times_both_ways(cube, workload, tmp_path):
    (row,) = results(cube, workload, tmp_path, [40], 5)
    assert row["windows"] >= 3
    assert row["steps"] > 5
    assert row["cpu_seconds"] > 0
    assert row["naive_cpu_seconds"] > 0


def test_plain_labels_of_copied_windows_are_ours(cube, workload, tmp_path):
    samples = tmp_path / "samples"
    measure(cube, window_settings(workload, 40, 5), samples)
    mine = labels_of(Samples.open(samples), cube, 2)
    plain = plain_labels(str(cube.folder), str(samples), str(workload), 40, 5, 2)()
    assert set(mine) == set(plain)
    assert sum((label > 0).sum() for label in mine.values()) > 100
    for key, label in mine.items():
        np.testing.assert_allclose(plain[key], label, atol=2e-3)
