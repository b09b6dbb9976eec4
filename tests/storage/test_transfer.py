"""Files to a bucket and back, on a real server that breaks off."""

import hashlib
import os

import pytest

from groundshift.errors import ContractError
from groundshift.storage import Blob, Bucket, Sent, download, transfer, upload
from tests.proxy import Proxy

PART = 5 << 20  # the least that S3 takes


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch):
    monkeypatch.setattr(transfer, "PART", PART)


@pytest.fixture
def proxy(s3, seaweed, monkeypatch):
    with Proxy(seaweed.ports["s3"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


def blob(folder, size, name=""):
    data = os.urandom(size)
    path = folder / (name or str(size))
    path.write_bytes(data)
    md5 = hashlib.md5(data).hexdigest()
    return Blob(path, f"files/{md5}", md5, size)


def brought(bucket, blobs, folder):
    wanted = [Blob(folder / b.md5, b.name, b.md5, b.size) for b in blobs]
    received = download(bucket, wanted)
    assert [w.path.read_bytes() for w in wanted] == [b.path.read_bytes() for b in blobs]
    assert sorted(p.name for p in folder.iterdir()) == sorted({b.md5 for b in blobs})
    return received


@pytest.mark.parametrize("sizes", [(), (0,), (1, 70_000), (PART,), (PART + 1, 10), (3 * PART,)])
def test_files_go_and_come_back_and_go_only_once(s3, tmp_path, sizes):
    bucket = Bucket.at(s3)
    blobs = [blob(tmp_path, size) for size in sizes]
    assert upload(bucket, blobs) == Sent(len(sizes), sum(sizes))
    assert upload(bucket, blobs) == Sent()
    (tmp_path / "down").mkdir()
    assert brought(bucket, blobs, tmp_path / "down") == Sent(len(sizes), sum(sizes))


def test_an_upload_that_was_cut_goes_on_where_it_was(s3, proxy, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_S3_PATIENCE", "0.1")
    monkeypatch.setattr(transfer, "WORKERS", 1)
    large = blob(tmp_path, 6 * PART)
    bucket = Bucket.at(s3)
    done = []
    send = bucket.ask

    def ask(what, operation, **parameters):
        if operation == "upload_part" and len(done) == 3:
            raise KeyboardInterrupt
        done.extend([operation] if operation == "upload_part" else [])
        return send(what, operation, **parameters)

    monkeypatch.setattr(bucket, "ask", ask)
    with pytest.raises(KeyboardInterrupt):
        upload(bucket, [large])
    assert bucket.look(large.name) is None
    before = proxy.sent
    assert upload(Bucket.at(s3), [large]).bytes == 3 * PART
    assert proxy.sent - before < 3.2 * PART
    (tmp_path / "down").mkdir()
    brought(Bucket.at(s3), [large], tmp_path / "down")


def test_a_download_that_was_cut_goes_on_where_it_was(s3, proxy, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "WORKERS", 1)
    large = blob(tmp_path, 6 * PART)
    bucket = Bucket.at(s3)
    upload(bucket, [large])
    read, count = bucket.read_range, []

    def cut(*span):
        count.append(span)
        if len(count) == 4:
            raise KeyboardInterrupt
        return read(*span)

    monkeypatch.setattr(bucket, "read_range", cut)
    (tmp_path / "down").mkdir()
    with pytest.raises(KeyboardInterrupt):
        brought(bucket, [large], tmp_path / "down")
    assert not (tmp_path / "down" / large.md5).exists()
    assert brought(Bucket.at(s3), [large], tmp_path / "down").bytes == 3 * PART


def test_a_part_that_was_damaged_here_is_noticed_and_brought_again(s3, tmp_path):
    large = blob(tmp_path, 2 * PART)
    bucket = Bucket.at(s3)
    upload(bucket, [large])
    folder = tmp_path / "down"
    folder.mkdir()
    (folder / f"{large.md5}.part").write_bytes(bytes(2 * PART))
    (folder / f"{large.md5}.done").write_text("0\n")
    with pytest.raises(ContractError, match="it was damaged"):
        brought(bucket, [large], folder)
    brought(bucket, [large], folder)


def test_connections_that_break_are_made_again(s3, proxy, tmp_path):
    blobs = [blob(tmp_path, 200_000, str(n)) for n in range(30)]
    proxy.cut_after = 2_000_000
    bucket = Bucket.at(s3)
    assert upload(bucket, blobs).objects >= 25  # what arrived before an answer is not sent again
    assert proxy.cut_after is None
    (tmp_path / "down").mkdir()
    brought(bucket, blobs, tmp_path / "down")


def test_a_file_that_grew_or_changed_is_not_sent(s3, tmp_path):
    bucket = Bucket.at(s3)
    for size in (10, 2 * PART):
        grown = blob(tmp_path, size)
        with grown.path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(ContractError, match="it was changed after it was written"):
            upload(bucket, [grown])
    changed = blob(tmp_path, 1000)
    changed.path.write_bytes(bytes(1000))
    with pytest.raises(ContractError, match="not those that were hashed"):
        upload(bucket, [changed])
    assert list(bucket.listed("")) == []
