"""Artifacts that earlier versions wrote are read, and say what they said then."""

import json
from pathlib import Path

import pytest

from groundshift.artifacts import read_manifest
from groundshift.artifacts.manifest import VERSIONS, check_files
from tests.contracts.make import EXPECTED, FIXTURES, PLACES
from tests.contracts.readers import contracts_of, told_by

KEPT = [
    pytest.param(folder, id="-".join(folder.relative_to(FIXTURES).parts))
    for place in PLACES.values()
    for folder in sorted(place.glob("v*/*/"))
    if int(folder.parent.name[1:]) >= VERSIONS[folder.name] - 1
]
"""Of every contract the last two versions, as far as they were written."""


@pytest.mark.parametrize("task", PLACES)
def test_every_contracts_present_version_is_kept(task):
    for contract in contracts_of(task):
        folder = PLACES[task] / f"v{VERSIONS[contract]}" / contract
        assert (folder / "manifest.json").is_file(), contract


def test_no_contract_is_without_a_fixture():
    assert set(contracts_of("change")) == set(VERSIONS)


@pytest.mark.parametrize("folder", KEPT)
def test_an_artifact_of_that_version_is_read(folder: Path):
    manifest = read_manifest(folder, folder.name)
    check_files(folder, manifest, hashes=True)
    assert f"v{manifest.version}" == folder.parent.name
    expected = json.loads((folder.parent / EXPECTED).read_text())[folder.name]
    assert json.loads(json.dumps(told_by(folder))) == _near(expected)


@pytest.mark.parametrize("folder", KEPT)
def test_fixtures_are_small(folder: Path):
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 100_000


def _near(value):
    """Numbers up to rounding, anywhere in a document."""
    if isinstance(value, dict):
        return {name: _near(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_near(item) for item in value]
    return pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
