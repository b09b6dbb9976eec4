"""Every stage beside the plain way to do it: `make bench SIZE=tiny|small|medium`.

    python -m benchmarks.bench --size small [--threads 1] [--results benchmarks/results]

One table: CPU and wall seconds, bytes and memory of both, the ratio of CPU seconds per unit of
work, and which share of our time the machine would need at its best. A ratio is printed only
where both gave the same. Numbers go to a JSON file per size; the last one's ratios are shown beside
the new ones.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import mapping, network, samples, stack
from benchmarks.labels import measure, window_settings
from benchmarks.measuring import Cost, Side, by_turns, limits
from benchmarks.network import DIRECT, TILE, Work
from groundshift.cube.store import CellCube, Cube

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        days: length of the windows on the workload.
        stride: steps from one of these to the next.
        tiles: how many tiles the plain ways take; costs are per tile and window.
        maps: windows to map from end to end.
        near, far: network alone, windows close to one another and as the published system has.
        rounds: turns of the shorter tasks.
    """

    days: int
    stride: int
    tiles: int
    maps: int
    near: Work
    far: Work
    rounds: int


SIZES = {
    "tiny": Size(40, 5, 2, 3, Work(12, 1, 3, 32, 2), Work(12, 3, 3, 32, 2), 1),
    "small": Size(50, 2, 4, 6, Work(92, 1, 6, 256, 2), Work(92, 5, 6, 256, 2), 2),
    "medium": Size(182, 5, 4, 10, Work(92, 1, 40, 256, 8), Work(92, 5, 40, 256, 8), 3),
}
"""On the workloads of the same names."""


@dataclass(frozen=True)
class Row:
    """One stage.

    Attributes:
        stage: its name.
        work: what was done, in words.
        units: of work that ours and the plain way did.
        ours, plain: what they cost.
        difference: largest between their outputs, as compared with `allowed`.
        allowed: at most.
        limit: what would bound our time on this machine.
        best_s: CPU seconds at that limit.
    """

    stage: str
    work: str
    units: tuple[float, float]
    ours: Cost
    plain: Cost
    difference: float
    allowed: float
    limit: str
    best_s: float

    @property
    def ratio(self) -> float | None:
        """Of the plain way's CPU seconds per unit to ours; None if the outputs differ."""
        if not self.difference <= self.allowed:
            return None
        return (self.plain.cpu_s / self.units[1]) / (self.ours.cpu_s / self.units[0])


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--threads", type=int, default=1, help="cores of each process")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--only", nargs="+", choices=STAGES, default=list(STAGES))
    chosen = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(chosen.threads)
    os.environ |= {"GROUNDSHIFT_TRACKING": "off", "TF_CPP_MIN_LOG_LEVEL": "3"}
    path = chosen.results / f"{chosen.size}.json"
    before = json.loads(path.read_text()) if path.exists() else {"rows": {}}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(chosen.size, Path(folder), chosen.threads)
        rows = [row for name in chosen.only for row in STAGES[name](bench)]
    show(rows, before["rows"])
    found = {row.stage: asdict(row) | {"ratio": row.ratio} for row in rows}
    kept = {"machine": machine(), "limits": bench.limits, "rows": before["rows"] | found}
    chosen.results.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n")


class Bench:
    """What the stages share: the workload, the cube, samples, the machine's limits."""

    def __init__(self, size: str, folder: Path, threads: int) -> None:
        """Measure the limits; the rest is made when it is asked for."""
        self.name, self.size = size, SIZES[size]
        self.folder, self.threads = folder, threads
        os.environ["GROUNDSHIFT_WORK"] = str(folder / "work")
        side = Side(_limits, {}, threads)
        self.limits: dict[str, float] = side.turn()[1]
        side.end()

    @cached_property
    def workload(self) -> Path:
        """Images to stack."""
        workload = self.folder / "workload"
        command = ["benchmarks/make_workload.py", "--size", self.name, "--out", str(workload)]
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        return workload

    @cached_property
    def stacked(self) -> tuple[dict[str, Cost], bool]:
        """Costs of both cubes, and whether they hold the same."""
        return stack.compare(self.workload, self.folder)

    @cached_property
    def cube(self) -> Cube:
        """Ours."""
        assert self.stacked
        return Cube.open(self.folder / "cube")

    @cached_property
    def cell(self) -> CellCube:
        """Its one cell."""
        (cell,) = self.cube.cells.values()
        return cell

    @property
    def tiles(self) -> int:
        """Number of tiles of the cell."""
        return len(samples.tiles_of(self.cube))

    @cached_property
    def windows(self) -> pd.DataFrame:
        """Windows of the samples, which are made."""
        settings = window_settings(self.workload, self.size.days, self.size.stride)
        return measure(self.cube, settings, self.folder / "samples")[1]

    @property
    def given(self) -> dict[str, Any]:
        """Options of what reads cube and samples."""
        assert len(self.windows)
        return {"cube": str(self.folder / "cube"), "samples": str(self.folder / "samples")}

    def copying(self, size: float) -> float:
        """CPU seconds to copy so many bytes."""
        return size / 1e9 / self.limits["copy_gb_per_cpu_s"]

    def multiplying(self, products: float) -> float:
        """CPU seconds for so many multiplications and additions."""
        return 2 * products / 1e9 / self.limits["gemm_gflop_per_cpu_s"]


def stacking(bench: Bench) -> Iterator[Row]:
    """Observations to a cube."""
    size = json.loads((bench.workload / "manifest.json").read_text())["array_bytes"]
    costs, same = bench.stacked
    ours, plain = costs["stack"], costs["baseline"]
    best = bench.copying(size + 1e6 * ours.written_mb)
    difference = 0.0 if same else float("inf")
    work = f"{size / 1e6:.0f} MB of images"
    yield Row("stack", work, (1, 1), ours, plain, difference, 0, "copy", best)


def labelling(bench: Bench) -> Iterator[Row]:
    """Windows, betas and labels."""
    size = bench.size
    tiles = min(size.tiles, bench.tiles)
    options = bench.given | {
        "workload": str(bench.workload),
        "days": size.days,
        "stride": size.stride,
        "tiles": tiles,
    }
    ours, plain, mine, other = by_turns(
        samples.our_labels,
        samples.plain_labels,
        options,
        rounds=size.rounds,
        threads=bench.threads,
    )
    difference = max(float(np.nanmax(np.abs(mine[key] - other[key]))) for key in other)
    units = (len(bench.windows) * bench.tiles, len(bench.windows) * tiles)
    work = f"{len(bench.windows)} windows of {size.days} days"
    rows, columns = bench.cell.shape
    best = bench.copying(4.0 * rows * columns * len(bench.cell.times) * 8)
    yield Row("windows, labels", work, units, ours, plain, difference, 2e-3, "copy", best)


def batching(bench: Bench) -> Iterator[Row]:
    """Training batches."""
    given = bench.given | {"records": str(bench.folder / "records")}
    count = samples.write_records(*map(Path, given.values()))
    ours, plain, mine, other = by_turns(
        samples.our_batches,
        samples.tfrecord_batches,
        given,
        rounds=bench.size.rounds,
        threads=bench.threads,
    )
    difference = 0.0 if sorted(mine) == sorted(other) else float("inf")
    values = 4.0 * TILE**2 * 17 * float(bench.windows["steps"].mean()) * count
    best = bench.copying(values)
    work = f"{count} windows of a tile"
    yield Row("batches", work, (count, count), ours, plain, difference, 0, "copy", best)


def training(bench: Bench) -> Iterator[Row]:
    """Training steps."""
    work = bench.size.far
    sides = (network.our_training, network.keras_training)
    _, _, mine, other = by_turns(
        *sides, {"work": work, "equal_length": True}, rounds=1, threads=bench.threads
    )
    ours, plain, _, _ = by_turns(
        *sides, {"work": work}, rounds=bench.size.rounds, threads=bench.threads
    )
    difference = max(_relative(mine[1], other[1]), abs(mine[0] - other[0]))
    steps = float(np.ptp(work.ranges[: work.batch], axis=1).sum())
    best = bench.multiplying(3 * DIRECT * TILE**2 * steps)
    text = f"{work.batch} windows of up to {work.steps} steps"
    units = (work.batch, work.batch)
    yield Row("training step", text, units, ours, plain, difference, 1e-4, "GEMM", best)


def scoring(bench: Bench) -> Iterator[Row]:
    """The network alone on a block with its halo."""
    for name, work in (("far", bench.size.far), ("near", bench.size.near)):
        _, plain, mine, other = by_turns(
            network.our_tile,
            network.keras_tile,
            {"work": work},
            rounds=bench.size.rounds,
            threads=bench.threads,
        )
        side = Side(network.our_mapping, {"work": work}, bench.threads)
        ours, _ = side.turn()
        side.end()
        difference = float(np.abs(mine - other).max())
        units = (work.tiles * work.windows, work.batch)
        best = bench.multiplying(work.products)
        text = f"{work.windows} windows of {work.steps} steps on {work.block} pixels, "
        text += f"stride {work.stride}"
        stage = f"network, {name} windows"
        yield Row(stage, text, units, ours, plain, difference, 1e-5, "GEMM", best)


def mapped(bench: Bench) -> Iterator[Row]:
    """Maps from the cube."""
    tiles = min(2, bench.tiles)
    count = min(bench.size.maps, len(bench.windows))
    options = bench.given | {
        "series": str(bench.folder / "tiles"),
        "windows": count,
        "tiles": tiles,
    }
    ours, plain, mine, other = by_turns(
        mapping.our_maps, mapping.keras_maps, options, rounds=1, threads=bench.threads
    )
    rows, columns = bench.cell.shape
    units = (count * rows * columns / TILE**2, count * tiles)
    difference = float(np.abs(mine - other).max())
    steps = float(bench.windows["steps"].iloc[:count].sum())
    best = bench.multiplying(DIRECT / 2 * rows * columns * steps / 4)
    work = f"{count} windows on {rows} x {columns} pixels, reading included"
    yield Row("maps", work, units, ours, plain, difference, 1e-5, "GEMM", best)


STAGES: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "stack": stacking,
    "labels": labelling,
    "batches": batching,
    "training": training,
    "network": scoring,
    "maps": mapped,
}


def show(rows: list[Row], before: dict[str, Any]) -> None:
    """Print the table."""
    heads = ("stage", "CPU s", "wall s", "MB", "peak MB", "plain: CPU s", "MB", "peak MB")
    print("| " + " | ".join((*heads, "per unit", "before", "difference", "of the limit")) + " |")
    print("|" + " --- |" * (len(heads) + 4))
    for row in rows:
        ratio = "outputs differ" if row.ratio is None else f"{row.ratio:.1f} x"
        last = before.get(row.stage, {}).get("ratio")
        cells = [
            f"{row.stage}: {row.work}",
            *(f"{row.ours.cpu_s:.3g}", f"{row.ours.wall_s:.3g}"),
            *(f"{row.ours.written_mb:.0f}", f"{row.ours.peak_mb:.0f}"),
            *(f"{row.plain.cpu_s:.3g}", f"{row.plain.written_mb:.0f}", f"{row.plain.peak_mb:.0f}"),
            *(ratio, f"{last:.1f} x" if last else "-", f"{row.difference:.1g}"),
            f"{row.best_s / row.ours.cpu_s:.0%} {row.limit}",
        ]
        print("| " + " | ".join(cells) + " |")


def machine() -> dict[str, Any]:
    """What it was measured on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def _relative(mine: dict[str, Any], other: dict[str, Any]) -> float:
    """Length of the difference of two gradients as a share of the length of the other."""
    apart = sum(float(((mine[name] - gradient) ** 2).sum()) for name, gradient in other.items())
    return float(np.sqrt(apart / sum(float((g**2).sum()) for g in other.values())))


def _limits() -> Callable[[], dict[str, float]]:
    return limits


if __name__ == "__main__":
    main()
