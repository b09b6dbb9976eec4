"""The cache of artifacts from S3: how large it gets, and who uses what of it."""

import multiprocessing
import os
import shutil
import time

import pytest

from groundshift.artifacts import ArtifactStore, cache, ranged, read_manifest
from groundshift.artifacts.bucket_objects import BucketObjects
from groundshift.artifacts.manifest import check_files
from groundshift.errors import SettingsError
from tests.artifacts.made import keep
from tests.s3 import s3, seaweed

__all__ = ["s3", "seaweed"]

ONE = 305_000
"""Bytes of one artifact, about; a second one that is based on it shares nearly all."""


@pytest.fixture
def bucket(s3, tmp_path, monkeypatch):
    """A bucket with three artifacts, and what machines see of it that have nothing here."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "sender"))
    store = ArtifactStore.open(s3)
    return store.objects.bucket, [keep(store, name) for name in ("one", "two", "three")]


@pytest.fixture
def machine(bucket, tmp_path):
    """A task's view of one cache, which another task may have as well."""

    def task():
        cache._users.pop(tmp_path / "cache", None)  # as in a process that just began
        return BucketObjects(bucket[0], tmp_path / "cache")

    return task


@pytest.fixture
def limit(monkeypatch):
    return lambda size: monkeypatch.setenv(cache.LIMIT, str(size / 1e9))


def here(objects, references):
    return [objects.cache.has(reference) for reference in references]


def test_the_least_recently_used_goes(machine, bucket, limit):
    _, references = bucket
    limit(2.5 * ONE)
    for age, reference in zip((30, 10), references, strict=False):
        folder = machine().folder(reference)
        os.utime(folder, (time.time() - age,) * 2)
    machine().folder(references[0])  # is the last one that was used, now
    objects = machine()
    folder = objects.folder(references[2])
    assert here(objects, references) == [True, False, True]
    check_files(folder, read_manifest(folder, "cube"), hashes=True)
    on_disk = [p for p in (objects.cache.root / "files").rglob("*") if p.is_file()]
    assert sum(path.stat().st_size for path in on_disk) < 2.5 * ONE
    check_files(machine().folder(references[1]), objects.manifest(references[1]), hashes=True)


def test_what_a_living_task_uses_stays_and_goes_after_it(bucket, machine, limit, tmp_path):
    _, references = bucket
    limit(0)
    context = multiprocessing.get_context("fork")
    begun = context.Event()

    def use():
        machine().folder(references[0])
        begun.set()
        time.sleep(600)

    task = context.Process(target=use)
    task.start()
    assert begun.wait(60)
    objects = machine()
    objects.folder(references[1])
    assert here(objects, references) == [True, True, False], "our own too"
    task.kill()
    task.join()
    other = machine()
    other.folder(references[2])
    assert here(other, references) == [False, False, True]


def test_files_that_artifacts_share_go_with_the_last_of_them(s3, machine, limit, tmp_path):
    store = ArtifactStore.open(s3)
    first = keep(store, "shared")
    second = keep(store, "other", base=store.folder(first))
    for reference in (first, second):
        machine().folder(reference)
    limit(1.5 * ONE)
    assert machine().cache.trim() == 0, "shared files count once"
    limit(ONE - 10_000)
    assert machine().cache.trim() > ONE - 10_000
    assert not any(here(machine(), [first, second]))


def test_what_a_killed_task_was_reading_or_bringing_goes(bucket, machine, limit):
    _, references = bucket
    objects = machine()
    context = multiprocessing.get_context("fork")
    begun = context.Event()

    def read():
        with machine().lent(references[0], lambda path: path.endswith(".bin")) as folder:
            ranged.need(folder / "deep" / "large ü.bin", [(0, 100)])
            begun.set()
            time.sleep(600)

    task = context.Process(target=read)
    task.start()
    assert begun.wait(60)
    limit(0)
    machine().cache.trim()
    incoming = objects.cache.root / "incoming"
    assert len(list(incoming.iterdir())) == 1, "it is at work"
    task.kill()
    task.join()
    part = objects.cache.file("ab" * 16).with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"x" * 1000)
    assert machine().cache.trim() == 1000
    assert not list(incoming.iterdir())
    assert not part.exists()


def test_nothing_goes_while_somebody_brings_something(bucket, machine, limit):
    _, references = bucket
    machine().folder(references[0])
    limit(0)
    with machine().cache.steady():
        assert machine().cache.trim() == 0
    assert machine().cache.trim() > 0


def test_a_cache_that_was_removed_is_begun_anew(bucket, machine, limit):
    _, references = bucket
    objects = machine()
    objects.folder(references[0])
    shutil.rmtree(objects.cache.root)
    objects.folder(references[0])
    limit(0)
    objects.cache.trim()
    assert objects.cache.has(references[0])


@pytest.mark.parametrize("value", ["much", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused_at_once(s3, monkeypatch, value):
    monkeypatch.setenv(cache.LIMIT, value)
    with pytest.raises(SettingsError, match="GROUNDSHIFT_CACHE_GB: expected gigabytes"):
        ArtifactStore.open(s3).require()
