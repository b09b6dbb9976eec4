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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers run the tests, those of a file stay together: they share fixtures.

    All files that run containers belong to one worker, since they share an engine. They come first:
    they take longest, and the other worker has the rest to do meanwhile.
    """
    shared = {item.path for item in items if _runs_containers(item)}
    items.sort(key=lambda item: item.path not in shared)
    for item in items:
        name = "containers" if item.path in shared else str(item.path)
        item.add_marker(pytest.mark.xdist_group(name))


def _runs_containers(item: pytest.Item) -> bool:
    """Whether a test, or its file for some of its tests, asks for the engine."""
    fixtures, module = (getattr(item, name, ()) for name in ("fixturenames", "module"))
    return "podman_service" in fixtures or hasattr(module, "podman_service")
