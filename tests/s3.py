"""A real S3 server for tests, one for each process of pytest, and a folder of it for each test."""

import secrets

import pytest

from pipelines.seaweed import Seaweed

BUCKET = "groundshift"

_started: list[Seaweed] = []


@pytest.fixture(scope="session")
def seaweed(request, tmp_path_factory):
    """The server. Every module that imports this gets the same one, until the session is over."""
    if not _started:
        server = Seaweed(tmp_path_factory.mktemp("seaweed"), (BUCKET,)).start()
        _started.append(server)
        request.config.add_cleanup(server.kill)
    return _started[0]


@pytest.fixture
def s3(seaweed, monkeypatch):
    """Address of an empty folder in S3; the environment holds the key."""
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GROUNDSHIFT_S3_PATIENCE", "20")
    return f"s3://{BUCKET}/{secrets.token_hex(6)}"
