"""The stages' policies, held against a real server that knows them."""

import secrets

import pytest

from groundshift.artifacts.manifest import WRITERS
from groundshift.errors import SourceError
from groundshift.storage import Address, Bucket
from pipelines.policies import ACCESS, iam, identity, read, written
from pipelines.seaweed import Seaweed

STORE = Address.parse("s3://groundshift/store")
STAGES = sorted(ACCESS)
PLACES = sorted(
    {
        *(f"objects/{contract}/" for contract in WRITERS),
        *(f"dvc/{stage}/files/md5/" for stage in WRITERS.values()),
        *(
            f"{kind}/"
            for kind in ("refs", "runs", "current", "published", "champion", "decisions", "tags")
        ),
        *(f"{kind}/" for kind in ("catalogue", "leases", "incoming")),
    }
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    keys = {stage: (f"key-{stage}", secrets.token_hex(16)) for stage in STAGES}
    identities = [identity(STORE, stage, key) for stage, key in keys.items()]
    server = Seaweed(
        tmp_path_factory.mktemp("policies"), (STORE.bucket, "another-bucket"), identities
    ).start()
    yield server, keys
    server.kill()


@pytest.fixture
def bucket_of(server, monkeypatch):
    """The store as a stage sees it."""
    running, keys = server

    def opened(stage, address=STORE):
        key = keys[stage] if stage else running.key
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key[1])
        bucket = Bucket(address)
        assert bucket.client is not None  # it reads the environment now
        return bucket

    return opened


def may(request):
    """Whether a request is allowed; all that may go wrong here is that it is not."""
    try:
        request()
    except SourceError as error:
        if not error.refused:
            raise
        return False
    return True


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_does_what_the_table_says_and_nothing_else(stage, bucket_of):
    owner = bucket_of("")
    for place in PLACES:
        owner.write(f"{place}there", b"1")
    bucket = bucket_of(stage)
    found = {
        place: (
            may(lambda name=f"{place}there": bucket.read(name)),
            may(lambda name=f"{place}{stage}": bucket.write(name, b"2")),
        )
        for place in PLACES
    }
    assert found == {
        place: (place.startswith(tuple(read(stage))), place.startswith(tuple(written(stage))))
        for place in PLACES
    }


def test_no_stage_reaches_other_buckets_or_folders(bucket_of):
    for address in ("s3://another-bucket/store", "s3://groundshift/other", "s3://groundshift"):
        bucket = bucket_of("infer", Address.parse(address))
        assert not may(lambda bucket=bucket: bucket.write("objects/maps/1.dvc", b"1"))
        assert not may(lambda bucket=bucket: bucket.read("objects/maps/1.dvc"))


def test_no_stage_writes_what_another_one_writes():
    artifacts = {
        stage: {place for place in written(stage) if place.startswith(("objects/", "dvc/"))}
        for stage in STAGES
    }
    together = [place for places in artifacts.values() for place in places]
    assert len(together) == len(set(together))
    assert artifacts["notify"] == set()


@pytest.mark.parametrize("stage", STAGES)
def test_the_policy_of_iam_names_the_same_places(stage):
    statements = iam(STORE, stage)["Statement"]
    resources = {each["Action"][0]: each["Resource"] for each in statements}
    place = "arn:aws:s3:::groundshift/store/"
    assert resources["s3:GetObject"] == [f"{place}{name}*" for name in read(stage)]
    assert resources["s3:PutObject"] == [f"{place}{name}*" for name in written(stage)]
    taken_back = {"notify": [], "evaluate": ["incoming", "champion"]}.get(stage, ["incoming"])
    assert resources.get("s3:DeleteObject", []) == [f"{place}{kind}/*" for kind in taken_back]
    assert all(resources.values()), "a statement about nothing is refused by AWS"
