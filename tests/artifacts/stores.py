"""A store of either kind: a test that uses `any_store` runs in a folder and in S3."""

import shutil

import pytest

from groundshift.artifacts import ArtifactStore


@pytest.fixture(params=["folder", "s3"])
def any_store(request, tmp_path):
    address = (
        str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("s3")
    )
    return ArtifactStore.open(address)


def in_store(store, folder, contract):
    """Put a copy of an artifact into a store; returns its reference."""
    with store.incoming() as incoming:
        shutil.copytree(folder, incoming / contract)
        return store.adopt(incoming / contract, contract)
