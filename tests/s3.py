"""A real S3 server for tests, one for a session, and a folder of it for each test."""

import secrets

import pytest

from pipelines.seaweed import Seaweed

BUCKET = "groundshift"


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory):
    server = Seaweed(tmp_path_factory.mktemp("seaweed"), (BUCKET,)).start()
    yield server
    server.kill()


@pytest.fixture
def s3(seaweed, monkeypatch):
    """Address of an empty folder in S3; the environment holds the key."""
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GROUNDSHIFT_S3_PATIENCE", "20")
    return f"s3://{BUCKET}/{secrets.token_hex(6)}"
