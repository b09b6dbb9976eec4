import json
import time

import pytest

from benchmarks.bench import Row, show
from benchmarks.measuring import Cost, by_turns, written


def row(difference):
    ours, plain = Cost(2.0, 3.0, 50.0, 1.0), Cost(30.0, 40.0, 100.0, 9.0)
    return Row("maps", "2 windows", (10, 5), ours, plain, difference, 1e-5, "GEMM", 0.5)


def test_a_ratio_is_per_unit_and_only_of_equal_outputs(capsys):
    assert row(1e-6).ratio == pytest.approx((30 / 5) / (2 / 10))
    assert row(1e-3).ratio is None
    assert row(float("nan")).ratio is None
    show([row(1e-6), row(1e-3)], {"maps": {"ratio": 12.5}})
    _, _, equal, different = capsys.readouterr().out.splitlines()
    assert "| 30.0 x | 12.5 x |" in equal
    assert "25% GEMM" in equal
    assert "outputs differ" in different


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
