import json
import time
from dataclasses import replace

import pytest

from benchmarks.measuring import Cost, alone, by_turns, written
from benchmarks.rows import Row, kept, table
from benchmarks.stages import whole_job


def row(difference, stage="maps", **changed):
    ours, plain = Cost(2.0, 3.0, 50.0, 1.0), Cost(30.0, 40.0, 100.0, 9.0)
    numbers = (ours, plain, difference, 1e-5, "GEMM", 0.5)
    return replace(Row(stage, "2 windows", (10, 5), *numbers), **changed)


def test_a_ratio_is_per_unit_and_only_of_equal_outputs():
    assert row(1e-6).ratio == pytest.approx((30 / 5) / (2 / 10))
    assert row(1e-3).ratio is None
    assert row(float("nan")).ratio is None
    rows = [row(1e-6).found(), row(1e-3).found()]
    _, _, equal, different = table(rows, {"maps": {"ratio": 12.5}})
    assert "| 30 x | 5 x | 12.5 x |" in equal
    assert "25% GEMM" in equal
    assert "outputs differ" in different


def test_a_row_is_kept_whole():
    found = json.loads(json.dumps(row(0.0).found()))
    assert Row.of(found).found() == found


def test_a_goal_is_met_by_the_ratio_and_the_memory():
    assert row(0.0).found()["met"]
    assert not row(1.0).found()["met"]
    assert not row(0.0, units=(1, 5)).found()["met"]  # 3 times, 5 are required
    assert not row(0.0, ours=Cost(2.0, 3.0, 501.0)).found()["met"]
    assert row(0.0, "window index", plain=None, ours=Cost(1.0, 1.0, 0.0)).found()["met"]
    assert not row(0.0, "window index", plain=None).found()["met"]
    assert row(0.0).found()["plain_to_reference"] == pytest.approx(6 / 0.28)


def test_the_whole_job_is_the_sum_of_its_stages_over_all_tiles():
    names = ("stack", "list of windows", "betas and labels", "betas", "labels")
    rows = {name: row(0.0, name) for name in names}
    rows["stack"] = replace(rows["stack"], units=(1, 0.25))
    rows["betas and labels"] = replace(rows["betas and labels"], units=(16 * 9, 9))
    job = whole_job(rows)
    assert job.ours.cpu_s == 3 * 2.0
    assert job.plain.cpu_s == 30 * (4 + 1 + 16 + 16 * 3 / 8)
    assert job.ratio == pytest.approx(job.plain.cpu_s / job.ours.cpu_s)
    assert whole_job(rows | {"labels": row(1.0, "labels")}).ratio is None
    assert whole_job({"stack": row(0.0, "stack")}) is None


def busy(seconds, folder):
    def run():
        began = time.process_time()
        while time.process_time() - began < seconds:
            pass
        (folder / "file").write_bytes(bytes(1000))
        return folder

    return run


def idle(seconds, folder):
    return lambda: json.loads("[1]")


def test_both_sides_run_by_turns_in_processes_of_their_own(tmp_path):
    ours, plain, mine, other = by_turns(busy, idle, {"seconds": 0.2, "folder": tmp_path}, rounds=1)
    assert ours.cpu_s >= 0.2 > plain.cpu_s
    assert (mine, other) == (tmp_path, [1])
    assert ours.written_mb == written(tmp_path) == pytest.approx(1e-3)


def held(megabytes):
    return lambda: len(bytearray(b"x") * (megabytes << 20))


def test_memory_is_that_of_the_work():
    small, _ = alone(held, {"megabytes": 1})
    large, _ = alone(held, {"megabytes": 80})
    assert 70 < large.peak_mb - small.peak_mb < 100


def test_results_are_those_of_a_folder_or_of_a_commit(tmp_path):
    assert kept("tiny", tmp_path) == {"rows": {}}
    (tmp_path / "tiny.json").write_text('{"rows": {"maps": {"ratio": 2}}}')
    assert kept("tiny", tmp_path)["rows"]["maps"]["ratio"] == 2
    with pytest.raises(SystemExit, match="no results of size tiny in nowhere"):
        kept("tiny", tmp_path, "nowhere")
