"""Pipelines as processes: values, failures, limits, the cache, and being killed."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kfp import dsl, kubernetes

from groundshift.errors import SettingsError
from pipelines.engines import ProcessEngine, RunResult, TaskResult
from tests.pipelines.engines.small import (
    compiled,
    copy,
    engine_command,
    gather,
    notify,
    plan,
    script,
    spec,
    work,
)

CELLS = [{"cell": "a", "key": "1"}, {"cell": "b", "key": "2"}]
ENGINE = ProcessEngine(workers=2, grace=1)


def run(
    pipeline: Callable[..., object],
    folder: Path,
    *,
    engine: ProcessEngine = ENGINE,
    caching: bool = True,
    **arguments: object,
) -> RunResult:
    return engine.run(compiled(pipeline, folder), arguments, root=folder / "root", caching=caching)


def by_name(result: RunResult) -> dict[str, TaskResult]:
    return {task.name: task for task in result.tasks}


@dsl.pipeline(name="training")
def training(items: str, status: str, verdict: str = "passed", area: str = "demo") -> None:
    """The shape of the training pipeline: see the design of the pipelines."""
    with dsl.ExitHandler(notify(to=status)):
        made = plan(items=items).set_caching_options(False)
        with dsl.ParallelFor(made.outputs["cells"], parallelism=2) as item:
            first = work(cell=item.cell, key=item.key, extra=area)
            second = copy(source=first.outputs["result"])
        joined = gather(done=dsl.Collected(second.outputs["done"]), says="regional")
        with dsl.ParallelFor(made.outputs["cells"]) as item:
            third = work(cell=item.cell, key=item.key, extra=joined.outputs["verdict"])
        judged = gather(done=dsl.Collected(third.outputs["done"]), says=verdict)
        with dsl.If(judged.outputs["verdict"] != "failed"):
            with dsl.ParallelFor(made.outputs["cells"]) as item:
                last = work(cell=item.cell, key=item.key, extra=judged.outputs["verdict"])
            gather(done=dsl.Collected(last.outputs["done"]))


def test_the_shape_of_the_training_pipeline(tmp_path: Path) -> None:
    status = tmp_path / "status.json"
    result = run(training, tmp_path, items=json.dumps(CELLS), status=str(status))
    assert result.state == "SUCCEEDED"
    tasks = result.folder / "tasks"
    assert (tasks / "copy-0" / "result").read_text() == "a 1 demo"
    assert (tasks / "work-2-1" / "result").read_text() == "b 2 regional"
    assert (tasks / "work-3-1" / "result").read_text() == "b 2 passed"
    assert by_name(result)["work-1"].cell == "b"
    names = [task.name for task in result.tasks]
    assert names[0] == "plan"
    assert names[-2:] == ["gather-3", "notify"]
    assert max(map(names.index, ("copy-0", "copy-1"))) < names.index("gather")
    told = json.loads(status.read_text())
    assert told["state"] == "SUCCEEDED"
    assert told["pipelineJobResourceName"] == result.run
    assert RunResult.read(result.folder) == result


def test_a_gate_that_stays_shut(tmp_path: Path) -> None:
    items, status = json.dumps(CELLS), str(tmp_path / "status.json")
    result = run(training, tmp_path, items=items, status=status, verdict="failed")
    assert result.state == "SUCCEEDED"
    assert not {"work-3-0", "gather-3"} & by_name(result).keys()


def test_no_cells_at_all(tmp_path: Path) -> None:
    result = run(training, tmp_path, items="[]", status=str(tmp_path / "status.json"))
    assert [task.name for task in result.tasks] == [
        "plan",
        "gather",
        "gather-2",
        "gather-3",
        "notify",
    ]
    assert result.state == "SUCCEEDED"


@dsl.pipeline(name="fragile")
def fragile(code: str, status: str) -> None:
    with dsl.ExitHandler(notify(to=status)):
        tried = script(code=code).set_caching_options(False)
        tried.set_retry(num_retries=1, backoff_duration="0s", backoff_factor=1)
        script(code="print('downstream')").after(tried)


@pytest.mark.parametrize(
    ("code", "codes", "reason"),
    [
        ("raise SystemExit(1)", (1, 1), "exit code 1"),
        ("raise SystemExit(2)", (2,), "exit code 2"),
        ("raise SystemExit(4)", (4, 4), "exit code 4"),
        ("import os; os.kill(os.getpid(), 9)", (-9, -9), "killed by signal 9"),
    ],
)
def test_failure_is_failure(tmp_path: Path, code: str, codes: tuple[int, ...], reason: str) -> None:
    status = tmp_path / "status.json"
    result = run(fragile, tmp_path, code=code, status=str(status))
    assert result.state == "FAILED"
    (failed,) = result.failed
    assert (failed.name, failed.codes, failed.reason) == ("script", codes, reason)
    assert [task.name for task in result.tasks] == ["script", "notify"]
    told = json.loads(status.read_text())
    assert told["state"] == "FAILED"
    assert told["error"]["message"] == "failed: script"


def test_a_transient_failure_is_tried_again(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    code = (
        "import pathlib\n"
        f"marker = pathlib.Path({str(marker)!r})\n"
        "known = marker.exists()\n"
        "marker.touch()\n"
        "raise SystemExit(0 if known else 4)"
    )
    result = run(fragile, tmp_path, code=code, status=str(tmp_path / "status"))
    assert result.state == "SUCCEEDED"
    assert by_name(result)["script"].codes == (4, 0)
    assert {log.name for log in (result.folder / "logs").glob("script-[0-9].log")} == {
        "script-1.log",
        "script-2.log",
    }


@dsl.pipeline(name="limited")
def limited(code: str) -> None:
    task = script(code=code).set_memory_limit("120Mi").set_cpu_limit("1")
    kubernetes.set_timeout(task, 2)


def test_out_of_memory(tmp_path: Path) -> None:
    # A child of the task takes the memory: the whole group counts, and the whole group ends.
    hungry = "import time; taken = b'x' * (200 << 20); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}])"
    result = run(limited, tmp_path, code=code)
    assert result.state == "FAILED"
    assert result.failed[0].reason == "out of memory: used more than its 120 MiB"


def test_mapped_files_are_no_memory_of_a_task(tmp_path: Path) -> None:
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(200 << 20)
    code = (
        "import mmap, time\n"
        f"file = open({str(big)!r}, 'rb')\n"
        "view = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "view.find(b'x')\n"
        "time.sleep(1.2)"
    )
    assert run(limited, tmp_path, code=code).state == "SUCCEEDED"


def test_time_out_ends_the_whole_process_group(tmp_path: Path) -> None:
    child = tmp_path / "child"
    code = (
        "import subprocess\n"
        "process = subprocess.Popen(['sleep', '100'])\n"
        f"open({str(child)!r}, 'w').write(str(process.pid))\n"
        "process.wait()"
    )
    result = run(limited, tmp_path, code=code)
    assert result.state == "FAILED"
    assert result.failed[0].reason == "ran longer than its 2 s"
    assert ended(int(child.read_text()))


def ended(process: int) -> bool:
    """Whether a process is gone (or a zombie that nobody has collected) within some seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


@dsl.container_component
def silent(answer: dsl.OutputPath(str)) -> dsl.ContainerSpec:
    return spec("print('done, I believe')", answer)


@dsl.pipeline(name="forgetful")
def forgetful() -> None:
    silent()


def test_a_task_that_writes_no_output_has_failed(tmp_path: Path) -> None:
    result = run(forgetful, tmp_path)
    assert result.state == "FAILED"
    assert "wrote no output answer" in result.failed[0].reason


@dsl.pipeline(name="environment")
def environment() -> None:
    code = (
        "import os\n"
        "for name in ('GROUNDSHIFT_RUN_ID', 'ENGINE', 'TOKEN', 'OTHER', 'OWN'):\n"
        "    print(name, os.environ.get(name))"
    )
    task = script(code=code).set_env_variable("OWN", "from the pipeline")
    kubernetes.use_secret_as_env(task, "catalogue", {"token": "TOKEN", "other": "OTHER"})


def test_variables_and_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TOKEN", "from the environment")
    secrets = tmp_path / ".env"
    secrets.write_text("# secrets\nTOKEN=from the file\n")
    engine = ProcessEngine(environment={"ENGINE": "from the engine"}, env_file=secrets)
    result = run(environment, tmp_path, engine=engine)
    assert Path(result.tasks[0].log).read_text().splitlines() == [
        f"GROUNDSHIFT_RUN_ID {result.run}",
        "ENGINE from the engine",
        "TOKEN from the environment",
        "OTHER None",
        "OWN from the pipeline",
    ]
    assert "script asks for secrets" in caplog.text
    assert "OTHER" in caplog.text
    assert "from the file" not in caplog.text


@dsl.container_component
def described(text: str, place: str, result: dsl.Output[dsl.Dataset]) -> dsl.ContainerSpec:
    """Writes an artifact and says what it holds, as the stages do."""
    code = (
        "import json, pathlib, sys\n"
        "text, place, path, told = sys.argv[1:]\n"
        "outputs = json.loads(told)['outputs']\n"
        "pathlib.Path(path).write_text(text + place)\n"
        "artifact = outputs['artifacts']['result']['artifacts'][0]\n"
        "artifact['metadata'] = {'content_hash': text}\n"
        "told = {'artifacts': {'result': {'artifacts': [artifact]}}}\n"
        "pathlib.Path(outputs['outputFile']).write_text(json.dumps(told))\n"
    )
    return spec(code, text, place, result.path, "{{$}}")


@dsl.pipeline(name="cached")
def cached(text: str, place: str = "here") -> None:
    made = described(text=text, place=place).set_caching_options(False)
    first = copy(source=made.outputs["result"])
    copy(source=first.outputs["result"])
    script(code=f"print('{dsl.PIPELINE_JOB_ID_PLACEHOLDER}')")


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    def done(**arguments: object) -> set[str]:
        result = run(cached, tmp_path, **arguments)
        assert len(result.tasks) == 4
        return {task.name for task in result.tasks if task.state == "SUCCEEDED"}

    every = {"described", "copy", "copy-2", "script"}
    assert done(text="a") == every
    assert done(text="a") == {"described"}  # the run's id in a command changes nothing
    # What the uncached task made says the same, wherever it lies.
    assert done(text="a", place="there") == {"described"}
    assert done(text="b") == {"described", "copy", "copy-2"}
    assert done(text="a", caching=False) == every


def test_tasks_begin_in_the_engine_s_folder(tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    engine = ProcessEngine(folder=tmp_path)
    assert run(limited, tmp_path, engine=engine, code="open('inputs/x', 'w')").state == "SUCCEEDED"
    assert (tmp_path / "inputs" / "x").exists()


def test_arguments_that_don_t_fit(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unknown: texts, missing: text"):
        run(cached, tmp_path, texts="a")


def test_what_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("area: demo\n")
    with pytest.raises(SettingsError, match="expected a compiled pipeline"):
        ENGINE.run(path, {}, root=tmp_path)


@dsl.container_component
def waiting(started: str, release: str) -> dsl.ContainerSpec:
    """Says that it has started, then waits to be let go."""
    code = (
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))\n"
        "while not os.path.exists(sys.argv[2]):\n"
        "    time.sleep(.05)\n"
    )
    return spec(code, started, release)


@dsl.pipeline(name="slow")
def slow(started: str, release: str, status: str) -> None:
    with dsl.ExitHandler(notify(to=status)):
        first = script(code="print('quick')")
        waiting(started=started, release=release).after(first)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_ended_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    started, release = tmp_path / "started", tmp_path / "release"
    status = tmp_path / "status.json"
    arguments = {"started": str(started), "release": str(release), "status": str(status)}
    package, root = compiled(slow, tmp_path), tmp_path / "root"
    command = engine_command(package, json.dumps(arguments), root)
    engine = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (started.exists() and started.read_text()):
        assert engine.poll() is None
        time.sleep(0.05)
    os.kill(engine.pid, number)
    said = engine.communicate(timeout=30)[1]
    assert engine.returncode != 0
    assert ended(int(started.read_text()))
    assert not status.exists()
    (killed,) = (path.parent for path in root.glob("*/run.json"))
    if number == signal.SIGKILL:
        assert RunResult.read(killed).state == "RUNNING"
    else:
        assert RunResult.read(killed).state == "INTERRUPTED"
        assert "Run the same command again" in said

    release.touch()
    result = ENGINE.run(package, arguments, root=root)
    assert {name: task.state for name, task in by_name(result).items()} == {
        "script": "CACHED",
        "waiting": "SUCCEEDED",
        "notify": "SUCCEEDED",
    }
