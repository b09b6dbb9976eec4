"""Artifacts in S3, on a real server: DVC's layout, nothing sent twice, nothing half there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from groundshift.artifacts import ArtifactStore, link_tree, ranged, read_manifest, writing
from groundshift.artifacts.manifest import check_files
from groundshift.artifacts.versions import Version
from groundshift.errors import ContractError
from groundshift.storage import Bucket
from tests.artifacts.made import keep
from tests.proxy import Proxy
from tests.s3 import s3, seaweed

__all__ = ["s3", "seaweed"]


@pytest.fixture
def store(s3):
    return ArtifactStore.open(s3)


@pytest.fixture
def bucket(s3):
    return Bucket.at(s3)


def forget(store):
    shutil.rmtree(store.objects.cache.root)


def test_an_artifact_comes_back_whole_after_all_that_was_here_is_gone(store):
    reference = keep(store)
    before = read_manifest(store.folder(reference), "cube")
    forget(store)
    found = store.folder(reference)
    assert read_manifest(found, "cube") == before
    check_files(found, before, hashes=True)
    assert store.reference(found, "cube") == reference
    assert list((store.objects.cache.root / "incoming").iterdir()) == []


def test_plain_dvc_pulls_and_verifies_it_by_the_pointer_alone(store, bucket, tmp_path, s3):
    reference = keep(store)
    project = tmp_path / "elsewhere"
    project.mkdir()
    (project / "cube.dvc").write_bytes(bucket.read(f"{reference.location}.dvc"))

    def dvc(*words):
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *words],
            cwd=project,
            env={**os.environ, "DVC_SITE_CACHE_DIR": str(tmp_path), "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    dvc("init", "--no-scm", "-q")
    dvc("remote", "add", "stack", f"{s3}/dvc/stack")
    dvc("remote", "modify", "stack", "endpointurl", os.environ["AWS_ENDPOINT_URL"])
    dvc("pull", "-q")
    check_files(project / "cube", read_manifest(project / "cube", "cube"), hashes=True)
    own = yaml.safe_load((project / "cube.dvc").read_text())["outs"][0]
    dvc("add", "-q", "cube")  # DVC's own idea of what lies there
    (made,) = yaml.safe_load((project / "cube.dvc").read_text())["outs"]
    assert {name: made[name] for name in ("md5", "size", "nfiles")} == {
        name: own[name] for name in ("md5", "size", "nfiles")
    }


def test_pushing_reads_no_file_again_and_sends_nothing_that_is_there(store, monkeypatch):
    first = keep(store)
    folder = store.folder(first)
    assert store.objects.push(first).bytes == 0
    second = keep(store, "two", base=folder)
    sent = store.objects.push(second)
    assert sent.bytes == 0
    # Of the second one only what the first has not: its text, manifest, list and pointer.
    names = [item.name for item in store.objects.bucket.listed("dvc/")]
    assert len(names) == 4 + 3
    monkeypatch.setattr("groundshift.artifacts.versions.md5_of", None)
    assert Version.of(store.folder(second), "cube").pointer.nfiles == 3


def test_an_artifact_of_before_md5s_were_recorded_is_read_once_for_them(store):
    with store.incoming() as incoming:
        folder = incoming / "cube"
        with writing(folder, "cube", area="a", settings={}, inputs={}) as draft:
            (draft.folder / "file").write_text("old")
        manifest = json.loads((folder / "manifest.json").read_text())
        del manifest["record"]["md5"]
        (folder / "manifest.json").write_text(json.dumps(manifest))
        reference = store.adopt(folder, "cube")
    forget(store)
    assert (store.folder(reference) / "file").read_text() == "old"


def test_of_an_artifact_that_shares_files_with_one_here_only_the_others_are_brought(store):
    first = keep(store)
    second = keep(store, "two", base=store.folder(first))
    forget(store)
    store.folder(first)
    shared = store.folder(first) / "deep" / "large ü.bin"
    assert (store.folder(second) / "deep" / "large ü.bin").samefile(shared)


def test_a_damaged_object_is_refused_and_nothing_is_left_that_looks_whole(store, bucket):
    reference = keep(store)
    version = Version.of(store.folder(reference), "cube")
    name = next(b.name for b in version.blobs(store.folder(reference)) if b.size == 300_000)
    forget(store)
    bucket.write(name, b"x" * 300_000)
    with pytest.raises(ContractError, match=r"expected dvc/stack/files/md5.* it was damaged"):
        store.folder(reference)
    assert not store.objects.cache.has(reference)
    bucket.remove([name])
    with pytest.raises(ContractError, match=r"expected the object dvc/stack.*found none"):
        store.folder(reference)


def test_what_was_changed_here_after_it_was_hashed_is_not_sent(store):
    with store.incoming() as incoming:
        folder = incoming / "cube"
        with writing(folder, "cube", area="a", settings={}, inputs={}) as draft:
            (draft.folder / "file").write_text("right")
        (folder / "file").write_text("wrong")
        with pytest.raises(ContractError, match="not those that were hashed"):
            store.adopt(folder, "cube")
    assert list(store.objects.held()) == []


def test_the_manifest_alone_can_be_asked_for(store):
    reference = keep(store)
    manifest = read_manifest(store.folder(reference), "cube")
    forget(store)
    assert store.manifest(reference) == manifest
    assert not store.objects.cache.has(reference)
    assert store.page(reference.location, "a.txt").startswith("s3://")
    assert store.page(reference.location, "b.txt") == ""


def test_the_parts_of_a_large_file_that_are_read_are_all_that_is_brought(store):
    reference = keep(store)
    whole = (store.folder(reference) / "deep" / "large ü.bin").read_bytes()
    forget(store)
    with store.lent(reference, lambda path: path.endswith(".bin")) as folder:
        path = folder / "deep" / "large ü.bin"
        check_files(folder, read_manifest(folder, "cube"))
        for _ in range(2):
            ranged.need(path, [(10, 50), (299_990, 100), (40, 100)])
        with path.open("rb") as file:
            assert os.pread(file.fileno(), 130, 10) == whole[10:140]
            assert os.pread(file.fileno(), 10, 299_990) == whole[-10:]
        assert ranged.give_back(folder) == 130 + 10
    assert not path.exists()
    store.folder(reference)
    with store.lent(reference, lambda path: path.endswith(".bin")) as folder:
        assert folder == store.folder(reference)


def test_a_revision_of_one_per_cent_costs_about_that_and_pushing_again_nothing(
    s3, seaweed, monkeypatch
):
    with Proxy(seaweed.ports["s3"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        store = ArtifactStore.open(s3)
        first, sent, _ = hundred_files(store, proxy)
        assert sent > 10_000_000
        second, sent, read = hundred_files(store, proxy, base=store.folder(first))
        assert 100_000 < sent < 150_000
        assert read < 150_000
        before = proxy.sent
        assert store.objects.push(second).bytes == 0
        assert proxy.sent - before < 2_000, "one question"


def hundred_files(store, proxy, base=None):
    """Bring an artifact of 10 MB into a store, all but one of its files another one's.

    Returns:
        Its reference, bytes sent, and bytes read from files, to version it.
    """
    with store.incoming() as incoming:
        with writing(incoming / "cube", "cube", area="a", settings={}, inputs={}) as draft:
            parts = draft.folder / "parts"
            parts.mkdir()
            if base is not None:
                link_tree(base / "parts", parts)
                (parts / "7").unlink()
            for path in (parts / str(number) for number in range(100)):
                if not path.exists():
                    path.write_bytes(os.urandom(100_000))
        sent, read = proxy.sent, bytes_read()
        reference = store.adopt(incoming / "cube", "cube")
        return reference, proxy.sent - sent, bytes_read() - read


def bytes_read():
    """By this process from files so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])
