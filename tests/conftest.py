"""What all tests share: examples are drawn alike in every CI run, and no test is timed."""

import os
import signal
import sqlite3  # noqa: F401 (TensorFlow brings one without R*Trees, which would take its place)

import pytest
from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would all that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


CONTAINERS = {"podman_service", "images", "host"}
"""Fixtures of tests that share one container engine."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers run the tests, keep those of a file together: they share fixtures.

    All files that run containers belong to one worker.
    """
    shared = {item.path for item in items if CONTAINERS & set(getattr(item, "fixturenames", ()))}
    for item in items:
        name = "containers" if item.path in shared else str(item.path)
        item.add_marker(pytest.mark.xdist_group(name))
