import os
import time

import pytest

from groundshift.artifacts import file_digests
from groundshift.artifacts.file_digests import FileDigests
from groundshift.artifacts.hashing import file_digest

LONG_AGO = time.time() - 3600


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "image.tif"
    path.write_text("first")
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.fixture
def read(monkeypatch):
    """The files whose content was read."""
    paths = []

    def reading(path):
        paths.append(path)
        return file_digest(path)

    monkeypatch.setattr(file_digests, "file_digest", reading)
    return paths


def remembered(memory, path):
    """What a run says of a file, which knows what earlier runs have kept in a dictionary."""
    digests = FileDigests(memory, memory.update)
    found = digests.of(path)
    digests.save()
    return found


def test_a_file_that_did_not_change_is_read_once(file, read):
    memory = {}
    first = remembered(memory, file)
    assert remembered(memory, file) == first == file_digest(file)
    assert read == [file]


def test_a_file_that_changed_is_read_again(file, read):
    memory = {}
    first = remembered(memory, file)
    file.write_text("later")  # as long as before
    os.utime(file, (LONG_AGO + 1, LONG_AGO + 1))
    second = remembered(memory, file)
    assert second == file_digest(file) != first
    assert read == [file, file]


def test_a_file_that_may_still_change_is_not_remembered(file, read):
    os.utime(file)
    memory = {}
    remembered(memory, file)
    remembered(memory, file)
    assert read == [file, file]
