"""How cost grows with area, steps and windows: `python -m benchmarks.growth`.

Each of them is doubled and doubled again, the others stay; every point is a process of its own.
Writes benchmarks/results/growth.json and docs/images/growth.png.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from benchmarks.measuring import Cost, Side
from benchmarks.rows import RESULTS
from benchmarks.stack import run_fetch, run_stack
from groundshift.cube.store import Frames
from groundshift.domain.cells import Cell
from groundshift.models.inference import map_cell
from groundshift.reference import published_detector

FACTORS = (1, 2, 4)
IMAGE = Path(__file__).parents[1] / "docs" / "images" / "growth.png"


@dataclass(frozen=True)
class Extent:
    """How much is mapped: columns of 128 rows, steps of a window, windows."""

    columns: int = 256
    steps: int = 12
    windows: int = 5


@dataclass
class Scene:
    """A cell whose frames are made when they are read, so that memory is the work's."""

    cell: Any
    signature: Any
    length: int

    @property
    def roles(self) -> dict[str, str]:
        """Role by role."""
        return {stream.role: stream.role for stream in self.signature.streams}

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.cell.grid.shape
        return rows, columns

    def frames(
        self, sensor: str, first: int, stop: int, rows: slice, columns: slice
    ) -> tuple[Any, NDArray[np.int64]]:
        """Noise that is the same for the same step and sensor."""
        bands = {s.role: len(s.bands) for s in self.signature.streams}[sensor]
        shape = (rows.stop - rows.start, columns.stop - columns.start, bands)
        values = np.stack(
            [np.random.default_rng(step).random(shape, np.float32) for step in range(first, stop)]
        )
        seen = np.ones(values.shape[:3], bool)
        return Frames(values, seen, np.zeros(values.shape[:3], np.int16)), np.arange(stop - first)


def mapping(extent: Extent) -> Callable[[], None]:
    """Maps of the published network on blocks of 128 pixels."""
    detector = published_detector("s12")
    box = GeoBox.from_bbox(
        (6e5, 56e5, 6e5 + 10 * extent.columns, 56e5 + 1280), 32631, resolution=10
    )
    name = f"32631_600000_5600000_{extent.columns}x128"
    scene = Scene(Cell(name, box, 0), detector.signature, extent.steps + extent.windows)
    first = np.arange(extent.windows)
    windows = pd.DataFrame({"id": first, "first": first, "stop": first + extent.steps})

    def run() -> None:
        for _ in map_cell(detector, scene, windows, block=128):  # type: ignore[arg-type]
            pass

    return run


def stacking(workload: str) -> Callable[[], Path]:
    """A cube of a workload whose images are there."""
    folder = Path(tempfile.mkdtemp(dir=workload))
    os.environ["GROUNDSHIFT_WORK"] = str(folder / "work")
    run_fetch(Path(workload), folder)
    return lambda: run_stack(Path(workload), folder)


def grown_maps() -> dict[str, list[Cost]]:
    """Costs of mapping by what grows."""
    base = Extent()
    return {
        f"maps, {name}": [
            once(mapping, {"extent": replace(base, **{name: factor * getattr(base, name)})})
            for factor in FACTORS
        ]
        for name in ("columns", "steps", "windows")
    }


def grown_stacks(folder: Path) -> dict[str, list[Cost]]:
    """Costs of stacking by what grows."""
    found: dict[str, list[Cost]] = {}
    for name, base in (("width", 128), ("days", 90)):
        found[f"stack, {name}"] = []
        for factor in FACTORS:
            size = {"height": 128, "width": 128, "days": 90} | {name: factor * base}
            workload = folder / f"{name}_{factor}"
            options = [word for key in size for word in (f"--{key}", str(size[key]))]
            command = ["benchmarks/make_workload.py", "--out", str(workload), *options]
            subprocess.run([sys.executable, *command], check=True, capture_output=True)
            found[f"stack, {name}"].append(once(stacking, {"workload": str(workload)}))
    return found


def once(prepare: Callable[..., Callable[[], Any]], options: dict[str, Any]) -> Cost:
    """Cost of one run in a process of its own, after one that doesn't count."""
    side = Side(prepare, options)
    if prepare is mapping:
        side.turn()
    cost, _ = side.turn()
    side.end()
    return cost


def draw(costs: dict[str, list[Cost]], path: Path) -> None:
    """CPU seconds over the factor, beside a straight line, and memory."""
    figure, (time, memory) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for name, found in costs.items():
        relative = [cost.cpu_s / found[0].cpu_s for cost in found]
        time.plot(FACTORS, relative, marker="o", label=name)
        memory.plot(FACTORS, [cost.peak_mb for cost in found], marker="o", label=name)
    time.plot(FACTORS, FACTORS, color="black", linestyle=":", label="linear")
    time.set(xlabel="times as much", ylabel="times the CPU seconds", xticks=FACTORS)
    memory.set(xlabel="times as much", ylabel="MB above imports", xticks=FACTORS, ylim=(0, None))
    time.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS / "growth.json")
    parser.add_argument("--image", type=Path, default=IMAGE)
    chosen = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = "1"
    with tempfile.TemporaryDirectory() as folder:
        costs = grown_maps() | grown_stacks(Path(folder))
    for name, found in costs.items():
        print(name, *(f"{cost.cpu_s:.2f} s, {cost.peak_mb:.0f} MB;" for cost in found))
    numbers = {name: [asdict(cost) for cost in found] for name, found in costs.items()}
    chosen.results.write_text(json.dumps(numbers, indent=1) + "\n")
    draw(costs, chosen.image)


if __name__ == "__main__":
    main()
