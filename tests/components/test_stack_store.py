"""The stack stage in a store: what is published is revised, and stays itself as it is."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from components.fetch.stage import run as fetch
from components.stack.__main__ import app
from components.stack.stage import run as stack
from groundshift.artifacts import ArtifactStore, read_manifest
from groundshift.artifacts.hashing import file_digest
from groundshift.cube.store import Cube
from groundshift.domain.time import DAY
from groundshift.settings import merge, parse
from tests.components.test_fetch import BRIEF
from tests.observations.conftest import DEMO

SHARED = {key: BRIEF[key] for key in ("name", "area", "period")}
LEFT_OUT = "20170831T173211.tif"
STACK = SHARED | {"stack": {"step": "4d", "workers": 2}}


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """Observations of a month, of two, and of two with one radar image less."""
    folder = tmp_path_factory.mktemp("observed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        for path in DEMO.glob("s*/20170[89]*.tif"):
            (folder / "less" / "images" / path.parent.name).mkdir(parents=True, exist_ok=True)
            if path.name != LEFT_OUT:
                (folder / "less" / "images" / path.parent.name / path.name).symlink_to(path)
        less = str(folder / "less" / "images")
        for name, change in (
            ("one", {"period": {"end": "2017-09-01"}}),
            ("two", {}),
            ("less", {"fetch": {"files": {"root": less}}}),
        ):
            target = folder / name / "observations"
            fetch(parse("fetch", merge(BRIEF, change)), observations=target)
    return folder


@pytest.fixture
def task(observed, tmp_path, monkeypatch):
    """Run the command for a cell: gives where its cube lies in the store."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    store = ArtifactStore.open(str(tmp_path / "store"))

    def task(name, key, *options, settings=STACK, publish=True):
        place = ["--store", store.root, "--cell", "c", "--key", key]
        words = ["--settings", json.dumps(settings), *place]
        folders = ["--observations", observed / name / "observations", "--cube", tmp_path / "cube"]
        done = CliRunner().invoke(app, [str(word) for word in (*words, *folders, *options)])
        assert done.exit_code == 0, done.output
        if publish:
            store.publish(settings["name"], {"c": key}, ["cube"])
        summary = json.loads(done.stdout.splitlines()[-1])
        return store.folder(store.ref(settings["name"], "c", key, "cube")), summary

    return task


def contents(folder):
    """Every file of a folder with its hash."""
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_published_cube_is_revised_beside_itself(task, observed, tmp_path):
    old, _ = task("one", "k1")
    before = contents(old)
    new, summary = task("two", "k2", "--revise")
    assert summary["notes"][0].startswith("revised: ")
    assert contents(old) == before
    Cube.open(old)
    anew = stack(
        parse("stack", STACK),
        observations=observed / "two" / "observations",
        cube=tmp_path / "anew",
    )
    assert summary["value_hash"] == anew.value_hash
    assert new != old


def test_what_did_not_change_is_shared_and_nothing_else_is_kept(task):
    old, _ = task("less", "k1")
    new, summary = task("two", "k2", "--revise")
    assert summary["notes"][0].startswith("revised: 1 insert;")
    manifest = read_manifest(new, "cube")
    assert sorted(contents(new)) == sorted(["manifest.json", *(e.path for e in manifest.files)])
    shared = [path for path in new.rglob("*") if path.is_file() and path.stat().st_nlink > 1]
    nodes = {path.stat().st_ino for path in old.rglob("*")}
    assert {path.relative_to(new).parts[3] for path in shared} == {"s2", "s2_fresh", "s2_age_days"}
    assert all(path.stat().st_ino in nodes for path in shared)


def test_the_manifest_records_from_what_and_since_when(task):
    old, _ = task("one", "k1")
    new, _ = task("two", "k2", "--revise")
    revised = read_manifest(new, "cube").record["revised"]
    assert revised["from"] == read_manifest(old, "cube").content_hash
    ((cell, span),) = revised["cells"].items()
    before, now = (Cube.open(folder).cells[cell].times for folder in (old, new))
    assert span["last_changed"] == now[-1]
    # Only the step that the first month ended in can be another, beside the new ones.
    assert before[-1] - 4 * DAY < span["first_changed"] <= before[-1] + 4 * DAY
    assert np.isin(now[now < span["first_changed"]], before).all()


def test_nothing_new_is_the_same_cube(task):
    old, first = task("one", "k1")
    again, second = task("one", "k2", "--revise")
    assert again == old
    assert second["content_hash"] == first["content_hash"]
    assert "no frame was changed" in second["notes"][0]


def test_without_a_published_cube_it_is_built(task):
    task("one", "k1", publish=False)
    new, summary = task("two", "k2", "--revise")
    assert summary["notes"] == []
    assert "revised" not in read_manifest(new, "cube").record


def test_a_published_cube_of_another_kind_is_no_obstacle(task):
    task("one", "k1")
    settings = merge(STACK, {"stack": {"step": "5d"}})
    new, summary = task("two", "k2", "--revise", settings=settings)
    assert summary["notes"][0].startswith("stacked anew, since the published cube")
    assert "settings.stack.step" in summary["notes"][0]
    assert "revised" not in read_manifest(new, "cube").record


def test_a_revision_that_fails_leaves_the_published_cube(task, observed, tmp_path, monkeypatch):
    old, _ = task("one", "k1")
    before = contents(old)

    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr("groundshift.cube.revise.refill_cell", full)
    with pytest.raises(OSError, match="no space left"):
        stack(
            parse("stack", STACK),
            observations=observed / "two" / "observations",
            cube=tmp_path / "broken",
            base=old,
        )
    shutil.rmtree(tmp_path / "broken")
    assert contents(old) == before
