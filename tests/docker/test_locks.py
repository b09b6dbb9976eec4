import re
import tomllib
from pathlib import Path

import pytest

from tests.docker.dockerfile import ROOT

LOCKS = ("light", "network", "gpu", "build", "audit", "services")


def pins(path: Path) -> dict[str, tuple[str, set[str]]]:
    """Version and hashes of each package of a lock."""
    entries = re.split(r"\n(?=\S)", path.read_text())
    return {
        match.group(1): (match.group(2), set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", entry)))
        for entry in entries
        if (match := re.match(r"([\w.-]+)==(\S+)", entry))
    }


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in requirements}


@pytest.fixture(scope="module")
def developers() -> dict[str, tuple[str, set[str]]]:
    return pins(ROOT / "requirements.lock")


@pytest.fixture(scope="module")
def project() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("name", ["light", "network"])
def test_images_hold_the_very_packages_that_are_tested(name: str, developers) -> None:
    for package, pinned in pins(ROOT / "docker" / f"{name}.lock").items():
        assert developers.get(package) == pinned, package


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_hash(name: str) -> None:
    locked = pins(ROOT / "docker" / f"{name}.lock")
    assert locked
    assert all(hashes for _, hashes in locked.values())


@pytest.mark.parametrize("name", ["audit", "services", "build"])
def test_what_several_locks_pin_is_the_same(name: str, developers) -> None:
    for package, (version, _) in pins(ROOT / "docker" / f"{name}.lock").items():
        assert developers.get(package, (version,))[0] == version, package


def test_light_has_neither_networks_nor_pipelines(project) -> None:
    light = set(pins(ROOT / "docker" / "light.lock"))
    network = set(pins(ROOT / "docker" / "network.lock"))
    extras = project["project"]["optional-dependencies"]
    own = names(project["project"]["dependencies"])
    assert own <= light
    assert light < network
    assert not light & {"tensorflow", "tensorflow-cpu", "keras", "scikit-learn", "mlflow"}
    assert not network & {"kfp", "kfp-kubernetes", "dvc", "croniter", "pytest"}
    assert names(extras["network"]) <= network


def test_gpus_get_what_the_network_image_has_but_for_tensorflow() -> None:
    network = pins(ROOT / "docker" / "network.lock")
    gpu = pins(ROOT / "docker" / "gpu.lock")
    assert gpu.pop("tensorflow")[0] == network.pop("tensorflow-cpu")[0]
    cuda = {name for name in gpu if name.startswith("nvidia-")}
    assert {"nvidia-cudnn-cu12", "nvidia-cuda-runtime-cu12"} <= cuda
    assert {name: pinned for name, pinned in gpu.items() if name not in cuda} == network


def test_a_lock_follows_its_input(project) -> None:
    for name in ("gpu", "build", "audit", "services"):
        lines = (ROOT / "docker" / f"{name}.in").read_text().splitlines()
        wanted = names([line for line in lines if not line.startswith("#")])
        assert wanted <= set(pins(ROOT / "docker" / f"{name}.lock"))
    assert project["build-system"]["requires"][0] in (ROOT / "docker" / "build.in").read_text()
