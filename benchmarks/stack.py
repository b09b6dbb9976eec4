"""What stacking costs, beside the published algorithm written plainly, in one run.

    python -m benchmarks.stack WORKLOAD [--json FILE]

WORKLOAD is a folder of EOPatches as the published pipeline downloads them (`S1_asc/eopatches`,
`S1_dsc/eopatches`, `S2/eopatches`) with a `manifest.json` that names `start` and `end`. Every row
is a process of its own; CPU seconds and memory leave out what its imports cost. The baseline
(`benchmarks.plain_stack`) keeps three float32 frames, walks all observations with `numpy.where`,
and at every step appends each tile of 32 x 32 pixels to that tile's GZIP TFRecords. A ratio is
printed only if both hold the same values.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring import Cost, Side
from components.fetch.stage import run as fetch
from components.stack.stage import run as stack
from groundshift.cube.store import Cube
from groundshift.domain.bands import SENTINEL1, SENTINEL2
from groundshift.domain.time import find_stamp
from groundshift.settings import FetchStage, StackStage

STEP = 172_800
TILE = 32
SENSORS = {
    "s1_asc": ("S1_asc", "L1_GND", SENTINEL1),
    "s1_dsc": ("S1_dsc", "L1_GND", SENTINEL1),
    "s2": ("S2", "L1C_data", SENTINEL2),
}
"""Folder, data feature and bands of each sensor, in the order of the tiles' channels."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload", type=Path)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, same = compare(options.workload, Path(folder))
    show(rows, same)
    if options.json:
        numbers = {name: asdict(cost) for name, cost in rows.items()}
        options.json.write_text(json.dumps({"rows": numbers, "equal": same}, indent=1) + "\n")


def compare(workload: Path, folder: Path, edge: int | None = None) -> tuple[dict[str, Cost], bool]:
    """Run stack and the baseline on a workload, and compare what they made.

    Args:
        workload: fetched first, if `folder` does not hold the observations yet.
        folder: where all goes.
        edge: of the corner that the baseline takes, in pixels; None is all.
    """
    # TensorFlow is imported for the plain way alone, so that ours is measured without it.
    from benchmarks.plain_stack import run_baseline

    rows = {}
    if not (folder / "observations").exists():
        rows["fetch"] = measured(run_fetch, workload, folder)
    rows["stack"] = measured(run_stack, workload, folder)
    rows["baseline"] = measured(partial(run_baseline, edge=edge), workload, folder)
    return rows, equal(folder)


def show(rows: dict[str, Cost], same: bool) -> None:
    """Print a table, with ratios where the outputs are equal."""
    print(f"{'':10}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}{'MB':>9}")
    for name, cost in rows.items():
        numbers = (cost.cpu_s, cost.wall_s, cost.peak_mb, cost.written_mb)
        print(f"{name:10}" + "".join(f"{number:9.2f}" for number in numbers))
    if not same:
        raise SystemExit("the cube and the baseline differ: no ratios")
    ours, plain = rows["stack"], rows["baseline"]
    print(f"{'ratio':10}{plain.cpu_s / ours.cpu_s:9.1f}{plain.wall_s / ours.wall_s:9.1f}", end="")
    print(f"{plain.peak_mb / ours.peak_mb:9.1f}{plain.written_mb / ours.written_mb:9.1f}")


def measured(task: Callable[[Path, Path], Path], workload: Path, folder: Path) -> Cost:
    """Run a task in a fresh process and take its cost."""
    side = Side(_ready, {"task": task, "workload": workload, "folder": folder})
    cost, _ = side.turn()
    side.end()
    return cost


def _ready(task: Callable[[Path, Path], Path], workload: Path, folder: Path) -> Callable[[], Path]:
    os.environ["GROUNDSHIFT_WORK"] = str(folder / "work")
    return lambda: task(workload, folder)


def run_fetch(workload: Path, folder: Path) -> Path:
    """EOPatches onto one cell's grid, reflectance as integers."""
    sensors = {}
    for name, (place, feature, bands) in SENSORS.items():
        optical = name == "s2"
        sensors[name] = {
            "mission": "sentinel2" if optical else "sentinel1",
            "layout": "eopatch",
            "folder": f"{place}/eopatches",
            "feature": feature,
            "mask_feature": "dataMask",
            "bands": [band.name for band in bands],
            "units": "reflectance" if optical else "linear",
            "store": "uint16" if optical else "float32",
        }
    files = {"root": str(workload), "sensors": sensors}
    output = folder / "observations"
    settings = FetchStage.model_validate(shared(workload) | {"fetch": {"files": files}})
    fetch(settings, observations=output)
    return output


def run_stack(workload: Path, folder: Path) -> Path:
    """Observations to a cube."""
    observations, cube = folder / "observations", folder / "cube"
    stack(stack_settings(workload), observations=observations, cube=cube)
    return folder / "cube"


def stack_settings(workload: Path) -> StackStage:
    """Steps of two days."""
    return StackStage.model_validate(shared(workload) | {"stack": {"step": f"{STEP}s"}})


def equal(folder: Path) -> bool:
    """Whether the cube holds, at every step and in every tile of the baseline, what that wrote."""
    from benchmarks.plain_stack import read_tile

    (cell,) = Cube.open(folder / "cube").cells.values()
    steps = len(cell.times)
    for path in sorted((folder / "tiles").iterdir()):
        j, i = map(int, path.stem.split("_"))
        part = (slice(j * TILE, (j + 1) * TILE), slice(i * TILE, (i + 1) * TILE))
        ours = [cell.read(name, 0, steps, *part) for name in SENSORS]
        plain = read_tile(path)
        values = np.concatenate([frames.values for frames in ours], axis=-1)
        fresh = np.stack([frames.fresh for frames in ours], axis=-1)
        same = np.array_equal(plain["values"], values) and np.array_equal(plain["fresh"], fresh)
        if not same or not np.array_equal(plain["seconds"], cell.times):
            return False
    return True


def shared(workload: Path) -> dict[str, Any]:
    """What every stage's settings say of the workload's place and period."""
    start, end = (datetime.fromtimestamp(second, UTC).isoformat() for second in period(workload))
    first = workload / SENSORS["s1_asc"][0] / "eopatches"
    return {
        "name": "benchmark",
        "area": {"like": str(first)},
        "period": {"start": start, "end": end},
    }


def period(workload: Path) -> tuple[int, int]:
    """Start and end (exclusive) in seconds since 1970."""
    described = json.loads((workload / "manifest.json").read_text())
    start, end = (datetime.fromisoformat(described[key]) for key in ("start", "end"))
    return int(start.replace(tzinfo=UTC).timestamp()), int(end.replace(tzinfo=UTC).timestamp())


def times(workload: Path, name: str) -> list[int]:
    """Acquisition times of a sensor in order."""
    folder = workload / SENSORS[name][0] / "eopatches"
    return sorted(time for path in folder.iterdir() if (time := find_stamp(path.name)) is not None)


def load(workload: Path, name: str, moment: int) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Values [y, x, band] and validity [y, x] of an observation; moment 0 is the first one."""
    place, feature, _ = SENSORS[name]
    moment = moment or times(workload, name)[0]
    patch = workload / place / "eopatches" / f"{datetime.fromtimestamp(moment, UTC):%Y%m%dT%H%M%S}"
    values = np.load(patch / "data" / f"{feature}.npy", mmap_mode="r")[0]
    return values, np.load(patch / "mask" / "dataMask.npy", mmap_mode="r")[0, :, :, 0]


def squares(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Rows and columns of the whole tiles of an image."""
    return product(range(shape[0] // TILE), range(shape[1] // TILE))


if __name__ == "__main__":
    main()
