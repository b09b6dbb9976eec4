"""What the engines read from a compiled pipeline."""

import threading
from pathlib import Path

import pytest
from kfp import dsl, kubernetes

from groundshift.errors import SettingsError
from pipelines.engines import ContainerEngine
from pipelines.engines.package import Demands, Package, quantity, read_environment
from pipelines.engines.tasks import Attempt
from tests.pipelines.engines.small import compiled, script


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("500m", 0.5), ("1Ki", 1024), ("1.5Gi", 1.5 * 2**30), ("3k", 3000), ("2G", 2e9)],
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "Gi", "1Q", "1 Gi", "1mi", "one"])
def test_no_quantities(text: str) -> None:
    with pytest.raises(SettingsError, match="expected a quantity"):
        quantity(text)


@dsl.pipeline(name="demanding")
def demanding() -> None:
    script(code="modest")
    task = script(code="demanding")
    task.set_cpu_limit("500m").set_memory_limit("2Gi")
    task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
    kubernetes.set_timeout(task, 90)
    kubernetes.use_secret_as_env(task, "catalogue", {"id": "CATALOGUE_ID"})
    kubernetes.use_config_map_as_env(task, "tracking", {"uri": "TRACKING"}, optional=True)
    kubernetes.mount_pvc(task, "store", "/store", sub_path="groundshift")
    kubernetes.add_ephemeral_volume(task, "scratch", "/scratch", ["ReadWriteOnce"], "10Gi")
    kubernetes.empty_dir_mount(task, "cache", "/cache")
    kubernetes.empty_dir_mount(task, "shared", "/dev/shm", medium="Memory", size_limit="1Gi")


DEMANDS = Demands(
    cpu=0.5,
    memory=2 << 30,
    accelerators=1,
    timeout=90,
    secrets=frozenset({"CATALOGUE_ID", "TRACKING"}),
    required=frozenset({"CATALOGUE_ID"}),
    claims={"/store": ("store", "groundshift")},
    scratch=("/scratch", "/cache"),
    in_memory={"/dev/shm": 1 << 30},
)


def test_demands_of_a_task(tmp_path: Path) -> None:
    package = Package.load(compiled(demanding, tmp_path))
    assert package.demands == {"exec-script": Demands(), "exec-script-2": DEMANDS}


def test_demands_become_options_of_a_container(tmp_path: Path) -> None:
    run = tmp_path / "run"
    attempt = Attempt(
        name="train",
        image="image",
        command=["python3", "-m", "components.train"],
        environment={},
        demands=DEMANDS,
        run="run",
        folder=run / "tasks" / "train",
        scratch=run / "scratch",
        log=run / "log",
        stop=threading.Event(),
    )
    options = ContainerEngine(claims={"store": tmp_path / "claim"})._options(attempt)
    assert options["entrypoint"] == ["python3"]
    assert options["command"] == ["-m", "components.train"]
    assert options["nano_cpus"] == 500_000_000
    assert options["mem_limit"] == options["memswap_limit"] == 2 << 30
    assert options["device_requests"][0]["Count"] == 1
    assert options["tmpfs"]["/dev/shm"] == f"mode=1777,size={1 << 30}"
    assert options["read_only"]
    assert options["volumes"] == [
        f"{tmp_path}:{tmp_path}:rw",
        f"{tmp_path}/claim/groundshift:/store:rw",
        f"{run}/scratch/0:/scratch:rw",
        f"{run}/scratch/1:/cache:rw",
    ]


@dsl.pipeline(name="importing")
def importing() -> None:
    dsl.importer("s3://bucket/cube", dsl.Dataset)


def test_an_importer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not a container"):
        Package.load(compiled(importing, tmp_path))


def test_a_file_of_variables_completes_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWN", "from the environment")
    path = tmp_path / ".env"
    path.write_text("# NAME=comment\n\nKNOWN=file\nQUOTED='a=b'\nbare\n")
    values = read_environment(path)
    assert values["KNOWN"] == "from the environment"
    assert values["QUOTED"] == "a=b"
    assert not {"# NAME", "bare"} & values.keys()
