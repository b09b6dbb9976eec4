"""A fake cluster, a clock that only waiting moves, and small compiled pipelines."""

from collections.abc import Callable, Iterator
from pathlib import Path

import kfp
import pytest
import yaml

from pipelines.kubeflow.server import Connection, Server
from tests.pipelines.kubeflow.fake import FakeKubeflow


class Clock:
    """Time that passes while somebody waits; `then` is what happens meanwhile."""

    def __init__(self) -> None:
        self.now = 0.0
        self.then: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.then()


@pytest.fixture
def fake() -> Iterator[FakeKubeflow]:
    server = FakeKubeflow()
    yield server
    server.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(Server, "clock", staticmethod(clock))
    monkeypatch.setattr(Server, "pause", staticmethod(clock.pause))
    return clock


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no saved context, no credentials of whoever runs the tests."""
    for name in ("HOST", "NAMESPACE", "TOKEN", "TOKEN_FILE", "COOKIES", "CA_FILE"):
        monkeypatch.delenv(f"KFP_{name}", raising=False)
    context = str(tmp_path / "kfp" / "context.json")
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", context)


@pytest.fixture
def server(fake: FakeKubeflow, clock: Clock) -> Server:
    return Server(Connection(host=fake.host))


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    folder.mkdir()
    for name in ("training", "monitoring"):
        write_package(folder, name)
    return folder


def write_package(folder: Path, name: str, image: str = "image:1") -> Path:
    """A compiled pipeline of one task, with a platform document as kfp-kubernetes adds it."""
    pipeline = {
        "pipelineInfo": {"name": name},
        "deploymentSpec": {"executors": {"exec-fetch": {"container": {"image": image}}}},
        "root": {"dag": {"tasks": {}}},
        "schemaVersion": "2.1.0",
    }
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {}}}}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump_all([pipeline, platform]))
    return path


def arguments(
    pipeline: str, area: str, params: Path, overrides: tuple[str, ...] = (), as_of: str = ""
) -> dict[str, str]:
    """Stands for `pipelines.parameters.arguments`."""
    stride = next((text.partition("=")[2] for text in overrides), "1")
    return {"area": area, "infer_settings": f'{{"infer":{{"stride":{stride}}}}}', "as_of": as_of}
