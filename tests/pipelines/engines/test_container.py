"""The same pipelines as containers, through Podman's service with Docker's API."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from kfp import dsl, kubernetes

from groundshift.errors import SettingsError
from pipelines.engines import ContainerEngine, RunResult
from tests.pipelines.engines.small import compiled, script
from tests.pipelines.engines.test_process import (
    CELLS,
    by_name,
    environment,
    fragile,
    limited,
    training,
)

NETWORK = "host"
"""A plain machine's Podman has no bridge."""


def engine(host: str, **options: object) -> ContainerEngine:
    return ContainerEngine(
        **{"workers": 2, "grace": 1, "network": NETWORK, "host": host, **options}
    )


def run(pipeline: object, folder: Path, *, by: ContainerEngine, **arguments: object) -> RunResult:
    return by.run(compiled(pipeline, folder), arguments, root=folder / "root")


def test_the_shape_of_the_training_pipeline(host: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    result = run(
        training,
        tmp_path,
        by=engine(host, mounts={outside: "rw"}),
        items=json.dumps(CELLS),
        status=str(outside / "status.json"),
    )
    assert result.state == "SUCCEEDED"
    tasks = result.folder / "tasks"
    assert (tasks / "copy-0" / "result").read_text() == "a 1 demo"
    assert (tasks / "work-2-1" / "result").read_text() == "b 2 regional"
    assert (tasks / "work-3-1" / "result").read_text() == "b 2 passed"
    assert json.loads((outside / "status.json").read_text())["state"] == "SUCCEEDED"
    assert (tasks / "copy-0" / "result").stat().st_uid == os.getuid()
    again = run(
        training,
        tmp_path,
        by=engine(host, mounts={outside: "rw"}),
        items=json.dumps(CELLS),
        status=str(outside / "status.json"),
    )
    assert {task.state for task in again.tasks if task.name not in ("plan", "notify")} == {"CACHED"}


@pytest.mark.parametrize(
    ("code", "codes"),
    [
        ("print('last words'); raise SystemExit(1)", (1, 1)),
        ("print('last words'); raise SystemExit(2)", (2,)),
    ],
)
def test_failure_is_failure(host: str, tmp_path: Path, code: str, codes: tuple[int, ...]) -> None:
    status = tmp_path / "root" / "status.json"
    result = run(fragile, tmp_path, by=engine(host), code=code, status=str(status))
    assert result.state == "FAILED"
    (failed,) = result.failed
    assert failed.codes == codes
    assert Path(failed.log).read_text() == "last words\n"
    assert [task.name for task in result.tasks] == ["script", "notify"]
    assert json.loads(status.read_text())["state"] == "FAILED"


def test_a_transient_failure_is_tried_again(host: str, tmp_path: Path) -> None:
    marker = tmp_path / "root" / "marker"
    code = (
        "import pathlib\n"
        f"marker = pathlib.Path({str(marker)!r})\n"
        "known = marker.exists()\n"
        "marker.touch()\n"
        "raise SystemExit(0 if known else 4)"
    )
    status = str(tmp_path / "root" / "status.json")
    result = run(fragile, tmp_path, by=engine(host), code=code, status=status)
    assert result.state == "SUCCEEDED"
    assert by_name(result)["script"].codes == (4, 0)


def test_out_of_memory(host: str, tmp_path: Path) -> None:
    result = run(limited, tmp_path, by=engine(host), code="taken = b'x' * (200 << 20)")
    assert result.state == "FAILED"
    assert result.failed[0].codes == (137,)
    assert result.failed[0].reason == "killed, most likely above its 120 MiB of memory"


def test_time_out(host: str, tmp_path: Path) -> None:
    code = "import time; print('waiting', flush=True); time.sleep(60)"
    result = run(limited, tmp_path, by=engine(host), code=code)
    assert result.state == "FAILED"
    assert result.failed[0].reason == "ran longer than its 2 s"
    assert Path(result.failed[0].log).read_text() == "waiting\n"


def test_long_logs_are_whole(host: str, tmp_path: Path) -> None:
    code = "for line in range(20000): print('line', line)"
    result = run(limited, tmp_path, by=engine(host), code=code)
    lines = Path(result.tasks[0].log).read_text().splitlines()
    assert lines == [f"line {number}" for number in range(20000)]


@dsl.pipeline(name="confined")
def confined(code: str) -> None:
    task = script(code=code)
    kubernetes.mount_pvc(task, "store", "/store")
    kubernetes.add_ephemeral_volume(task, "scratch", "/scratch", ["ReadWriteOnce"], "1Gi")
    kubernetes.empty_dir_mount(task, "shared", "/dev/shm", medium="Memory", size_limit="16Mi")


CONFINED = """
import os, pathlib
for path in ("/etc/x", "/usr/x", "/tmp/x", "/scratch/x", "/store/x", "/dev/shm/x"):
    try:
        pathlib.Path(path).write_text("x")
        print(path, "written")
    except OSError:
        print(path, "refused")
status = pathlib.Path("/proc/self/status").read_text()
print(os.getuid(), status.count("CapEff:\\t0000000000000000"))
"""


def test_a_container_is_confined(host: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    result = run(confined, tmp_path, by=engine(host, claims={"store": store}), code=CONFINED)
    assert Path(result.tasks[0].log).read_text().splitlines() == [
        "/etc/x refused",
        "/usr/x refused",
        "/tmp/x written",
        "/scratch/x written",
        "/store/x written",
        "/dev/shm/x written",
        f"{os.getuid()} 1",
    ]
    assert (store / "x").exists()
    assert not list((result.folder / "scratch").iterdir())


def test_only_what_is_named_enters(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "from the environment")
    monkeypatch.setenv("OWN", "not this")
    result = run(environment, tmp_path, by=engine(host, environment={"ENGINE": "x"}))
    assert Path(result.tasks[0].log).read_text().splitlines() == [
        f"GROUNDSHIFT_RUN_ID {result.run}",
        "ENGINE x",
        "TOKEN from the environment",
        "OTHER None",
        "OWN from the pipeline",
    ]


def test_tasks_begin_in_the_engine_s_folder_and_see_what_is_mounted(
    host: str, tmp_path: Path
) -> None:
    for name in ("inputs", "private"):
        (tmp_path / name).mkdir()
    by = engine(host, folder=tmp_path, mounts={tmp_path / "inputs": "ro"})
    result = run(limited, tmp_path, by=by, code="import os; print(sorted(os.listdir()))")
    assert Path(result.tasks[0].log).read_text() == "['inputs', 'root']\n"


@dsl.pipeline(name="endless")
def endless() -> None:
    script(code="import time; time.sleep(600)")


@pytest.fixture
def engine_at_work(host: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An engine in a process of its own, with one container running."""
    program = (
        "import pathlib, sys\n"
        "from pipelines.engines import ContainerEngine\n"
        "package, root = map(pathlib.Path, sys.argv[1:3])\n"
        f"engine = ContainerEngine(host=sys.argv[3], network={NETWORK!r}, grace=1)\n"
        "result = engine.run(package, {}, root=root)\n"
        "sys.exit(str([str(task.codes) for task in result.failed]))\n"
    )
    package = compiled(endless, tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(package), str(tmp_path / "root"), host],
        stderr=subprocess.PIPE,
    )
    try:
        while not containers(host, tmp_path):
            assert process.poll() is None
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()
        for container in containers(host, tmp_path):
            container.remove(force=True)


def containers(host: str, folder: Path) -> list[Container]:
    """The running containers of the root in a test's folder."""
    client = docker.DockerClient(base_url=host)
    try:
        return client.containers.list(filters={"label": f"groundshift.root={folder / 'root'}"})
    finally:
        client.close()


def test_a_killed_container_has_failed(
    host: str, tmp_path: Path, engine_at_work: "subprocess.Popen[bytes]"
) -> None:
    containers(host, tmp_path)[0].kill()
    assert b"(137,)" in engine_at_work.communicate(timeout=60)[1]


def test_an_interrupted_engine_ends_its_containers(
    host: str, tmp_path: Path, engine_at_work: "subprocess.Popen[bytes]"
) -> None:
    engine_at_work.terminate()
    assert b"Run the same command again" in engine_at_work.communicate(timeout=60)[1]
    assert not containers(host, tmp_path)


def test_what_a_killed_engine_left_is_removed(
    host: str, tmp_path: Path, engine_at_work: "subprocess.Popen[bytes]"
) -> None:
    engine_at_work.send_signal(signal.SIGKILL)
    engine_at_work.communicate(timeout=60)
    assert containers(host, tmp_path)
    assert run(limited, tmp_path, by=engine(host), code="pass").state == "SUCCEEDED"
    assert not containers(host, tmp_path)


def test_a_claim_without_a_folder_is_refused(host: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="volume claims store"):
        run(confined, tmp_path, by=engine(host), code="pass")


def test_no_service_is_told(tmp_path: Path) -> None:
    nobody = f"unix://{tmp_path}/nobody.sock"
    with pytest.raises(SettingsError, match="no container engine answers"):
        run(limited, tmp_path, by=engine(nobody), code="pass")
