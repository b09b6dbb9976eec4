"""The defects of kfp.local that `pipelines/engines/upstream.py` repairs, on the untouched library.

A test that fails here is good news: this version of kfp does better, and the repair can go.
"""

import builtins
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from docker.errors import NotFound
from google.protobuf import json_format
from kfp import dsl
from kfp.local import docker_task_handler, io, logging_utils, subprocess_task_handler
from kfp.local.cache import LocalCache
from kfp.local.orchestrator import enhanced_dag_orchestrator as orchestrator
from kfp.local.orchestrator import task_executor
from kfp.local.placeholder_utils import replace_placeholders
from kfp.local.status import Status
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.engines.upstream import ChannelStore, holds, repaired
from tests.pipelines.engines.small import compiled, gather, plan, work

CELLS = [{"cell": "a", "key": "1"}, {"cell": "b", "key": "2"}]
GONE = "kfp.local no longer does this: drop the repair in pipelines/engines/upstream.py"


@dsl.pipeline(name="loop")
def loop(items: str = "[]") -> None:
    made = plan(items=items)
    said = gather(done=[], says="text of another task")
    with dsl.ParallelFor(made.outputs["cells"]) as item:
        done = work(cell=item.cell, key=item.key, extra=said.outputs["verdict"])
    gather(done=dsl.Collected(done.outputs["done"]), says="end")


@dsl.pipeline(name="loop-over-a-parameter")
def loop_over_a_parameter(cells: list) -> None:
    said = gather(done=[], says="text of another task")
    with dsl.ParallelFor(cells) as item:
        done = work(cell=item.cell, key=item.key, extra=said.outputs["verdict"])
    gather(done=dsl.Collected(done.outputs["done"]), says="end")


@dsl.pipeline(name="condition")
def condition() -> None:
    said = gather(done=[], says="passed")
    with dsl.If(said.outputs["verdict"] != "failed"):
        gather(done=[], says="inside")


@contextmanager
def still_raises(error: type[Exception], match: str = "") -> Iterator[None]:
    found: Exception | None = None
    try:
        yield
    except error as raised:
        found = raised
    assert found is not None, GONE
    assert match in str(found)


def walk(package: Path, arguments: dict, seen: dict, *, cells: list) -> Status:
    """Let kfp.local's orchestrator walk a pipeline whose tasks only say what they were given."""
    document = next(yaml.safe_load_all(package.read_text()))
    spec = json_format.ParseDict(document, pipeline_spec_pb2.PipelineSpec())

    def run(*, task_name: str, task_spec: object, io_store: io.IOStore, **_: object) -> tuple:
        resolve = orchestrator.OrchestratorUtils.make_task_arguments
        seen.setdefault(task_name, []).append(resolve(task_spec.inputs, io_store))
        outputs = {"cells": cells, "count": 2, "index": None, "verdict": "passed", "done": 1}
        return outputs, Status.SUCCESS

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task_executor, "execute_single_task", run)
        _, status = orchestrator.run_enhanced_dag(
            pipeline_resource_name="run",
            dag_component_spec=spec.root,
            executors={},
            components=dict(spec.components.items()),
            dag_arguments=arguments,
            pipeline_root="root",
            runner=None,
            unique_pipeline_id="1",
            fail_stack=[],
        )
    return status


def test_a_loop_over_a_task_s_output_is_not_found(tmp_path: Path) -> None:
    package = compiled(loop, tmp_path)
    with still_raises(ValueError, "plan-cells"):
        walk(package, {}, {}, cells=CELLS)
    with repaired(task_executor.execute_single_task, 2):
        seen: dict = {}
        assert walk(package, {}, seen, cells=CELLS) == Status.SUCCESS
    assert sorted(task["cell"] for task in seen["work"]) == ["a", "b"]
    assert seen["gather-2"] == [{"done": [1, 1], "says": "end"}]


def test_other_inputs_of_a_loop_become_its_item(tmp_path: Path) -> None:
    package = compiled(loop_over_a_parameter, tmp_path)
    seen: dict = {}
    walk(package, {"cells": CELLS}, seen, cells=[])
    assert {json.dumps(task["extra"]) for task in seen["work"]} != {'"passed"'}, GONE
    seen = {}
    with repaired(task_executor.execute_single_task, 2):
        walk(package, {"cells": CELLS}, seen, cells=[])
    assert [task["extra"] for task in seen["work"]] == ["passed", "passed"]


def test_a_loop_over_nothing_collects_nothing_not_even_an_empty_list(tmp_path: Path) -> None:
    package = compiled(loop_over_a_parameter, tmp_path)
    with still_raises(ValueError, "for-loop"):
        walk(package, {"cells": []}, {}, cells=[])
    seen: dict = {}
    with repaired(task_executor.execute_single_task, 2):
        assert walk(package, {"cells": []}, seen, cells=[]) == Status.SUCCESS
    assert seen["gather-2"] == [{"done": [], "says": "end"}]


def test_a_condition_over_a_task_s_output_is_false_without_a_word(tmp_path: Path) -> None:
    package = compiled(condition, tmp_path)
    seen: dict = {}
    assert walk(package, {}, seen, cells=[]) == Status.SUCCESS
    assert "gather-2" not in seen, GONE
    with repaired(task_executor.execute_single_task, 2):
        walk(package, {}, seen, cells=[])
    assert "gather-2" in seen


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("inputs.parameter_values['pipelinechannel--evaluate-verdict'] != 'failed'", True),
        ("inputs.parameter_values['pipelinechannel--evaluate-verdict'] == 'failed'", False),
        ("int(inputs.parameter_values['pipelinechannel--plan-count']) > 2", True),
        ("!(int(inputs.parameter_values['pipelinechannel--plan-count']) > 2)", False),
        ("!(1 > 2) && inputs.parameter_values['pipelinechannel--drift-retrain'] == true", True),
        ("1 > 2 || inputs.parameter_values['pipelinechannel--drift-retrain'] == false", False),
    ],
)
def test_conditions_hold_as_on_a_cluster(condition: str, expected: bool) -> None:
    store = ChannelStore()
    store.put_task_output("evaluate", "verdict", 'it isn\'t "failed"')
    store.put_task_output("plan", "count", 3)
    store.put_task_output("drift", "retrain", True)
    assert holds(condition, store) is expected


def test_a_condition_over_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(ValueError, match="evaluate-verdict"):
        holds("inputs.parameter_values['pipelinechannel--evaluate-verdict'] == 'x'", ChannelStore())


def test_a_loop_gets_two_workers_at_most() -> None:
    assert orchestrator.ParallelExecutor(8).max_workers == 2, GONE
    with repaired(task_executor.execute_single_task, 8):
        assert orchestrator.ParallelExecutor().conservative_max == 8


@pytest.mark.parametrize(
    "placeholder",
    [dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER, dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER],
)
def test_times_are_unknown_placeholders(placeholder: str) -> None:
    def resolve() -> list[str]:
        return replace_placeholders([placeholder], {"outputs": {"outputFile": ""}}, "", "", "", "")

    with still_raises(IndexError):
        resolve()
    with repaired(task_executor.execute_single_task, 2):
        (text,) = resolve()
    assert text.endswith("Z")


def test_processes_refuse_container_components() -> None:
    with still_raises(RuntimeError, "Container Component"):
        subprocess_task_handler.SubprocessTaskHandler("python", ["true"], "/", None)


def test_a_failed_container_is_a_success() -> None:
    container = Mock()
    container.logs.return_value = []
    container.wait.side_effect = NotFound("removed by itself before it was asked")
    client = Mock()
    client.containers.run.return_value = container
    client.images.list.return_value = []
    code = docker_task_handler.run_docker_container(client, "image:1", ["false"], {})
    assert code == 0, GONE
    assert client.containers.run.call_args.kwargs["auto_remove"], GONE


def test_redirected_prints_pile_up(capsys: pytest.CaptureFixture[str]) -> None:
    # Two threads that enter and leave in turns leave the first one's redirection behind.
    stock = builtins.print
    first, second = logging_utils.indented_print(), logging_utils.indented_print()
    try:
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        assert builtins.print is not stock, GONE
    finally:
        builtins.print = stock


def test_an_artifact_without_a_file_is_never_found_in_the_cache(tmp_path: Path) -> None:
    # Not repaired: the stages write a file for every artifact.
    cache = LocalCache(str(tmp_path))
    artifact = dsl.Dataset(name="maps", uri=str(tmp_path / "maps"))
    cache.put("key", {"maps": artifact})
    assert cache.get("key") is None, "kfp.local no longer needs a file per artifact"
    (tmp_path / "maps").touch()
    assert cache.get("key")["maps"].uri == artifact.uri
