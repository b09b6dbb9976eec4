"""Compiled pipelines are uploaded once, under a name that says what they are."""

from pathlib import Path

import pytest

from groundshift import __version__
from groundshift.errors import SettingsError
from pipelines.kubeflow.packages import Package, find_package, upload
from pipelines.kubeflow.server import Server
from tests.pipelines.kubeflow.conftest import write_package
from tests.pipelines.kubeflow.fake import FakeKubeflow


def test_the_version_says_release_and_content(packages: Path) -> None:
    package = Package.read(packages / "training.yaml")
    assert package.pipeline == "training"
    release, _, digest = package.version.rpartition("-")
    assert release == __version__
    assert len(digest) == 12
    write_package(packages, "training", image="image:2")
    assert Package.read(packages / "training.yaml").digest != package.digest


@pytest.mark.parametrize("text", [None, "[", "- 1", "{}", ""])
def test_what_is_no_package_says_how_to_compile(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "training.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"groundshift compile training"):
        Package.read(tmp_path / "training.yaml")


def test_the_same_package_is_uploaded_once(
    fake: FakeKubeflow, server: Server, packages: Path
) -> None:
    package = Package.read(packages / "training.yaml")
    assert find_package(server, package) is None
    first = upload(server, package)
    assert upload(server, package) == first == find_package(server, package)
    (version,) = fake.state.items["pipeline_versions"].values()
    assert version["display_name"] == package.version
    assert version["pipeline_spec"]["pipeline_spec"]["pipelineInfo"]["name"] == "training"

    write_package(packages, "training", image="image:2")
    second = upload(server, Package.read(packages / "training.yaml"))
    assert second.pipeline_id == first.pipeline_id
    assert second.version_id != first.version_id


@pytest.mark.parametrize("trouble", ["loses", "drops"])
@pytest.mark.parametrize("request_line", ["v2beta1/pipelines", "upload_version"])
def test_an_upload_whose_answer_gets_lost_is_not_repeated(
    fake: FakeKubeflow, server: Server, packages: Path, request_line: str, trouble: str
) -> None:
    getattr(fake, trouble)(f"POST /apis/{request_line}" if "v2" in request_line else request_line)
    version = upload(server, Package.read(packages / "training.yaml"))
    assert list(fake.state.items["pipelines"]) == [version.pipeline_id]
    assert list(fake.state.items["pipeline_versions"]) == [version.version_id]
