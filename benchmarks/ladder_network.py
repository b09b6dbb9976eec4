"""A network for the ladder: trained on changes planted into other ground of the same series.

The western half of a cell is copied side by side, each copy planted with squares of its own, and
goes as images through the stages up to training. Its northern part is learnt from, its southern one
validates. The eastern half, where the ladder stands, is never part of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import yaml
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from groundshift.cube.store import CellCube, Frames
from groundshift.domain.time import DAY, isoformat
from groundshift.models.store import Detector
from groundshift.samples.labels.synthetic import RADAR_ROLES
from pipelines.comparison import Chain

COPIES = 6
BLOCK = 16
GAP = 4
"""Columns between the ground that is learnt from and that of the ladder."""
_LEARNT = 2 / 3
"""Share of the rows of blocks that is learnt from; those below validate."""
_TRAIN = {
    "variant": "radar",
    "epochs": 15,
    "batch": 16,
    "span": 12,
    "select": "pr_auc",
}


@dataclass(frozen=True)
class Square:
    """A change: rows and columns, the day it begins, the days it takes, what it adds in the end."""

    place: tuple[slice, slice]
    start: float
    days: int
    decibels: float

    def course(self, days: NDArray[np.float64]) -> NDArray[np.float64]:
        """What it adds on given days in decibels, any shape."""
        elapsed = days - self.start
        share = np.clip(elapsed / self.days, 0, 1) if self.days else elapsed >= 0
        return self.decibels * np.asarray(share, np.float64)

    def moved(self, rows: int, columns: int) -> "Square":
        """The same change so many rows and columns further on."""
        y, x = self.place
        place = (slice(y.start + rows, y.stop + rows), slice(x.start + columns, x.stop + columns))
        return replace(self, place=place)


@dataclass(frozen=True)
class Ground:
    """A cell, cut into the part that is learnt from and the part of the ladder.

    Attributes:
        cell: the series.
        shape: rows and columns that are learnt from: whole blocks of the western half.
    """

    cell: CellCube
    shape: tuple[int, int]

    @classmethod
    def of(cls, cell: CellCube) -> "Ground":
        """Cut a cell."""
        rows, columns = cell.shape
        return cls(cell, (rows // BLOCK * BLOCK, columns // 2 // BLOCK * BLOCK))

    @property
    def learnt(self) -> slice:
        """Columns that are learnt from."""
        return slice(0, self.shape[1])

    @property
    def judged(self) -> slice:
        """Columns of the ladder."""
        return slice(self.shape[1] + GAP, self.cell.shape[1])

    def copies(self, number: int) -> GeoBox:
        """The pixels of so many copies side by side, from the cell's own corner on."""
        grid = self.cell.cell.grid
        return GeoBox((self.shape[0], self.shape[1] * number), grid.affine, grid.crs)


@dataclass(frozen=True)
class Planted(CellCube):
    """A cell whose radar is brighter where squares are, from the look on that shows them."""

    squares: tuple[Square, ...] = ()

    @classmethod
    def of(cls, cell: CellCube, squares: Sequence[Square]) -> "Planted":
        """A cell with changes."""
        known = (cell.group, cell.cell, cell.sensors, cell.roles, cell.signature)
        return cls(*known, tuple(squares))

    def frames(
        self,
        sensor: str,
        first: int,
        stop: int,
        rows: slice,
        columns: slice,
        bands: Sequence[int] | None = None,
    ) -> tuple[Frames, NDArray[np.int64]]:
        """As those of the cell, brighter."""
        frames, frame_of_step = super().frames(sensor, first, stop, rows, columns, bands)
        begins = np.searchsorted(frame_of_step, np.arange(len(frames.values)))
        shown = self.times[first:stop][begins] / DAY
        values = frames.values.copy()
        for square in self.squares:
            y, x = (
                _within(one, all_) for one, all_ in zip(square.place, (rows, columns), strict=True)
            )
            looks = shown[:, None, None] - frames.age_days[:, y, x]
            values[:, y, x] *= _factor(square.course(looks))[..., None]
        return Frames(values, frames.fresh, frames.age_days), frame_of_step


def scores(
    detector: Detector, ground: Ground, squares: Sequence[Square], spans: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The greatest score of each pixel of the ladder's ground over all windows, [y, x].

    Args:
        detector: the network.
        ground: the series.
        squares: changes, by row and column of that ground.
        spans: half-open ranges of steps, [window, 2].
    """
    from groundshift.models.inference import score_place  # loads TensorFlow

    moved = [square.moved(0, ground.judged.start) for square in squares]
    windows = pd.DataFrame(spans, columns=["first", "stop"])
    rows = slice(0, ground.cell.shape[0])
    found = score_place(detector, Planted.of(ground.cell, moved), windows, rows, ground.judged)
    greatest: NDArray[np.float32] = found.mean.max(axis=0)
    return greatest


def network_of(
    name: str,
    ground: Ground,
    squares: Sequence[Sequence[Square]],
    window: int,
    folder: Path,
    every: int,
) -> Detector:
    """Train a network.

    Args:
        name: of the series.
        ground: the series.
        squares: changes of every copy of the ground that is learnt from.
        window: its length in days, or the whole series if that is shorter.
        folder: where images and artifacts are kept.
        every: how many windows there are for each that is learnt from in an epoch.
    """
    images, grid = folder / f"{name}-planted", ground.copies(len(squares))
    roles = sorted(ground.cell.roles.items())
    sensors = {
        sensor: _write_images(images, ground, sensor, squares)
        for role, sensor in roles
        if role in RADAR_ROLES
    }
    _write_truth(images / "truth.geojson", squares, grid)
    params = folder / f"{name}-planted.yaml"
    own = _settings(ground, images, sensors, grid, window)
    own["train"] = _TRAIN | {"stride": every, "validation_stride": every}
    params.write_text(yaml.safe_dump({"task": "change", "areas": {name: own}}))
    run = Chain(params, name, folder, last="train").run([])
    return Detector.open(run.folders["model"])


def _write_images(
    folder: Path, ground: Ground, sensor: str, squares: Sequence[Sequence[Square]]
) -> dict[str, Any]:
    """One image per look, linear power; gives the settings that read them."""
    cell, grid = ground.cell, ground.copies(len(squares))
    values, fresh, _ = cell.looks(sensor, slice(0, ground.shape[0]), ground.learnt)
    bands = cell.sensors[sensor].bands
    (folder / sensor).mkdir(parents=True, exist_ok=True)
    for time, image, seen in zip(cell.look_times(sensor), values, fresh, strict=True):
        known = np.where(seen[..., None], image, np.nan)
        parts = [_brighter(known, own, float(time) / DAY) for own in squares]
        stamp = isoformat(int(time)).replace("-", "").replace(":", "")[:15]
        with rasterio.open(
            folder / sensor / f"{stamp}.tif",
            "w",
            driver="GTiff",
            count=len(bands),
            height=grid.shape.y,
            width=grid.shape.x,
            dtype="float32",
            crs=str(grid.crs),
            transform=grid.affine,
            nodata=np.nan,
        ) as raster:
            raster.write(np.moveaxis(np.concatenate(parts, axis=1), -1, 0))
    part = {"folder": sensor, "bands": list(bands)}
    return {"mission": "sentinel1", "bands": list(bands), "units": "linear", "parts": [part]}


def _brighter(
    image: NDArray[np.float32], squares: Sequence[Square], day: float
) -> NDArray[np.float32]:
    brighter = image.copy()
    for square in squares:
        brighter[square.place] *= _factor(square.course(np.array(day)))
    return brighter


def _write_truth(path: Path, squares: Sequence[Sequence[Square]], grid: GeoBox) -> None:
    width = grid.shape.x // len(squares)
    placed = [one.moved(0, width * copy) for copy, own in enumerate(squares) for one in own]
    rows = []
    for number, square in enumerate(placed):
        y, x = square.place
        (left, top), (right, bottom) = (
            grid.affine * corner for corner in ((x.start, y.start), (x.stop, y.stop))
        )
        begin, end = (
            isoformat(int(day * DAY))[:10] for day in (square.start, square.start + square.days)
        )
        rows.append(
            {
                "id": f"square-{number}",
                "kind": "urban",
                "start": begin,
                "end": end,
                "geometry": box(left, bottom, right, top),
            }
        )
    gpd.GeoDataFrame(rows, crs=str(grid.crs)).to_file(path, driver="GeoJSON")


def _settings(
    ground: Ground, images: Path, sensors: dict[str, Any], grid: GeoBox, window: int
) -> dict[str, Any]:
    """The area of all copies: blocks of the upper rows are learnt from, those below validate."""
    edge, extent, times = abs(grid.resolution.x), grid.boundingbox, ground.cell.times
    step = ground.cell.signature.step_seconds // DAY
    down, across = (size // BLOCK for size in grid.shape)
    border = round(down * _LEARNT) * across
    assigned = {"training": [*range(border)], "validation": [*range(border, down * across)]}
    first, last = (isoformat(int(time))[:10] for time in (times[0], times[-1] + DAY))
    return {
        "area": {
            "bounds": [extent.left, extent.bottom, extent.right, extent.top],
            "bounds_crs": str(grid.crs),
            "crs": str(grid.crs),
            "resolution": edge,
            "halo": 0,
        },
        "period": {"start": first, "end": last},
        "fetch": {"source": "files", "files": {"root": str(images), "sensors": sensors}},
        "stack": {"radar": list(sensors), "step": f"{step}d"},
        "window": {
            "kind": "single",
            "length": f"{min(window, int(np.ptp(times)) // DAY)}d",
            "min_steps": 6,
            "max_steps": 92,
            "patch": BLOCK,
            "labels": "truth",
            "truth": str(images / "truth.geojson"),
            "split": {"block": BLOCK, "buffer": 0, "assign": assigned},
        },
    }


def _within(one: slice, whole: slice) -> slice:
    """Where a span lies within another one, counted from that one's start."""
    start, stop = max(one.start, whole.start), min(one.stop, whole.stop)
    return slice(start - whole.start, max(start, stop) - whole.start)


def _factor(decibels: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(10 ** (decibels / 10), np.float32)
