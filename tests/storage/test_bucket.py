"""A folder of a bucket, on a real server."""

import time

import pytest

from groundshift.errors import SettingsError, SourceError
from groundshift.storage import Address, Bucket
from tests.proxy import Proxy


@pytest.fixture
def bucket(s3):
    return Bucket.at(s3)


def test_an_object_is_read_written_and_removed_whole(bucket):
    assert bucket.read("a/b") is None
    assert bucket.look("a/b") is None
    bucket.write("a/b", b"0123456789")
    assert bucket.read("a/b") == b"0123456789"
    assert bucket.read_range("a/b", 3, 4) == b"3456"
    assert bucket.look("a/b").size == 10
    assert [item.name for item in bucket.listed("a/")] == ["a/b"]
    bucket.remove(["a/b", "a/none"])
    assert list(bucket.listed("")) == []


def test_of_two_who_create_or_exchange_one_succeeds(bucket):
    version = bucket.create("lease", b"first")
    assert bucket.create("lease", b"second") is None
    assert bucket.create("lease", b"first") == version  # an answer that got lost
    later = bucket.exchange("lease", b"third", version)
    assert later is not None
    assert bucket.exchange("lease", b"fourth", version) is None
    assert bucket.exchange("none", b"fourth", version) is None
    assert bucket.read("lease") == b"third"


def test_parts_of_an_upload_that_never_ended_can_be_given_up(bucket):
    made = bucket.ask("begin", "create_multipart_upload", Key="dvc/large")
    assert bucket.uploads("dvc/large") == [made["UploadId"]]
    assert bucket.uploads("dvc/larg") == []
    assert bucket.give_up_uploads("dvc/", before=0) == 0
    assert bucket.give_up_uploads("dvc/", before=time.time() + 100) == 1
    assert bucket.uploads("dvc/large") == []


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIAWRONGKEY", "InvalidAccessKeyId"),
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_key_is_one_message_without_the_key(s3, monkeypatch, caplog, variable, value, said):
    monkeypatch.setenv(variable, value)
    bucket = Bucket.at(s3)
    for request in (
        lambda: bucket.read("x"),
        lambda: bucket.write("x", b""),
        lambda: list(bucket.listed("")),
    ):
        with pytest.raises(SourceError, match=rf"refused \({said}\).*Check AWS_ACCESS_KEY_ID") as e:
            request()
        assert e.value.refused
        assert not e.value.transient
        assert value not in str(e.value) + caplog.text
        assert e.value.__suppress_context__


def test_without_a_key_it_says_which_to_set(s3, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SourceError, match=r"no key was given\. Set AWS_ACCESS_KEY_ID"):
        Bucket.at(s3).read("x")


def test_a_bucket_that_is_not_there_is_a_matter_of_settings(s3):
    with pytest.raises(SettingsError, match="there is no such bucket"):
        Bucket.at("s3://nothing-here/x").read("x")


@pytest.mark.parametrize("endpoint", ["nonsense", "http://127.0.0.1:9"])
def test_an_address_where_nothing_answers_is_said(s3, monkeypatch, endpoint):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("GROUNDSHIFT_S3_PATIENCE", "0.6")
    with pytest.raises((SourceError, SettingsError), match="AWS_ENDPOINT_URL"):
        Bucket.at(s3).read("x")


def test_a_server_that_stalls_is_given_up_and_asked_again(s3, seaweed, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_S3_TIMEOUT", "0.3")
    monkeypatch.setenv("GROUNDSHIFT_S3_PATIENCE", "1")
    with Proxy(seaweed.ports["s3"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        bucket = Bucket.at(s3)
        bucket.write("x", b"1")
        proxy.mode = "stall"
        with pytest.raises(SourceError, match="can't be reached") as error:
            bucket.read("x")
        assert error.value.transient
        proxy.mode = "pass"
        assert bucket.read("x") == b"1"


@pytest.mark.parametrize("variable", ["GROUNDSHIFT_S3_TIMEOUT", "GROUNDSHIFT_S3_PATIENCE"])
@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
def test_times_that_are_none_are_refused(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable}: expected seconds above 0"):
        Bucket.at("s3://bucket/x")


def test_an_address_is_read_and_written():
    assert Address.parse("s3://bucket/a/b/") == Address("bucket", "a/b/")
    assert str(Address("bucket", "a/b/")) == "s3://bucket/a/b"
    assert str(Address.parse("s3://bucket")) == "s3://bucket"
