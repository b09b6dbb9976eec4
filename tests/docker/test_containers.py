"""What the images are when they run: built here from a base of Debian's packages."""

import json
import subprocess

import pytest

import groundshift
from tests.containers import Podman

LIGHT = ("light", "fetch", "stack", "window", "notify")
NETWORK = ("network", "train", "evaluate", "infer", "serve")

_PACKAGES = "import importlib.metadata as m; print(*sorted({d.name for d in m.distributions()}))"
_WRITE = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('x')"


def _run(podman: Podman, image: str, *command: str) -> str:
    """Run a command as a cluster would: nothing may be written but below /tmp."""
    return podman.run(
        *("run", "--rm", "--read-only", "--tmpfs=/tmp", "--network=host", "--cap-drop=ALL"),
        *("--security-opt=no-new-privileges", image, *command),
    )


@pytest.mark.parametrize("target", [*LIGHT, *NETWORK])
def test_nothing_runs_as_root(podman_service, images, target: str) -> None:
    assert _run(podman_service, images[target], "id", "-u").strip() == "10001"


@pytest.mark.parametrize("target", ["fetch", "stack", "window", "notify", "train", "serve"])
def test_a_stage_starts_with_a_read_only_root(podman_service, images, target: str) -> None:
    shown = _run(podman_service, images[target])
    assert "usage: " in shown.lower()
    if target != "serve":
        assert f"python -m components.{target}" in shown


def test_only_tmp_can_be_written(podman_service, images) -> None:
    _run(podman_service, images["light"], "python3", "-c", _WRITE, "/tmp/file")
    for place in ("/file", "/opt/venv/file", "/usr/share/groundshift/light.lock"):
        with pytest.raises(subprocess.CalledProcessError):
            podman_service.run("run", "--rm", images["light"], "python3", "-c", _WRITE, place)


def test_light_has_no_tensorflow_and_no_image_has_kfp(podman_service, images) -> None:
    light = _run(podman_service, images["light"], "python3", "-c", _PACKAGES).split()
    network = _run(podman_service, images["network"], "python3", "-c", _PACKAGES).split()
    assert "groundshift" in light
    assert "tensorflow_cpu" in [name.replace("-", "_") for name in network]
    assert not {"tensorflow_cpu", "tensorflow-cpu", "keras", "scikit-learn"} & set(light)
    assert not {"kfp", "kfp-kubernetes", "dvc", "pytest", "pip"} & set(light + network)


def test_the_computation_libraries_start(podman_service, images) -> None:
    """Their shared libraries are there, and what numba compiles has a place."""
    light = (
        "import components.window.stage, groundshift, numba; print(numba.njit(lambda x: -x)(-1))"
    )
    assert _run(podman_service, images["light"], "python3", "-c", light) == "1\n"
    network = (
        "import lightgbm, tensorflow, sklearn, components.evaluate.stage, mlflow.pyfunc; "
        "print(int(tensorflow.reduce_sum(tensorflow.ones(3))))"
    )
    assert _run(podman_service, images["network"], "python3", "-c", network) == "3\n"


@pytest.mark.parametrize("target", ["light", "network"])
def test_an_image_says_what_it_is(podman_service, images, target: str) -> None:
    (found,) = json.loads(podman_service.run("image", "inspect", images[target]))
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == groundshift.__version__
    assert labels["org.opencontainers.image.revision"]
    assert not found["Config"].get("Entrypoint")
    assert found["Config"]["User"] == "10001:10001"
    texts = _run(podman_service, images[target], "ls", "/usr/share/licenses/groundshift")
    assert texts.split() == ["LICENSE", "NOTICE"]


def test_nothing_of_this_machine_is_in_an_image(podman_service, images) -> None:
    """No settings of pip, no certificates, no weights or data, in files or in history."""
    (found,) = json.loads(podman_service.run("image", "inspect", images["network"]))
    told = json.dumps([found["Config"], found["History"]]).lower()
    for word in ("password", "secret_access", "index_url", "index-url", "begin certificate"):
        assert word not in told
    files = podman_service.run(
        *("run", "--rm", "--user=0", "--network=none", images["network"], "find", "/", "-xdev"),
        *("-type", "f", "(", "-name", "*.hdf5", "-o", "-name", "pip.conf", "-o", "-name", "*.tif"),
        *("-o", "-name", "ca.crt", "-o", "-path", "/var/cache/pip/*", ")"),
    )
    assert files == ""
