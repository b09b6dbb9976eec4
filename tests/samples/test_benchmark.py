"""The benchmark of labels runs, and the way windows are labelled beats copying them."""

from benchmarks.labels import results, simulated_cube


def test_labels_are_faster_than_the_published_way(tmp_path):
    cube = simulated_cube(tmp_path / "cube", 64)
    (row,) = results(cube, tmp_path, [40], 20)
    assert row["windows"] > 5
    assert row["times_faster"] > 1
