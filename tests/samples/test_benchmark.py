"""The benchmark of labels runs; its numbers mean something only on an area of full size."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.labels import results, window_settings
from benchmarks.plain_labels import plain_betas, plain_labels
from benchmarks.plain_stack import run_baseline
from benchmarks.plain_windows import Cut, listed, singles
from benchmarks.samples import made, mapped_windows, our_samples, published, regional, sampled
from benchmarks.stack import equal, run_fetch, run_stack
from groundshift.cube.store import Cube
from groundshift.samples.labels.index import index_bands
from groundshift.samples.labels.synthetic import Formula


@pytest.fixture(scope="module")
def workload(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    command = ["benchmarks/make_workload.py", "--out", str(folder / "workload"), "--size", "tiny"]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        run_fetch(folder / "workload", folder)
        run_stack(folder / "workload", folder)
    run_baseline(folder / "workload", folder)
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


def test_the_plain_way_gives_our_cube(workload, tmp_path):
    folder = workload.parent
    assert equal(folder)
    (tmp_path / "cube").symlink_to(folder / "cube")
    (tmp_path / "tiles").mkdir()
    shutil.copy(folder / "tiles" / "0_0.tfrecords", tmp_path / "tiles" / "1_0.tfrecords")
    assert not equal(tmp_path)


def test_the_plain_way_gives_our_windows_sums_and_labels(cube, workload, tmp_path):
    cut = Cut(days=55, least=24, most=28)
    tile = str(workload.parent / "tiles" / "0_0.tfrecords")
    (cell,) = cube.cells.values()
    spans = published(cell.times, cut).ranges[:, 1]
    assert len(spans) >= 3
    rows = [(cell.times[first], cell.times[stop - 1], stop - first) for first, stop in spans]
    chosen = sampled(published(cell.times, cut).ranges, 2)
    assert listed(tile, cut, 2)() == [rows[number] for number in chosen]
    samples = our_samples(str(cube.folder), str(workload), cut, str(tmp_path))()
    place = (slice(0, 32), slice(0, 32))
    sums, labels = made(samples, cube, place)
    bands = index_bands(cell.sensors[cell.roles["optical"]])
    np.testing.assert_allclose(plain_betas(tile, cut, 2, bands)(), sums[chosen], rtol=1e-6)
    formula = Formula.of(window_settings(workload, 55, 1).window)
    betas = regional(samples)[chosen]
    plain, megabytes = plain_labels(tile, cut, 2, bands, betas, formula)()
    assert (labels > 0).sum() > 50
    assert megabytes > 1
    np.testing.assert_allclose(plain, labels[chosen], atol=2e-3)


def test_the_plain_way_gives_our_windows_to_map(cube, workload):
    cut = Cut(days=80, least=20, most=40)
    (cell,) = cube.cells.values()
    tile = workload.parent / "tiles" / "0_2.tfrecords"
    found = [window["seconds"] for window in singles(tile, cut, 5)]
    windows = mapped_windows(cell.times, cut, 5)
    assert len(found) == len(windows) > 5
    for seconds, window in zip(found, windows.itertuples(), strict=True):
        np.testing.assert_array_equal(seconds, cell.times[window.first : window.stop])
