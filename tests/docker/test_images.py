"""`docker/images.py` against an engine that only notes what it is asked."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.docker.dockerfile import ROOT, stages

_ENGINE = """#!{python}
import json, pathlib, sys
with open({log!r}, "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
for word in sys.argv:
    if word.startswith("--digestfile="):
        pathlib.Path(word.partition("=")[2]).write_text("sha256:{digest}\\n")
if sys.argv[1] == "build" and {broken}:
    sys.exit(125)
if sys.argv[1] == "image":
    name = sys.argv[-1].rpartition(":")[0]
    digests = ["elsewhere/x@sha256:0", name + "@sha256:{digest}"]
    print(json.dumps([{{"Id": "sha256:{image}", "Size": 1166500000, "RepoDigests": digests}}]))
if sys.argv[1] == "images":
    print(json.dumps([{{"id": "{image}", "size": "1.17 GB"}}]))
"""
_ID, _DIGEST = "1d" * 32, "2e" * 32


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("images", ROOT / "docker" / "images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["images"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts engines into an otherwise empty PATH; the function reads what they were asked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("PIP_CERT", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    log = tmp_path / "log"

    def put(*engines: str, broken: bool = False):
        for engine in engines:
            values = {"python": sys.executable, "log": str(log), "broken": broken}
            (tmp_path / engine).write_text(_ENGINE.format(**values, image=_ID, digest=_DIGEST))
            (tmp_path / engine).chmod(0o755)
        return lambda: [json.loads(line) for line in log.read_text().splitlines()]

    return put


def _build(tool: ModuleType, tmp_path: Path, *options: str) -> dict[str, dict[str, object]]:
    listed = tmp_path / "build" / "images.json"
    assert tool.main([f"--list={listed}", "build", *options]) == 0
    return json.loads(listed.read_text())


def test_every_target_but_those_on_request_is_built_and_listed(
    tool, asked, tmp_path, capfd
) -> None:
    calls = asked("podman")
    images = _build(tool, tmp_path, "--registry=registry.test/gs", "--tag=7", "--base-image=mine")
    shown = capfd.readouterr().out
    assert set(images) == set(stages("Dockerfile")) - {
        *("pip", "package", "base", "light-packages", "network-packages"),
        *("network-gpu-packages", "network-gpu"),
    }
    builds = [call for call in calls() if call[0] == "build"]
    assert len(builds) == len(images)
    for target, call in zip(images, builds, strict=True):
        assert f"--target={target}" in call
        assert f"--tag=registry.test/gs/{target}:7" in call
        assert "--build-arg=BASE_IMAGE=mine" in call
        assert not [word for word in call if word.startswith("--secret")]
        assert images[target]["reference"] == f"registry.test/gs/{target}:7"
        assert images[target]["id"] == _ID
        assert images[target]["bytes"] == 1166500000
        assert f"registry.test/gs/{target}:7" in shown
    assert "1166 MB" in shown


def test_a_target_by_name_is_listed_beside_what_was_built_before(tool, asked, tmp_path) -> None:
    calls = asked("podman")
    _build(tool, tmp_path, "--tag=1", "--target=light", "--target=train")
    images = _build(tool, tmp_path, "--tag=2", "--target=network-gpu", "--target=train")
    assert {name: image["reference"].rpartition("/")[2] for name, image in images.items()} == {
        "light": "light:1",
        "train": "train:2",
        "network-gpu": "network-gpu:2",
    }
    assert [call[3] for call in calls() if call[0] == "build"] == [
        f"--target={name}" for name in ("light", "train", "network-gpu", "train")
    ]
    assert "network-gpu" not in _build(tool, tmp_path)


@pytest.mark.parametrize("engine", ["docker", "podman", "buildah"])
def test_a_pushed_image_is_listed_by_digest(tool, asked, tmp_path, engine: str) -> None:
    calls = asked(engine)
    images = _build(tool, tmp_path, "--push", "--registry=r.test:5000/gs", "--target=light")
    assert images["light"]["reference"] == f"r.test:5000/gs/light@sha256:{_DIGEST}"
    assert [call[-1] for call in calls() if call[0] == "push"] == [
        f"r.test:5000/gs/light:{tool.version()}-{tool.revision()[:12]}{tool.revision()[40:]}"
    ]


def test_buildah_keeps_layers_and_tells_sizes_in_words(tool, asked, tmp_path) -> None:
    calls = asked("buildah")
    images = _build(tool, tmp_path, "--target=light")
    assert images["light"]["bytes"] == 1_170_000_000
    assert all("--layers" in call for call in calls() if call[0] == "build")
    assert tool.parse_size("25.6 kB") == 25_600


def test_pips_certificates_go_along_as_secrets(tool, asked, tmp_path, monkeypatch) -> None:
    calls = asked("podman")
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "missing"))
    _build(tool, tmp_path, "--target=light")
    (build,) = (call for call in calls() if call[0] == "build")
    secrets = [word for word in build if word.startswith("--secret")]
    assert secrets == [f"--secret=id=ca.crt,src={tmp_path / 'ca.pem'}"]


def test_the_first_engine_that_is_there_is_taken(tool, asked) -> None:
    asked("buildah", "podman")
    assert tool.find_engine(None) == "podman"
    assert tool.find_engine("buildah") == "buildah"


def test_no_engine_is_told_with_a_remedy(tool, asked, capfd) -> None:
    asked()
    assert tool.main(["build"]) == 2
    assert "docker/podman.sh install" in capfd.readouterr().err
    assert tool.main(["--engine=docker", "build"]) == 2
    assert "expected docker" in capfd.readouterr().err


def test_a_build_that_fails_is_not_listed(tool, asked, tmp_path, capfd) -> None:
    asked("podman", broken=True)
    listed = tmp_path / "images.json"
    assert tool.main([f"--list={listed}", "build"]) == 2
    assert "podman build ended with 125" in capfd.readouterr().err
    assert not listed.exists()


def test_an_audit_needs_images(tool, asked, tmp_path, capfd) -> None:
    asked("podman")
    assert tool.main([f"--list={tmp_path / 'none.json'}", "audit"]) == 2
    assert "make images" in capfd.readouterr().err


def test_revision_says_where_files_differ_and_needs_no_git(tool, monkeypatch) -> None:
    assert len(tool.revision().removesuffix("-dirty")) == 40
    monkeypatch.setenv("PATH", os.devnull)
    assert tool.revision() == "unknown"


def _audited(folder: Path, vulnerabilities: object | None) -> Path:
    (folder / "sbom.cdx.json").write_text(json.dumps({"components": [{}, {}]}))
    licences = [{"Name": "a", "License": "MIT"}, {"Name": "b", "License": "UNKNOWN"}]
    (folder / "licences.json").write_text(json.dumps(licences))
    (folder / "debian.txt").write_text("libc6\t2.36\n")
    (folder / "vulnerabilities.log").write_text("a warning\nno route to host\n")
    if vulnerabilities is not None:
        document = {"dependencies": vulnerabilities}
        (folder / "vulnerabilities.json").write_text(json.dumps(document))
    return folder


def test_findings_name_vulnerabilities_and_unknown_licences(tool, tmp_path) -> None:
    known = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1"}, {"id": "CVE-2"}]}
    clean = {"name": "b", "version": "2", "vulns": []}
    text = "\n".join(tool.findings(_audited(tmp_path, [known, clean])))
    assert "2 Python packages, 1 of Debian" in text
    assert "a 1 (PYSEC-1, CVE-2) in 2 packages looked up" in text
    assert "NOT LOOKED UP" not in text
    assert "no licence named: b" in text


def test_a_package_nobody_knows_is_not_called_clean(tool, tmp_path) -> None:
    clean = {"name": "a", "version": "1", "vulns": []}
    skipped = {"name": "b", "skip_reason": "not found"}
    text = tool.vulnerabilities(_audited(tmp_path, [clean, skipped]))
    assert text.startswith("none in 1 packages looked up; NOT LOOKED UP: 1 packages")


def test_a_service_that_does_not_answer_is_told(tool, tmp_path) -> None:
    text = tool.vulnerabilities(_audited(tmp_path, None))
    assert text == "NOT LOOKED UP: the service gave no answer (no route to host)"
