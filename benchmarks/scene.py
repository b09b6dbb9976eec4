"""What the stages of the benchmark share: sizes, the workload, its cube, the machine's limits."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import samples, stack
from benchmarks.measuring import Cost, alone, limits
from benchmarks.network import Work
from benchmarks.plain_windows import Cut
from groundshift.cube.store import CellCube, Cube


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        cut: windows on the workload.
        every: of how many starts of windows the plain way takes one.
        corner: edge of the corner that is stacked the plain way, in pixels; None is all.
        batched: windows of a patch that are read in batches.
        maps: windows to map.
        block: edge of the place that is mapped.
        near, far: network alone, windows close to one another and as the published system has.
        rounds: turns of the shorter tasks.
    """

    cut: Cut
    every: int
    corner: int | None
    batched: int
    maps: int
    block: int
    near: Work
    far: Work
    rounds: int


SIZES = {
    "tiny": Size(
        Cut(40, 5, 21), 1, None, 97, 6, 64, Work(12, 1, 3, 32, 2), Work(12, 3, 3, 32, 2), 1
    ),
    "small": Size(
        Cut(50, 10, 26), 1, None, 97, 10, 128, Work(92, 1, 10, 64, 2), Work(92, 5, 10, 64, 2), 1
    ),
    "medium": Size(
        Cut(182, 35, 92), 5, 128, 97, 10, 128, Work(92, 1, 10, 128, 2), Work(92, 5, 10, 256, 2), 1
    ),
}
"""On the workloads of the same names."""

STRIDE = 5
"""Steps between windows that are mapped."""


class Scene:
    """A workload and what is made of it, once."""

    def __init__(self, size: str, folder: Path, threads: int) -> None:
        """Measure the limits; the rest is made when it is asked for.

        Args:
            size: of the workload.
            folder: where all is put; what lies there already is used.
            threads: cores of each process.
        """
        self.name, self.size = size, SIZES[size]
        self.folder, self.threads = folder, threads
        os.environ["GROUNDSHIFT_WORK"] = str(folder / "work")
        self.limits: dict[str, float] = alone(_limits, {}, threads=threads)[1]

    @cached_property
    def workload(self) -> Path:
        """Images to stack."""
        workload = self.folder / "workload"
        if not (workload / "manifest.json").is_file():
            command = ["benchmarks/make_workload.py", "--size", self.name, "--out", str(workload)]
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
        return workload

    @cached_property
    def stacked(self) -> tuple[dict[str, Cost], bool]:
        """Costs of both cubes, and whether they hold the same; kept beside them."""
        path = self.folder / "stacked.json"
        if path.is_file():
            costs, same = json.loads(path.read_text())
            return {name: Cost(**cost) for name, cost in costs.items()}, same
        costs, same = stack.compare(self.workload, self.folder, self.size.corner)
        path.write_text(json.dumps([{n: vars(cost) for n, cost in costs.items()}, same]))
        return costs, same

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

    @property
    def tile(self) -> str:
        """The first tile's TFRecords."""
        assert self.stacked
        return str(self.folder / "tiles" / "0_0.tfrecords")

    @cached_property
    def triples(self) -> NDArray[np.int64]:
        """Ranges of steps of the published triples, [window, 3, 2]."""
        return samples.published(self.cell.times, self.size.cut).ranges

    @property
    def sampling(self) -> dict[str, Any]:
        """Options of `samples.our_samples`."""
        given = {"workload": str(self.workload), "cut": self.size.cut, "folder": str(self.folder)}
        return {"cube": str(self.cube.folder)} | given

    @cached_property
    def samples(self) -> Path:
        """A samples artifact of these windows, made if no stage left one."""
        found = sorted(self.folder.glob("samples_*"))
        return found[0] if found else alone(samples.our_samples, self.sampling)[1]

    def copying(self, size: float) -> float:
        """CPU seconds to copy so many bytes."""
        return size / 1e9 / self.limits["copy_gb_per_cpu_s"]

    def multiplying(self, products: float) -> float:
        """CPU seconds for so many multiplications and additions."""
        return 2 * products / 1e9 / self.limits["gemm_gflop_per_cpu_s"]


def _limits() -> Any:
    return limits
