"""Every stage is killed at random moments: nothing looks whole, and a rerun gives the same hash."""

import random
import shutil
import signal

import pytest
import rasterio

from groundshift.artifacts import read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.cube.store import Cube
from tests.faults import processes
from tests.faults.processes import Counted, KilledAfter, KilledAt
from tests.faults.world import FOLDERS, arguments, content_hash, output_of

KILLS = {"fetch": 8, "stack": 8, "window": 6, "train": 2, "evaluate": 3, "infer": 3}
"""Thirty in all."""

AFRESH = ("evaluate", "infer")
"""Begin anew whatever was there, and take long: run to the end after the last kill only."""


class Target:
    """One stage in a folder of its own."""

    def __init__(self, stage, world, folder):
        self.stage, self.folder = stage, folder
        self.artifact = folder / output_of(stage)
        self._arguments = arguments(stage, world, **{output_of(stage): self.artifact})
        self.log = folder / "logs" / "log.txt"
        self.log.parent.mkdir()

    def start(self, trouble=None):
        return processes.start(self.stage, self._arguments, self.folder / "work", self.log, trouble)

    def run(self, trouble=None):
        return processes.finish(self.start(trouble))

    def leftovers(self):
        """What lies in the folder beside the artifact and the log."""
        known = {self.artifact.name, self.log.parent.name}
        return [
            path
            for path in self.folder.rglob("*")
            if path.is_file() and path.relative_to(self.folder).parts[0] not in known
        ]


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_killed_stage_leaves_nothing_whole_and_a_rerun_is_as_if_undisturbed(
    stage, world, undisturbed, tmp_path
):
    target = Target(stage, world, tmp_path)
    operations, seconds, expected = undisturbed[stage]
    generator = random.Random(stage)
    for kill in range(KILLS[stage]):
        if kill % 2:
            trouble = KilledAfter(generator.uniform(0, 0.9) * seconds)
        else:  # at an operation on a file; every other time at one of the last
            first = max(operations - 12, 1) if kill % 4 else 1
            trouble = KilledAt(str(target.folder), number=generator.randint(first, operations))
        code = target.run(trouble)
        while code == 0 and isinstance(trouble, KilledAfter):
            trouble = KilledAfter(trouble.seconds / 2)  # its time varies: this run ended before
            code = target.run(trouble)
        assert code == -signal.SIGKILL
        if target.artifact.exists():
            assert content_hash(target.artifact) == expected
        if stage in AFRESH and kill < KILLS[stage] - 1:
            continue
        assert target.run() == 0, target.log.read_text()
        assert content_hash(target.artifact) == expected
        assert target.leftovers() == []


@pytest.mark.parametrize("kind", ["os.rename", "os.remove"])
def test_a_kill_while_the_artifact_is_put_in_place_is_survived(kind, world, undisturbed, tmp_path):
    target = Target("fetch", world, tmp_path)
    counted = Counted(str(tmp_path), (kind,), into=str(target.log.with_suffix(".count")))
    assert target.run(counted) == 0
    operations, _ = counted.read()
    for number in (operations // 2, operations - 1, operations):
        shutil.rmtree(target.artifact)
        assert target.run(KilledAt(str(target.folder), (kind,), number)) == -signal.SIGKILL
        assert target.run() == 0, target.log.read_text()
        assert content_hash(target.artifact) == undisturbed["fetch"].content_hash
        check_files(target.artifact, read_manifest(target.artifact, "observations"))
        assert target.leftovers() == []


@pytest.fixture
def later(world, tmp_path):
    """Observations of which one image was processed again."""
    images = tmp_path / "images"
    shutil.copytree(world / "images", images)
    path = sorted((images / "s1").iterdir())[4]
    with rasterio.open(path, "r+") as image:
        image.write(image.read() * 2)
    observations = tmp_path / "later" / "observations"
    options = arguments("fetch", world, observations=observations)
    options += ["--set", f"fetch.files.root={images}"]
    log = tmp_path / "later.log"
    assert processes.run("fetch", options, tmp_path / "work", log) == 0, log.read_text()
    return observations


def test_a_killed_revision_leaves_the_old_cube_or_the_new_one(world, later, tmp_path):
    log = tmp_path / "log.txt"

    def revise(folder, trouble=None):
        options = [*arguments("stack", world, observations=later, cube=folder), "--revise"]
        return processes.run("stack", options, tmp_path / "work", log, trouble)

    whole, killed = tmp_path / "whole" / "cube", tmp_path / "killed" / "cube"
    for folder in (whole, killed):
        shutil.copytree(world / "cube", folder)
    counted = Counted(str(whole), into=str(tmp_path / "count"))
    assert revise(whole, counted) == 0, log.read_text()
    operations, _ = counted.read()
    old, new = content_hash(world / "cube"), content_hash(whole)
    assert old != new
    generator = random.Random(5)
    for number in sorted(generator.sample(range(1, operations + 1), 5)):
        assert revise(killed, KilledAt(str(killed), number=number)) == -signal.SIGKILL
        assert content_hash(killed) in (old, new)
        Cube.open(killed)
        if content_hash(killed) == new:
            break
    assert revise(killed) == 0, log.read_text()
    assert content_hash(killed) == new
