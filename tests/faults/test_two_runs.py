"""Two runs on one artifact: of equal ones the second is refused, of others the last one stays."""

import os
import signal
import time

import pytest

from groundshift.observations.store import Observations
from tests.faults import processes
from tests.faults.processes import StoppedAt
from tests.faults.world import arguments, content_hash


@pytest.fixture
def start(world, tmp_path):
    def start(name, *more, trouble=None):
        options = [*arguments("fetch", world, observations=tmp_path / "observations"), *more]
        log = tmp_path / f"{name}.log"
        return processes.start("fetch", options, tmp_path / "work", log, trouble)

    return start


def test_an_equal_run_is_refused_until_the_first_has_ended(start, undisturbed, tmp_path):
    sign = tmp_path / "stopped"
    first = start("first", trouble=StoppedAt(str(tmp_path / "work"), number=100, sign=str(sign)))
    while not sign.exists():
        time.sleep(0.01)
    assert processes.finish(start("second")) == 2
    said = (tmp_path / "second.log").read_text()
    assert "is being written by another run with the same settings. Wait for it" in said
    os.kill(first.pid, signal.SIGCONT)
    assert processes.finish(first) == 0
    expected = undisturbed["fetch"].content_hash
    assert content_hash(tmp_path / "observations") == expected
    assert processes.finish(start("third")) == 0
    assert content_hash(tmp_path / "observations") == expected


def test_different_runs_at_once_leave_one_whole_artifact(start, tmp_path):
    chosen = [("--set", f"fetch.files.sensors.s1.scale={scale}") for scale in (1, 2, 3, 4)]
    for _ in range(2):
        runs = [start(str(number), *one) for number, one in enumerate(chosen)]
        assert [processes.finish(run) for run in runs] == [0] * 4
        Observations.open(tmp_path / "observations")
        assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["observations", "work"]
    assert not [path for path in (tmp_path / "work").rglob("*") if path.is_file()]
