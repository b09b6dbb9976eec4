"""Podman and the images for tests: a conftest that needs them imports these two fixtures.

They need root on a Debian machine with what `docker/podman.sh install` installs; tests are skipped
where that is not so, with the reason. Images start from a base of Debian's packages, so that no
registry is asked, and come from Podman's cache where nothing has changed.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE = "localhost/groundshift-base"
REGISTRY = "localhost/groundshift-test"

_SCRIPT = ROOT / "docker" / "podman.sh"


@dataclass(frozen=True)
class Podman:
    """A running Podman service.

    Attributes:
        host: its address in Docker's terms, `unix://...`.
        environment: variables by which `podman` and Docker's clients use it.
    """

    host: str
    environment: Mapping[str, str]

    def run(self, *command: str) -> str:
        """What a podman command prints."""
        return subprocess.run(
            ["podman", *command],
            env=os.environ | dict(self.environment),
            check=True,
            text=True,
            stdout=subprocess.PIPE,
        ).stdout


@pytest.fixture(scope="session")
def podman_service() -> Iterator[Podman]:
    """Podman with Docker's API at a socket of its own."""
    missing = [name for name in ("podman", "runc", "debootstrap") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: run docker/podman.sh install on Debian")
    if os.geteuid() != 0:
        pytest.skip("needs root: a rootless Podman can't be set up on every machine")
    with tempfile.TemporaryDirectory(prefix="groundshift-podman-") as folder:
        environment = {
            "GROUNDSHIFT_PODMAN": folder,
            "CONTAINERS_CONF": f"{folder}/containers.conf",
            "DOCKER_HOST": f"unix://{folder}/podman.sock",
        }
        _script("start", environment)
        try:
            yield Podman(environment["DOCKER_HOST"], environment)
        finally:
            _script("stop", environment)


@pytest.fixture(scope="session")
def images(podman_service: Podman) -> dict[str, str]:
    """References of the images of this working tree, by target: light, network, stack, ..."""
    environment = os.environ | dict(podman_service.environment)
    listed = Path(podman_service.environment["GROUNDSHIFT_PODMAN"]) / "images.json"
    with Path(tempfile.gettempdir(), "groundshift-images.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest's workers would build the same at the same time
        _script("base", podman_service.environment)
        subprocess.run(
            [
                *(
                    sys.executable,
                    "docker/images.py",
                    "--engine=podman",
                    f"--list={listed}",
                    "build",
                ),
                *(f"--base-image={BASE}", f"--registry={REGISTRY}", "--tag=test"),
            ],
            cwd=ROOT,
            env=environment,
            check=True,
        )
    return {name: image["reference"] for name, image in json.loads(listed.read_text()).items()}


def _script(verb: str, environment: Mapping[str, str]) -> None:
    subprocess.run([_SCRIPT, verb], env=os.environ | dict(environment), check=True)
