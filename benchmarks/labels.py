"""CPU time of windows and labels: `python -m benchmarks.labels [--edge 512] [--cube FOLDER]`.

Windows, splits, both kinds of labels and the label card of a whole area, per tile (32 x 32 pixels)
and window, beside the published way: cut each window out of the series and compute its label from
the copy. Both run here, on the same cube, one after the other.

Without a cube one is made: 512 x 512 pixels, 547 days, 160 looks of each of two radar orbits and
118 of an optical sensor with 13 bands, simulated.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely import box

from groundshift import reference
from groundshift.artifacts import Manifest, writing
from groundshift.cube.build import build as build_cube
from groundshift.cube.store import CellCube, Cube
from groundshift.domain.cells import Cell
from groundshift.domain.eras import S12
from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY
from groundshift.samples.build import build
from groundshift.samples.labels.truth import dated_polygons
from groundshift.samples.store import Samples
from groundshift.settings import StackStage, WindowStage, parse

TILE = 32
MARK = 0.002
"""CPU seconds per tile and window that are allowed."""

_START = 1_483_228_800  # 2017-01-01
_DAYS = 547
_LOOKS = {"s1_asc": 160, "s1_dsc": 160, "s2": 118}
_NAIVE_TILES = 4


@dataclass
class Simulated:
    """Observations that are made up when they are read."""

    edge: int

    def __post_init__(self) -> None:
        """Draw the noise that all images are cut from."""
        self.generator = np.random.default_rng(1)
        size = (self.edge + 256, self.edge + 256)
        self.speckle = self.generator.gamma(4, 0.25, (*size, 2)).astype(np.float32)
        self.ground = self.generator.integers(300, 3000, (*size, 13)).astype(np.uint16)
        side = 10 * self.edge
        grid = GeoBox.from_bbox(
            (600_000, 5_600_000 - side, 600_000 + side, 5_600_000),
            crs="EPSG:32631",
            resolution=10,
            tight=True,
        )
        self.cells = (Cell(f"32631_600000_{5_600_000 - side}_{self.edge}x{self.edge}", grid, 0),)
        radar = {
            name: Sensor(name, "radar", "sentinel1", S12.radar_bands)
            for name in _LOOKS
            if "1" in name
        }
        optical = Sensor(
            "s2", "optical", "sentinel2", S12.optical_bands, dtype="uint16", scale=1e-4
        )
        self.sensors = radar | {"s2": optical}
        self.manifest = Manifest("observations", 1, {}, {}, (), "", {}, ())
        self.moments = {
            name: np.sort(_START + self.generator.choice(_DAYS * 24, count, replace=False) * 3600)
            for name, count in _LOOKS.items()
        }
        cell = self.cells[0].id
        rows = [(cell, name, int(t)) for name, times in self.moments.items() for t in times]
        self.table = pd.DataFrame(rows, columns=["cell", "sensor", "time"])
        self.table["digest"] = self.table["time"].astype(str)

    def acquisitions(self, cell_id: str, sensor: str) -> NDArray[np.int64]:
        """Times of a sensor."""
        return np.asarray(self.moments[sensor], np.int64)

    def read(self, cell_id: str, sensor: str, time: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """An image: a part of the noise, clouds of 8 pixels over the optical ones."""
        generator = np.random.default_rng(time)
        y, x = generator.integers(0, 256, 2)
        part = (slice(y, y + self.edge), slice(x, x + self.edge))
        valid = np.ones((self.edge, self.edge), bool)
        if sensor != "s2":
            return self.speckle[part] * np.float32(0.1), valid
        clear = generator.random((self.edge // 8, self.edge // 8)) < generator.beta(0.6, 0.5)
        return self.ground[part], np.kron(clear, np.ones((8, 8), bool))


def simulated_cube(folder: Path, edge: int) -> Cube:
    """A cube of the simulated observations."""
    settings = parse("stack", {**_place(), "stack": {"step": "2d"}})
    assert isinstance(settings, StackStage)
    affecting = settings.affecting()
    with writing(folder, "cube", area="benchmark", settings=affecting, inputs={}) as draft:
        build_cube(Simulated(edge), draft, settings)
    return Cube.open(folder)


def window_settings(days: int, stride: int) -> WindowStage:
    """Triple windows; truth is the target, so that any length will do."""
    window = {
        "length": f"{days}d",
        "stride": stride,
        "min_steps": 5,
        "max_steps": 400,
        "split": {"block": TILE, "buffer": 0},
        "labels": "truth",
    }
    settings = parse("window", {**_place(), "window": window})
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


def results(cube: Cube, folder: Path, lengths: list[int], stride: int) -> Iterator[dict[str, Any]]:
    """One row per window length."""
    measure(cube, window_settings(lengths[0], 100), folder / "warm")  # compiles the kernels
    for days in lengths:
        seconds, windows = measure(cube, window_settings(days, stride), folder / f"{days}")
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
    parser.add_argument("--edge", type=int, default=512, help="pixels of the simulated area")
    parser.add_argument("--cube", type=Path, help="measure on this cube instead")
    parser.add_argument("--lengths", type=int, nargs="+", default=[30, 60, 91])
    parser.add_argument("--stride", type=int, default=5, help="steps between windows")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cube = (
            Cube.open(chosen.cube) if chosen.cube else simulated_cube(folder / "cube", chosen.edge)
        )
        for row in results(cube, folder, chosen.lengths, chosen.stride):
            print(json.dumps(row), flush=True)


def _place() -> dict[str, Any]:
    end = np.datetime64(_START + _DAYS * DAY, "s")
    return {
        "name": "benchmark",
        "area": {"bounds": [0, 0, 1, 1]},
        "period": {"start": "2017-01-01", "end": str(end)},
    }


if __name__ == "__main__":
    main()
