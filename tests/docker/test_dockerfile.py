import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from components import __path__ as components
from tests.docker.dockerfile import ROOT, line_of, stages

LIGHT = ("fetch", "stack", "window", "notify")
NETWORK = ("train", "evaluate", "infer", "serve")


@pytest.mark.parametrize("target", [*LIGHT, *NETWORK])
def test_a_target_adds_nothing_but_words_to_the_shared_one(target: str) -> None:
    stage = stages("Dockerfile")[target]
    assert stage.base == ("light" if target in LIGHT else "network")
    assert {name for name, _ in stage.instructions} <= {"CMD", "EXPOSE"}
    if target != "serve":
        assert stage.values("CMD") == [f'["python3", "-m", "components.{target}", "--help"]']


def test_every_component_has_a_target() -> None:
    folders = {path.parent.name for path in Path(components[0]).glob("*/__main__.py")}
    assert folders == {*LIGHT, *NETWORK} - {"serve"}


@pytest.mark.parametrize("target", ["light", "network", "network-gpu"])
def test_images_say_what_they_are_and_run_as_a_numeric_user(target: str) -> None:
    found = stages("Dockerfile")
    stage = found[target]
    (label,) = stage.values("LABEL")
    for name in ("title", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{name}=" in label
    assert stage.values("USER") == ["10001:10001"]
    # What is worked out from arguments comes last, so that a new commit reuses the packages.
    assert not any(above.values("ARG") for above in line_of(found, target)[1:])


@pytest.mark.parametrize("file", ["Dockerfile", "services.Dockerfile"])
def test_images_have_no_entrypoint_and_tell_no_secrets(file: str) -> None:
    for stage in stages(file).values():
        assert not stage.values("ENTRYPOINT")
        assert not [value for value in stage.values("ARG") if "=" in value]
        for name in ("ENV", "ARG", "LABEL"):
            assert not re.search("(?i)password|secret|token|key", " ".join(stage.values(name)))


@pytest.mark.parametrize("file", ["Dockerfile", "services.Dockerfile"])
def test_the_base_is_public_and_may_be_any(file: str) -> None:
    text = (ROOT / "docker" / file).read_text()
    assert text.count("ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm") == 1
    found = stages(file)
    assert {stage.base for stage in found.values()} - set(found) == {"${BASE_IMAGE}"}


def test_packages_come_from_a_lock_whose_changes_are_seen() -> None:
    found = stages("Dockerfile")
    for name, lock in (("light", "light"), ("network", "network"), ("network-gpu", "gpu")):
        stage = found[f"{name}-packages"]
        assert any(f"docker/{lock}.lock" in value for value in stage.values("COPY"))
        assert any(f"/{lock}.lock /opt/venv" in value for value in stage.values("RUN"))
    installing = (ROOT / "docker" / "install.sh").read_text()
    assert "--require-hashes" in installing
    assert "--only-binary :all:" in installing


@pytest.mark.parametrize(
    "path",
    [
        *(
            "data/demo/x.tif",
            "demo/data/x.tif",
            "weights/a.hdf5",
            ".git/config",
            ".venv/bin/python",
        ),
        *("mlflow.db", "docker/.env", "docker/.env.example", "tests/conftest.py"),
        *("pipelines/cli.py", "components/stack/component.py", "groundshift/__pycache__/x.pyc"),
    ],
)
def test_the_context_leaves_out(path: str) -> None:
    assert not _in_context(path)


@pytest.mark.parametrize(
    "path", ["groundshift/cube/build.py", "components/stack/stage.py", "LICENSE", "NOTICE"]
)
def test_the_context_holds(path: str) -> None:
    assert _in_context(path)


def _in_context(path: str) -> bool:
    """Whether a file is sent to the builder: the last rule that fits it or a folder of it holds."""
    parts = path.split("/")
    ways = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!").removeprefix("**/")
        names = parts if "**/" in rule else [way for way in ways if _depth(way) == _depth(pattern)]
        if any(fnmatch(name, pattern) for name in names):
            sent = rule.startswith("!")
    return sent


def _depth(path: str) -> int:
    return path.count("/")
