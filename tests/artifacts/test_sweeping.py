"""What a sweep removes and what it never does, in a folder and in S3."""

import os
import shutil
import time

import pytest

from groundshift.artifacts import Champion, Outcome
from groundshift.artifacts.leases import SWEEP, Leases
from groundshift.artifacts.manifest import check_files
from groundshift.artifacts.sweeping import Sweeper
from groundshift.artifacts.writing import recording
from groundshift.errors import ContractError
from tests.artifacts.made import keep
from tests.artifacts.stores import any_store
from tests.s3 import s3, seaweed

__all__ = ["any_store", "s3", "seaweed"]


@pytest.fixture
def later(monkeypatch):
    """A hundred days from now."""

    def pass_by(days=100):
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + days * 86400)

    return pass_by


def chain(store, name):
    """A cube, a model that was made from it, maps that were made from both."""
    cube = keep(store, f"cube {name}", "cube")
    model = keep(store, f"model {name}", "model", inputs={"cube": cube.content_hash})
    inputs = {"cube": cube.content_hash, "model": model.content_hash}
    return cube, model, keep(store, f"maps {name}", "maps", inputs=inputs)


def left(store):
    return {each.reference.location for each in store.held()}


def locations(*references):
    return {reference.location for reference in references}


def hold_champion(store, made):
    evaluation = keep(store, "evaluation", "evaluation")
    store.promote("area", Champion(made[1], evaluation))
    return {*locations(*made[:2]), evaluation.location}


def hold_published(store, made):
    store.put_ref("area", "cell", "key", made[0])
    store.publish("area", {"cell": "key"}, ["cube"], made[2])
    return locations(*made)


def hold_tag(store, made):
    store.tag("paper", made[2])
    return locations(*made)


@pytest.mark.parametrize("hold", [hold_champion, hold_published, hold_tag])
def test_what_anything_leads_to_stays_and_the_rest_goes(any_store, later, hold):
    kept = hold(any_store, chain(any_store, "wanted"))
    chain(any_store, "unwanted")
    before = left(any_store)
    later()
    plan = Sweeper(any_store, 30).plan()
    assert left(any_store) == before, "a plan removes nothing"
    assert {each.reference.location for each in plan.artifacts} == before - kept
    assert plan.bytes > 300_000
    Sweeper(any_store, 30).sweep()
    assert left(any_store) == kept
    if any_store.root is None:
        shutil.rmtree(any_store.objects.cache.root)
    for each in any_store.held():
        check_files(any_store.folder(each.reference), any_store.manifest(each.reference))
    assert Sweeper(any_store, 30).plan().artifacts == ()


def test_a_young_run_keeps_what_it_made_and_an_old_one_does_not(any_store, later):
    old, young = chain(any_store, "old"), chain(any_store, "young")
    any_store.runs.record("old", Outcome("infer", exit=0, artifact=old[2].location))
    later(50)
    if any_store.root is None:
        pytest.skip("the clock of S3 can't be set")
    any_store.runs.record("young", Outcome("infer", exit=0, artifact=young[2].location))
    path = any_store.root / "runs" / "young" / "infer.json"
    os.utime(path, (time.time(), time.time()))
    Sweeper(any_store, 30).sweep()
    assert left(any_store) == locations(*young)


def test_what_is_young_stays(any_store):
    made = chain(any_store, "new")
    Sweeper(any_store, 30).sweep()
    assert left(any_store) == locations(*made)


def test_cells_that_were_joined_are_followed_by_the_record(any_store, later):
    parts = [keep(any_store, f"part {n}") for n in range(2)]
    listed = [
        {"cell": str(n), "content_hash": part.content_hash, "value_hash": part.value_hash}
        for n, part in enumerate(parts)
    ]
    with recording({"inputs": {"cube": listed}}):
        model = keep(any_store, "model", "model", inputs={"cube": "0" * 64})
    stray = keep(any_store, "stray")
    any_store.tag("paper", model)
    later()
    Sweeper(any_store, 30).sweep()
    assert left(any_store) == locations(model, *parts)
    assert stray.location not in left(any_store)


def test_where_the_inputs_cannot_be_told_all_of_their_kind_stay(any_store, later):
    model = keep(any_store, "model", "model", inputs={"cube": "0" * 64})
    cube, samples = keep(any_store, "cube"), keep(any_store, "samples", "samples")
    any_store.tag("paper", model)
    later()
    Sweeper(any_store, 30).sweep()
    assert left(any_store) == locations(model, cube)
    assert samples.location not in left(any_store)


def test_references_to_what_went_go_with_it(any_store, later):
    cube = keep(any_store, "cube")
    any_store.put_ref("area", "cell", "key", cube)
    later()
    assert Sweeper(any_store, 30).sweep().documents == ("refs/area/cell/key/cube.json",)
    assert any_store.ref("area", "cell", "key", "cube") is None


def test_a_file_that_artifacts_share_stays_as_long_as_one_of_them(s3, later):
    from groundshift.artifacts import ArtifactStore

    store = ArtifactStore.open(s3)
    first = keep(store, "one")
    second = keep(store, "two", base=store.folder(first))
    store.tag("paper", second)
    later()
    plan = Sweeper(store, 30).sweep()
    assert len(plan.objects) == 3, "text, manifest and list of the first one"
    shutil.rmtree(store.objects.cache.root)
    assert (store.folder(second) / "deep" / "large ü.bin").stat().st_size == 300_000
    with pytest.raises(ContractError, match="expected a whole cube artifact, found none"):
        store.folder(first)


def test_what_a_killed_task_left_goes_and_what_is_on_its_way_stays(any_store, later):
    bucket = getattr(any_store.objects, "bucket", None)
    if bucket is None:
        (any_store.root / "incoming" / "killed").mkdir(parents=True)
        names = ["incoming/killed"]
    else:
        bucket.write("dvc/stack/files/md5/ab/c", b"sent already")
        bucket.write("incoming/cube-1.json", b'{"objects": ["dvc/stack/files/md5/ab/c"]}')
        names = ["incoming/cube-1.json"]
    assert Sweeper(any_store, 1).sweep().incoming == ()
    assert bucket is None or bucket.read("dvc/stack/files/md5/ab/c")
    later()
    assert list(Sweeper(any_store, 30).sweep().incoming) == names
    assert bucket is None or list(bucket.listed("dvc/")) == []


def test_who_sends_waits_for_a_sweep(s3, monkeypatch):
    from groundshift.artifacts import ArtifactStore

    store = ArtifactStore.open(s3)
    order = []
    wait = Leases.wait

    def waiting(self, name):
        order.append(self.documents.bucket.look("incoming/cube-1.json") is None)
        order.append([item.name for item in self.documents.bucket.listed("incoming/")] != [])
        wait(self, name)

    monkeypatch.setattr(Leases, "wait", waiting)
    keep(store)
    assert order == [True, True], "the intent is there before anybody is waited for"
    assert list(store.objects.bucket.listed("incoming/")) == []
    with Leases(store.documents).held(SWEEP):
        monkeypatch.setattr(Leases, "wait", lambda self, name: wait(self, name, 0.1))
        with pytest.raises(Exception, match="lease 'sweep' is held by another task"):
            keep(store, "two")
    keep(store, "two")
