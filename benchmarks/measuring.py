"""Side by side in one run: two ways to do one thing, each in a process of its own, by turns.

Memory is what a process takes beyond its imports. CPU seconds are the least of some rounds: other
work on a machine only adds to them. What the machine could do at best is measured in between.
Linux only: memory is read from /proc.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

Prepare = Callable[..., Callable[[], Any]]
"""Makes ready what is not measured and gives what is; a function of a module, with its options."""


@dataclass(frozen=True)
class Cost:
    """What one task took."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    """Above what importing its modules costs, mapped files included."""
    written_mb: float = 0.0


class Side:
    """One of two ways, in a process that waits for its turn."""

    def __init__(self, prepare: Prepare, options: dict[str, Any], threads: int = 1) -> None:
        """Start the process and let it make ready."""
        context = multiprocessing.get_context("spawn")
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_serve, args=(prepare, options, threads, end))
        self._process.start()
        end.close()

    def turn(self) -> tuple[Cost, Any]:
        """Run once; the cost and what came out."""
        self._pipe.send(True)
        try:
            cost, output = self._pipe.recv()
        except EOFError:
            raise SystemExit("a side of the benchmark failed") from None
        return cost, output

    def end(self) -> None:
        """Let the process end."""
        self._pipe.send(False)
        self._process.join()


def by_turns(
    ours: Prepare,
    plain: Prepare,
    options: dict[str, Any],
    *,
    rounds: int = 3,
    threads: int = 1,
    plain_options: dict[str, Any] | None = None,
    warm: bool = True,
) -> tuple[Cost, Cost, Any, Any]:
    """Run two ways by turns, after a first run of ours that doesn't count.

    Args:
        ours: one way.
        plain: the other.
        options: of both, or of ours alone.
        rounds: turns that count.
        threads: cores of each.
        plain_options: those of the plain way, where they differ.
        warm: whether the plain way has a first run as well that doesn't count.

    Returns:
        Least cost of ours and of the plain way, and what either gave last.
    """
    sides = [Side(ours, options, threads), Side(plain, plain_options or options, threads)]
    for side in sides if warm else sides[:1]:
        side.turn()
    found = [[side.turn() for side in sides] for _ in range(rounds)]
    for side in sides:
        side.end()
    mine, other = (least([cost for cost, _ in turns]) for turns in zip(*found, strict=True))
    return mine, other, *(output for _, output in found[-1])


def alone(prepare: Prepare, options: dict[str, Any], *, threads: int = 1) -> tuple[Cost, Any]:
    """One run in a process of its own."""
    side = Side(prepare, options, threads)
    found = side.turn()
    side.end()
    return found


def least(costs: list[Cost]) -> Cost:
    """The least CPU and wall seconds, and the largest memory."""
    return Cost(
        min(cost.cpu_s for cost in costs),
        min(cost.wall_s for cost in costs),
        max(cost.peak_mb for cost in costs),
        costs[-1].written_mb,
    )


def written(folder: Path) -> float:
    """Size of a folder's files in MB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def limits() -> dict[str, float]:
    """What the machine does at best: copying, multiplying matrices, writing.

    Returns:
        GB copied and GFLOP of a matrix product per CPU second, MB written per second.
    """
    values = np.ones(1 << 26, np.float32)
    target = np.empty_like(values)
    matrix = np.ones((1024, 1024), np.float32)
    with tempfile.TemporaryFile() as file:

        def write() -> None:
            file.seek(0)
            file.write(values.data)
            file.flush()
            os.fsync(file.fileno())

        return {
            "copy_gb_per_cpu_s": values.nbytes / 1e9 / _best(lambda: np.copyto(target, values)),
            "gemm_gflop_per_cpu_s": 2 * 1024**3 / 1e9 / _best(lambda: matrix @ matrix),
            "disk_mb_per_s": values.nbytes / 1e6 / _best(write, time.perf_counter),
        }


def _best(run: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    seconds = []
    for _ in range(8):
        began = clock()
        run()
        seconds.append(clock() - began)
    return min(seconds)


def _serve(prepare: Prepare, options: dict[str, Any], threads: int, pipe: Connection) -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    before = _memory("VmRSS")
    with suppress(OSError):  # else the peak is that of the imports, where these took more
        Path("/proc/self/clear_refs").write_text("5")
    run = prepare(**options)
    while pipe.recv():
        cpu, wall = time.process_time(), time.perf_counter()
        output = run()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        size = written(output) if isinstance(output, Path) else 0.0
        pipe.send((Cost(cpu, wall, _memory("VmHWM") - before, size), output))


def _memory(name: str) -> float:
    """MB of this process: `VmRSS` now, `VmHWM` at most."""
    status = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in status if line.startswith(f"{name}:"))
    return int(kilobytes) / 1024
