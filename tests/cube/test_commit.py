import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from groundshift.cube import commit
from groundshift.cube.commit import preparing, prune
from groundshift.cube.revise import revise
from groundshift.cube.source import Amended
from groundshift.cube.store import Cube
from groundshift.domain.time import DAY
from groundshift.errors import ContractError
from tests.cube.conftest import (
    START,
    assert_reads_as,
    build_cube,
    carried,
    random_times,
    scene,
    scenes,
    settings,
    source,
)

SHAPE = (20, 30)


def observations():
    rng = np.random.default_rng(21)
    return source(scenes(rng, random_times(rng), SHAPE), shape=SHAPE)


def with_late_scene(base, day=20):
    look = scene(np.random.default_rng(day), "s2", SHAPE)
    return Amended(base, put={("c", "s2", START + day * DAY + 5): look})


@pytest.fixture
def cube(tmp_path):
    build_cube(tmp_path / "cube", observations(), settings())
    return tmp_path / "cube"


def die(*_, **__):
    os._exit(9)  # as a kill does: nothing is cleaned up


def revise_and_die(cube: Path, where: str) -> None:
    changed = with_late_scene(observations())
    if where == "filling":
        changed.read = die
    elif where == "between renaming and the swap":
        commit.os.replace = die
    revise(cube, changed, settings())


@pytest.mark.parametrize("where", ["filling", "between renaming and the swap"])
def test_a_killed_revision_leaves_the_old_one_whole(cube, where):
    process = multiprocessing.get_context("spawn").Process(
        target=revise_and_die, args=(cube, where)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    left = [path.name for path in cube.iterdir()]
    assert any(name.startswith(".revision-") for name in left)
    assert_reads_as(Cube.open(cube).cells["c"], carried(observations(), settings()))
    changed = with_late_scene(observations())
    revise(cube, changed, settings())
    assert_reads_as(Cube.open(cube).cells["c"], carried(changed, settings()))
    prune(cube)
    assert sorted(path.name for path in cube.iterdir()) == ["cells", "manifest.json"]


def test_of_two_revisions_from_the_same_state_only_the_first_counts(cube, monkeypatch):
    base = observations()
    begun = commit.Preparation.commit

    def late(self, *arguments):
        monkeypatch.setattr(commit.Preparation, "commit", begun)
        revise(cube, with_late_scene(base, day=30), settings())
        return begun(self, *arguments)

    monkeypatch.setattr(commit.Preparation, "commit", late)
    with pytest.raises(ContractError, match="found a newer one by another run"):
        revise(cube, with_late_scene(base), settings())
    expected = carried(with_late_scene(base, day=30), settings())
    assert_reads_as(Cube.open(cube).cells["c"], expected)
    assert not list(cube.glob(".revision-*"))


def test_prune_removes_old_revisions_only(cube):
    changed = with_late_scene(observations())
    outcome = revise(cube, changed, settings())
    assert {path.name for path in prune(cube)} == {"0001.zarr", "0001.parquet"}
    assert prune(cube) == ()
    opened = Cube.open(cube)
    assert opened.manifest == outcome.manifest
    assert_reads_as(opened.cells["c"], carried(changed, settings()))


def test_prune_waits_for_no_revision_that_is_being_made(cube):
    with preparing(cube), pytest.raises(ContractError, match="is being revised"):
        prune(cube)
