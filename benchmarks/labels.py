"""CPU time of windows and labels: `python -m benchmarks.labels WORKLOAD [--lengths 30 60 91 152]`.

Windows, splits, both kinds of labels and the label card of a whole area, per tile (32 x 32 pixels)
and window, beside the published way: cut each window out of the series and compute its label from
the copy. Both run here, on the same cube, one after the other.

WORKLOAD is a folder of EOPatches as for `benchmarks.stack`; it is fetched and stacked first.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from shapely import box

from benchmarks.stack import TILE, run_fetch, run_stack, shared
from groundshift import reference
from groundshift.artifacts import writing
from groundshift.cube.store import CellCube, Cube
from groundshift.samples.build import build
from groundshift.samples.labels.truth import dated_polygons
from groundshift.samples.store import LabelKind, Samples
from groundshift.settings import WindowStage, parse

MARK = 0.002
"""CPU seconds per tile and window that are allowed."""

_NAIVE_TILES = 4


def window_settings(
    workload: Path, days: int, stride: int, *, labels: LabelKind = "truth"
) -> WindowStage:
    """Triple windows; by default truth is the target, so that any length will do."""
    window = {
        "length": f"{days}d",
        "stride": stride,
        "min_steps": 5,
        "max_steps": 400,
        "split": {"block": TILE, "buffer": 0},
        "labels": labels,
    }
    settings = parse("window", {**shared(workload), "window": window})
    assert isinstance(settings, WindowStage)
    return settings


def measure(cube: Cube, settings: WindowStage, folder: Path) -> tuple[float, pd.DataFrame]:
    """CPU seconds per tile and window of a whole samples artifact, and its complete windows."""
    inputs = {"cube": cube.manifest.content_hash}
    cell = next(iter(cube.cells.values())).cell
    left, bottom, right, top = cell.core.boundingbox.bbox
    change = box(left, bottom, (left + right) / 2, (bottom + top) / 2)
    when = pd.to_datetime(["2018-01-01"])
    table = gpd.GeoDataFrame({"start": when}, geometry=[change], crs=str(cell.core.crs))
    truth = dated_polygons(table, where="benchmark")
    began = time.process_time()
    with writing(
        folder, "samples", area="benchmark", settings=settings.affecting(), inputs=inputs
    ) as draft:
        build(cube, truth, settings, draft)
    seconds = time.process_time() - began
    windows = Samples.open(folder).windows_of("training")
    pixels = sum(cell.shape[0] * cell.shape[1] for cell in cube.cells.values())
    return seconds / (len(windows) * pixels / TILE**2), windows


def naive(cell: CellCube, windows: pd.DataFrame) -> float:
    """CPU seconds per tile and window of the published way, on a few tiles."""
    began = time.process_time()
    for row, column in np.ndindex(2, _NAIVE_TILES // 2):
        rows, columns = (slice(i * TILE, (i + 1) * TILE) for i in (row, column))
        series = {
            role: cell.read(cell.roles[role], 0, len(cell.times), rows, columns).values
            for role in ("radar_a", "radar_b", "optical")
        }
        for window in windows.itertuples():
            now, before, after = (
                slice(window.first, window.stop),
                slice(window.previous_first, window.previous_stop),
                slice(window.next_first, window.next_stop),
            )
            means = [series["optical"][part].mean(axis=0) for part in (before, after)]
            coefficients = [reference.beta_coefficients(mean, "s12")[None] for mean in means]
            reference.synthetic_label(
                series["radar_a"][now].copy(),
                series["radar_b"][now].copy(),
                series["optical"][before].copy(),
                series["optical"][after].copy(),
                era="s12",
                shift=0.25,
                betas=[float(reference.beta(c)) for c in coefficients],
            )
    return (time.process_time() - began) / (_NAIVE_TILES * len(windows))


def results(
    cube: Cube, workload: Path, folder: Path, lengths: list[int], stride: int
) -> Iterator[dict[str, Any]]:
    """One row per window length."""
    settings = [window_settings(workload, days, stride) for days in lengths]
    measure(cube, settings[-1], folder / "warm")  # compiles the kernels
    for days, own in zip(lengths, settings, strict=True):
        seconds, windows = measure(cube, own, folder / f"{days}")
        plain = naive(next(iter(cube.cells.values())), windows.iloc[:4])
        yield {
            "window_days": days,
            "windows": len(windows),
            "steps": int(windows["steps"].median()),
            "cpu_seconds": round(seconds, 6),
            "naive_cpu_seconds": round(plain, 6),
            "times_faster": round(plain / seconds, 1),
            "mark": MARK,
            "met": seconds <= MARK,
        }


def main() -> None:
    """Print one JSON line per window length."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("workload", type=Path)
    parser.add_argument("--lengths", type=int, nargs="+", default=[30, 60, 91, 152])
    parser.add_argument("--stride", type=int, default=1, help="steps between windows")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GROUNDSHIFT_WORK"] = str(folder / "work")
        run_fetch(chosen.workload, folder)
        cube = Cube.open(run_stack(chosen.workload, folder))
        for row in results(cube, chosen.workload, folder, chosen.lengths, chosen.stride):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
