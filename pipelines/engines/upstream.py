"""What kfp.local gets wrong, put right while a run lasts.

kfp.local walks the pipeline: order, loops, conditions, the exit handler. These repairs are for kfp
2.17; `tests/pipelines/engines/test_upstream.py` shows every defect on the untouched library, so
that a version without one is noticed and the repair can go.

- **One task**: kfp.local refuses containers as processes, calls a failed container a success,
  waits and repeats whatever the exit code is, and redirects logging and `print` for the whole
  process anew in each thread, so that logs grow without bound. Our own function runs a task.
- **Loops and conditions over another task's output** (`ParallelFor(plan.outputs["cells"])`,
  `If(evaluate.outputs["verdict"] == …)`) find nothing where the compiler put them into the same
  part of the pipeline: the loop raises, and the condition is false without a word.
- **A loop's other inputs** from a task of the same part are replaced by the loop's item.
- **A loop over nothing** leaves `Collected` without a value.
- **Two workers** are the most that a loop gets.
- **Logging** goes to the root logger: several lines per task, whatever the program wants to read.
- **The times** a run was created and scheduled are unknown placeholders (`IndexError`).
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from kfp import dsl
from kfp.local import cache, io, placeholder_utils
from kfp.local.orchestrator import (
    enhanced_dag_orchestrator,
    orchestrator_utils,
    task_executor,
    task_spec_utils,
)

_CHANNEL = "pipelinechannel--"
_OPERATORS = ((r"&&", " and "), (r"\|\|", " or "), (r"!(?!=)", " not "))


@contextmanager
def repaired(execute: Callable[..., Any], workers: int) -> Iterator[None]:
    """Run pipelines with kfp.local's orchestrator put right.

    Args:
        execute: runs one task, in place of `task_executor.execute_single_task`.
        workers: how many iterations of a loop run at once.
    """
    orchestrator = enhanced_dag_orchestrator
    log = logging.getLogger("kfp.local")
    log.setLevel(logging.WARNING)
    with ExitStack() as stack:
        for module in (orchestrator, orchestrator_utils, task_spec_utils, cache):
            stack.enter_context(patch.object(module, "logging", log))
        for owner, name, replacement in (
            (task_executor, "execute_single_task", execute),
            (io, "IOStore", ChannelStore),
            (orchestrator, "ParallelExecutor", _parallel_executor(workers)),
            (orchestrator, "_run_parallel_for_task", _loop(orchestrator._run_parallel_for_task)),
            (orchestrator.ConditionEvaluator, "evaluate_condition", staticmethod(holds)),
            (
                placeholder_utils,
                "resolve_individual_placeholder",
                _with_times(placeholder_utils.resolve_individual_placeholder),
            ),
        ):
            stack.enter_context(patch.object(owner, name, replacement))
        yield


class ChannelStore(io.IOStore):  # type: ignore[misc] # kfp has no types
    """Values of one part of the pipeline, where outputs are found by the compiler's names too."""

    def put_task_output(self, task_name: str, key: str, value: Any) -> None:
        """Keep an output of a task."""
        super().put_task_output(task_name, key, value)
        self.put_parent_input(f"{_CHANNEL}{task_name}-{key}", value)


def holds(condition: str, io_store: io.IOStore) -> bool:
    """Evaluate a condition such as `inputs.parameter_values['…-verdict'] != 'failed'`.

    Raises:
        ValueError: a value it names doesn't exist.
    """
    expression = condition
    for operator, word in _OPERATORS:
        expression = re.sub(operator, word, expression)
    values = SimpleNamespace(parameter_values=_Values(io_store))
    names = {"inputs": values, "true": True, "false": False, "null": None}
    types = {"int": int, "float": float, "string": str, "bool": bool}
    return bool(eval(expression.strip(), {"__builtins__": types}, names))


class _Values:
    """Looks parameters up as a condition names them."""

    def __init__(self, io_store: io.IOStore) -> None:
        self._store = io_store

    def __getitem__(self, name: str) -> Any:
        return self._store.get_parent_input(name)


def _parallel_executor(workers: int) -> Callable[[], Any]:
    stock = enhanced_dag_orchestrator.ParallelExecutor

    def make() -> Any:
        executor = stock()
        executor.conservative_max = executor.max_workers = workers
        return executor

    return make


def _loop(stock: Callable[..., bool]) -> Callable[..., bool]:
    def run(*, task_name: str, task_spec: Any, components: Any, io_store: Any, **rest: Any) -> bool:
        definitions = components[task_spec.component_ref.name].output_definitions
        for output in (*definitions.parameters, *definitions.artifacts):
            io_store.put_task_output(task_name, output, [])  # what remains of a loop over nothing
        task = type(task_spec)()
        task.CopyFrom(task_spec)
        for name, value in task.inputs.parameters.items():
            if value.HasField("task_output_parameter"):
                value.component_input_parameter = name  # the channel's name: see ChannelStore
        return stock(
            task_name=task_name, task_spec=task, components=components, io_store=io_store, **rest
        )

    return run


def _with_times(stock: Callable[..., Any]) -> Callable[..., Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    times = (
        dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER,
        dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER,
    )

    def resolve(element: str, **rest: Any) -> Any:
        for placeholder in times:
            element = element.replace(placeholder, now)
        return stock(element, **rest)

    return resolve
