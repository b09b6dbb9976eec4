"""A task whose store lies in S3: the key comes by the environment, and is written nowhere."""

import os
import shutil
from pathlib import Path

import pytest
from kfp import dsl

from groundshift.artifacts import REFERENCE, ArtifactStore, Reference
from pipelines.engines import ContainerEngine, ProcessEngine
from pipelines.launch import passed_on
from tests.components import made_up
from tests.containers import REGISTRY, images, podman_service
from tests.pipelines.engines.small import compiled
from tests.pipelines.engines.test_container import NETWORK
from tests.s3 import s3, seaweed

__all__ = ["images", "podman_service", "s3", "seaweed"]  # fixtures

DAYS = 100


@dsl.container_component
def stack(
    settings: str, store: str, observations: str, cube: dsl.Output[dsl.Dataset]
) -> dsl.ContainerSpec:
    """The stage, as its own component runs it but for the inputs' folder."""
    return dsl.ContainerSpec(
        image=f"{REGISTRY}/stack:test",
        command=["python3", "-m", "components.stack"],
        args=[
            *("--settings", settings, "--store", store),
            *("--observations", observations, "--cube", cube.path),
        ],
    )


@dsl.pipeline(name="one-stage")
def pipeline(settings: str, store: str, observations: str) -> None:
    """One task."""
    stack(settings=settings, store=store, observations=observations)


@pytest.fixture(params=["process", "container"])
def engine(request, s3, tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    if request.param == "process":
        return ProcessEngine(grace=1)
    service = request.getfixturevalue("podman_service")
    request.getfixturevalue("images")
    (tmp_path / "inputs").mkdir()
    return ContainerEngine(
        grace=1,
        host=service.host,
        network=NETWORK,
        environment=passed_on(),
        mounts={tmp_path / "inputs": "ro"},
    )


def test_a_stage_reads_and_writes_there_and_no_key_is_left(engine, s3, seaweed, tmp_path):
    made = made_up.make_observations(tmp_path / "made", None, DAYS)
    store = ArtifactStore.open(s3)
    with store.incoming() as incoming:
        shutil.copytree(made, incoming / "observations")
        observations = store.adopt(incoming / "observations", "observations")
    inputs = tmp_path / "inputs" / "observations"
    inputs.mkdir(parents=True)
    observations.write(inputs)
    settings = made_up.settings_of("stack", DAYS, step="4d", radar=["s1"], optical="s2")
    values = {
        "settings": settings.model_dump_json(),
        "store": s3,
        "observations": str(inputs),
    }
    package = compiled(pipeline, tmp_path)
    result = engine.run(package, values, root=tmp_path / "root")
    assert result.state == "SUCCEEDED", log_of(result)
    [reference] = (tmp_path / "root").glob("*/tasks/*/cube/reference.json")
    cube = Reference.read(reference)
    assert store.manifest(cube).inputs == {"observations": observations.content_hash}

    told = [package, *(path for path in (tmp_path / "root").rglob("*") if path.is_file())]
    assert REFERENCE in {path.name for path in told}
    told += list(store.folder(cube).rglob("*.json"))
    access, secret = (os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    for path in told:
        content = path.read_bytes()
        assert access.encode() not in content, path
        assert secret.encode() not in content, path


def log_of(result):
    return [Path(task.log).read_text() for task in result.tasks if task.log]
