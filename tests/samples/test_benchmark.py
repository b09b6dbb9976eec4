"""The benchmark of labels runs; its numbers mean something only on an area of full size."""

from benchmarks.labels import results, simulated_cube


def test_the_benchmark_times_both_ways(tmp_path):
    cube = simulated_cube(tmp_path / "cube", 64)
    (row,) = results(cube, tmp_path, [40], 20)
    assert row["windows"] > 5
    assert 10 < row["steps"] < 25
    assert row["cpu_seconds"] > 0
    assert row["naive_cpu_seconds"] > 0
