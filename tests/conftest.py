"""What all tests share: examples are drawn alike in every CI run, and no test is timed."""

import os
import signal
import sqlite3  # noqa: F401 (TensorFlow brings one without R*Trees, which would take its place)
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.environment import own_environment

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would all that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For a file's tests: a folder of their own for work in progress, and no tracking."""
    with own_environment(tmp_path_factory.mktemp("work")):
        yield


@pytest.fixture
def own_work(tmp_path: Path) -> Iterator[None]:
    """The same for each test."""
    with own_environment(tmp_path / "work"):
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run containers come first: they take longest, and a worker has others to do then.

    Workers take whole files (`--dist loadfile`), whose tests share fixtures.
    """
    slow = {item.path for item in items if _runs_containers(item)}
    items.sort(key=lambda item: item.path not in slow)


def _runs_containers(item: pytest.Item) -> bool:
    """Whether a test, or its file for some of its tests, asks for the engine."""
    fixtures, module = (getattr(item, name, ()) for name in ("fixturenames", "module"))
    return "podman_service" in fixtures or hasattr(module, "podman_service")
