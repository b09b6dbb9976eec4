"""A thousand cells with trivial work, some failing, and an engine that is killed on the way."""

import json
import random
import re
import signal
import subprocess
import time
from pathlib import Path

from kfp import dsl

from pipelines.engines import RunResult
from tests.containers import BASE
from tests.pipelines.engines.small import compiled, engine_command, gather, notify, plan

CELLS = 1000
WORKERS = 4
TRANSIENT = range(0, CELLS, 33)
"""3 % fail once with exit code 4."""
BROKEN = {"c0100", "c0500", "c0901"}
"""These fail whatever is tried, until somebody heals them."""

# A shell, since a thousand Pythons would take minutes. It notes every attempt at a cell.
TRIVIAL = """
cell=$1; notes=$2; output=$3
mkdir -p "$(dirname "$output")"
echo attempt >> "$notes/$cell"
echo "working on $cell"
case $cell in
    c0100|c0500|c0901) [ -e "$notes/healed" ] || exit 1 ;;
esac
if [ -e "$notes/fragile/$cell" ]; then rm "$notes/fragile/$cell"; exit 4; fi
echo 1 > "$output"
"""


@dsl.container_component
def trivial(cell: str, key: str, notes: str, done: dsl.OutputPath(int)) -> dsl.ContainerSpec:
    command = ["sh", "-c", TRIVIAL, "sh"]
    return dsl.ContainerSpec(image=BASE, command=command, args=[cell, notes, done])


@dsl.pipeline(name="many")
def many(items: str, notes: str, status: str) -> None:
    with dsl.ExitHandler(notify(to=status).set_caching_options(False)):
        made = plan(items=items).set_caching_options(False)
        with dsl.ParallelFor(made.outputs["cells"]) as item:
            done = trivial(cell=item.cell, key=item.key, notes=notes)
            done.set_retry(num_retries=1, backoff_duration="0s")
        gather(done=dsl.Collected(done.outputs["done"]))


class Runs:
    """Runs one and the same command, again and again."""

    def __init__(self, folder: Path, cells: int) -> None:
        self.notes = folder / "notes"
        (self.notes / "fragile").mkdir(parents=True)
        for number in TRANSIENT:
            (self.notes / "fragile" / f"c{number:04d}").touch()
        self.status, self.root = folder / "status.json", folder / "root"
        items = [{"cell": f"c{number:04d}", "key": "0"} for number in range(cells)]
        arguments = {
            "items": json.dumps(items),
            "notes": str(self.notes),
            "status": str(self.status),
        }
        package = compiled(many, folder)
        self.command = engine_command(package, json.dumps(arguments), self.root, WORKERS)

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def kill_at(self, cells: int) -> None:
        engine = self.start()
        while len(self.cells()) < cells:
            assert engine.poll() is None
            time.sleep(0.02)
        engine.send_signal(signal.SIGKILL)
        engine.communicate()

    def cells(self) -> list[Path]:
        return list(self.notes.glob("c*"))

    def finish(self) -> tuple[RunResult, str]:
        said = self.start().communicate(timeout=300)[1]
        newest = max(self.root.glob("*/run.json"), key=lambda path: path.stat().st_mtime)
        return RunResult.read(newest.parent), said


def test_a_thousand_cells_killed_twice(tmp_path: Path) -> None:
    runs = Runs(tmp_path, CELLS)
    chance = random.Random(4)
    runs.kill_at(chance.randrange(100, 400))
    runs.kill_at(chance.randrange(500, 900))
    assert not runs.status.exists()

    result, said = runs.finish()
    assert result.state == "FAILED"
    assert {task.cell for task in result.failed} == BROKEN
    assert {task.codes for task in result.failed} == {(1, 1)}
    assert not any(task.name == "gather" for task in result.tasks)
    told = json.loads(runs.status.read_text())
    assert told["state"] == "FAILED"
    assert set(re.findall(r"c\d{4}", told["error"]["message"])) == BROKEN
    assert len(runs.cells()) == CELLS

    (runs.notes / "healed").touch()
    before = {path.name: path.stat().st_size for path in runs.cells()}
    result, said = runs.finish()
    assert result.state == "SUCCEEDED"
    redone = {path.name for path in runs.cells() if path.stat().st_size != before[path.name]}
    assert redone == BROKEN
    assert json.loads(runs.status.read_text())["state"] == "SUCCEEDED"

    # Killed in the middle of at most WORKERS cells, twice; every other cell ran once.
    attempts = {path.name: len(path.read_text().splitlines()) for path in runs.cells()}
    expected = {f"c{number:04d}" for number in TRANSIENT} | BROKEN
    assert sum(name not in expected for name, n in attempts.items() if n > 1) <= 2 * WORKERS
    assert len(said) < 200 * CELLS


def test_memory_and_logs_stay_bounded(tmp_path: Path) -> None:
    def peak(cells: int) -> tuple[int, int, int]:
        """Bytes of the engine's memory, of its own log, and of the tasks' logs."""
        (tmp_path / str(cells)).mkdir()
        runs = Runs(tmp_path / str(cells), cells)
        (runs.notes / "healed").touch()
        result, said = runs.finish()
        assert result.state == "SUCCEEDED"
        logs = sum(path.stat().st_size for path in (result.folder / "logs").iterdir())
        return int(said.rsplit("peak ", 1)[1]), len(said), logs

    few, _, _ = peak(50)
    memory, said, logs = peak(CELLS)
    assert memory - few < 64 << 20
    assert said < 200 * CELLS
    assert logs < 50 * CELLS
