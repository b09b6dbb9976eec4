"""A service with Docker's API for the container engine's tests, and a small image."""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.containers import ROOT, Podman, podman_service

__all__ = ["podman_service"]


@pytest.fixture(scope="session")
def host(podman_service: Podman) -> str:
    """The address of a service that has the image of the trivial components."""
    with Path(tempfile.gettempdir(), "groundshift-base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest's workers would make the same at the same time
        environment = os.environ | dict(podman_service.environment)
        subprocess.run([ROOT / "docker" / "podman.sh", "base"], env=environment, check=True)
    return podman_service.host
