"""S3 is killed, stalls or refuses while a task sends or fetches; the disk is full meanwhile."""

import shutil
import threading

import pytest

from groundshift.artifacts import REFERENCE, ArtifactStore, Reference
from groundshift.artifacts.manifest import check_files
from pipelines.seaweed import Seaweed
from tests.artifacts.made import keep
from tests.faults import processes
from tests.faults.processes import DiskFull
from tests.faults.world import arguments


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server that a test may kill."""
    server = Seaweed(tmp_path / "seaweed", ("bucket",)).start()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_S3_TIMEOUT", "2")
    yield server
    server.go_on()
    server.kill()


@pytest.fixture
def store(server):
    return ArtifactStore.open("s3://bucket/store")


def after(bucket, number, action, monkeypatch):
    """Let something happen after so many requests."""
    requests = []
    try_ = bucket._try

    def counted(what, request):
        requests.append(what)
        if len(requests) == number:
            action()
        return try_(what, request)

    monkeypatch.setattr(bucket, "_try", counted)
    return requests


def outage(server, seconds, end, begin):
    """What stops a server and lets it go on after a while."""

    def happen():
        end()
        threading.Timer(seconds, begin).start()

    return happen


@pytest.mark.parametrize("number", [3, 5, 7])
def test_a_server_that_is_killed_and_comes_back_costs_time_only(store, server, monkeypatch, number):
    # While it is away, connections are refused.
    pushed_and_pulled(store, outage(server, 1, server.kill, server.start), number, monkeypatch)


def test_a_server_that_stalls_costs_time_only(store, server, monkeypatch):
    pushed_and_pulled(store, outage(server, 3, server.pause, server.go_on), 6, monkeypatch)


def pushed_and_pulled(store, happen, number, monkeypatch):
    """Send an artifact and bring it back; each time something happens amid the requests."""
    sent = after(store.objects.bucket, number, happen, monkeypatch)
    reference = keep(store)
    shutil.rmtree(store.objects.cache.root)
    other = ArtifactStore.open("s3://bucket/store")
    brought = after(other.objects.bucket, number, happen, monkeypatch)
    check_files(other.folder(reference), other.manifest(reference), hashes=True)
    assert min(len(sent), len(brought)) >= number
    assert list(other.objects.bucket.listed("incoming/")) == []


@pytest.fixture
def stack(world, server, tmp_path):
    """Runs the stack stage into the store: exit code, and what it printed."""

    def run(trouble=None):
        options = arguments("stack", world, cube=tmp_path / "cube")
        log = tmp_path / "log.txt"
        log.write_text("")
        words = [*options, "--store", "s3://bucket/store"]
        code = processes.run("stack", words, tmp_path / "work", log, trouble)
        return code, log.read_text()

    return run


def test_a_task_without_s3_says_so_and_the_rerun_completes(
    stack, server, undisturbed, tmp_path, monkeypatch
):
    monkeypatch.setenv("GROUNDSHIFT_S3_PATIENCE", "1")
    server.kill()
    code, said = stack()
    assert code == 4, said
    assert "S3 can't be reached" in said
    assert "Traceback" not in said
    assert not (tmp_path / "cube").exists()
    server.start()
    monkeypatch.delenv("GROUNDSHIFT_S3_PATIENCE")
    assert stack()[0] == 0
    reference = Reference.read(tmp_path / "cube" / REFERENCE)
    assert reference.content_hash == undisturbed["stack"].content_hash


def test_a_wrong_key_is_bad_input_and_no_key_is_printed(stack, server, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-very-wrong-secret")
    code, said = stack()
    assert code == 2
    assert said.count("refused (SignatureDoesNotMatch)") == 1
    assert "Traceback" not in said
    for secret in ("a-very-wrong-secret", *server.key):
        assert secret not in said


def test_a_full_disk_leaves_nothing_half_there_and_the_rerun_completes(
    stack, store, undisturbed, tmp_path
):
    cache = str(tmp_path / "work" / "store")
    for number in (1, 4):
        code, said = stack(DiskFull(cache, number=number))
        assert code == 1, said
        assert "Make room and run it again" in said
        assert list(store.held()) == []
    assert stack()[0] == 0
    reference = Reference.read(tmp_path / "cube" / REFERENCE)
    assert reference.content_hash == undisturbed["stack"].content_hash
