"""A disk that fills up, or a file that may not grow: nothing looks whole, and a rerun does."""

import random

import pytest

from tests.faults import processes
from tests.faults.processes import DiskFull, SmallFiles
from tests.faults.world import FOLDERS, arguments, content_hash, output_of


@pytest.fixture
def target(world, tmp_path):
    """Runs a stage into a folder of its own."""

    def run(stage, trouble=None):
        options = arguments(stage, world, **{output_of(stage): tmp_path / output_of(stage)})
        return processes.run(stage, options, tmp_path / "work", tmp_path / "log.txt", trouble)

    return run


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_stage_without_room_leaves_nothing_and_a_rerun_is_as_if_undisturbed(
    stage, target, undisturbed, tmp_path
):
    number = random.Random(stage).randint(1, undisturbed[stage].operations // 3)
    for trouble in (DiskFull(str(tmp_path), number=number), SmallFiles(600)):
        assert target(stage, trouble) == 1
        assert not (tmp_path / output_of(stage)).exists()
    assert target(stage) == 0
    assert content_hash(tmp_path / output_of(stage)) == undisturbed[stage].content_hash


def test_the_message_tells_what_to_do(target, tmp_path):
    assert target("stack", DiskFull(str(tmp_path), number=9)) == 1
    log = (tmp_path / "log.txt").read_text()
    assert "Make room and run it again" in log
    assert "Traceback" not in log
