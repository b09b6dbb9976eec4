"""Small pipelines of trivial containers, compiled for the engines' tests."""

import sys
from collections.abc import Callable
from pathlib import Path

from kfp import compiler, dsl

from tests.containers import BASE

_WRITE = """
import pathlib, sys
for path, text in zip(sys.argv[1::2], sys.argv[2::2]):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(text)
"""


def spec(code: str, *arguments: object) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image=BASE, command=["python3", "-c", code], args=list(arguments))


@dsl.container_component
def script(code: str) -> dsl.ContainerSpec:
    """Runs a piece of Python."""
    return spec(code)


@dsl.container_component
def plan(
    items: str,
    cells: dsl.OutputPath(list),
    count: dsl.OutputPath(int),
    index: dsl.Output[dsl.Dataset],
) -> dsl.ContainerSpec:
    """Hands out cells (a JSON list), how many there are, and an artifact."""
    code = f"import json, sys; sys.argv[4] = str(len(json.loads(sys.argv[2])))\n{_WRITE}"
    return spec(code, cells, items, count, "", index.path, items)


@dsl.container_component
def work(
    cell: str, key: str, extra: str, done: dsl.OutputPath(int), result: dsl.Output[dsl.Dataset]
) -> dsl.ContainerSpec:
    """Writes what it was given into an artifact."""
    return spec(_WRITE, done, "1", result.path, f"{cell} {key} {extra}")


@dsl.container_component
def copy(
    source: dsl.Input[dsl.Dataset], done: dsl.OutputPath(int), result: dsl.Output[dsl.Dataset]
) -> dsl.ContainerSpec:
    """Copies an artifact."""
    code = (
        "import os, shutil, sys\n"
        "os.makedirs(os.path.dirname(sys.argv[2]), exist_ok=True)\n"
        "shutil.copy(sys.argv[1], sys.argv[2])\n"
        "open(sys.argv[3], 'w').write('1')"
    )
    return spec(code, source.path, result.path, done)


@dsl.container_component
def gather(done: list, verdict: dsl.OutputPath(str), says: str = "passed") -> dsl.ContainerSpec:
    """Waits for a loop and gives a verdict."""
    return spec(_WRITE, verdict, says)


@dsl.container_component
def notify(status: dsl.PipelineTaskFinalStatus, to: str) -> dsl.ContainerSpec:
    """Writes the final status into a file."""
    return spec(_WRITE, to, status)


def compiled(pipeline: Callable[..., object], folder: Path) -> Path:
    package = folder / f"{pipeline.name}.yaml"
    compiler.Compiler().compile(pipeline, str(package))
    return package


ENGINE_PROGRAM = """
import json, logging, resource, sys
from pathlib import Path
from pipelines.engines import ProcessEngine

logging.basicConfig(level=logging.INFO, format="%(message)s")
package, arguments, root, workers = sys.argv[1:]
engine = ProcessEngine(workers=int(workers), grace=1)
result = engine.run(Path(package), json.loads(arguments), root=Path(root))
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
"""


def engine_command(package: Path, arguments: str, root: Path, workers: int = 2) -> list[str]:
    """The command of a process that runs a package on the process engine."""
    return [sys.executable, "-c", ENGINE_PROGRAM, str(package), arguments, str(root), str(workers)]
