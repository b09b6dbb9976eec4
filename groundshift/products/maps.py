"""Maps of scores as Cloud Optimized GeoTIFFs, written window by window.

Layout inside the artifact:

    scores/<cell>/<start>_<end>.tif         score of one window, start and end in UTC; further bands
                                            are `LAYERS`, as far as they can be had
    aggregates/<cell>/maximum.tif           greatest score over all windows; of an ensemble the
                                            spread of that window is a second band
    aggregates/<cell>/date_of_maximum.tif   middle of the window it comes from, days since 1970

Every map covers the core of its cell on the cube's grid. The same scores give the same bytes.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.shutil import copy as copy_raster

from groundshift.artifacts import ValueHash
from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY, find_stamp, isoformat, stamp
from groundshift.errors import ContractError
from groundshift.events.windows import PROBABILITY, SPREAD

CONTRACT = "maps"
SCORES, AGGREGATES = "scores", "aggregates"
MAXIMUM, DATE_OF_MAXIMUM = "maximum", "date_of_maximum"

LAYERS = {
    PROBABILITY: "probability of change within the window, calibrated on known truth",
    SPREAD: "standard deviation of the ensemble's scores",
}
"""Bands that stand behind the score: name and meaning."""

NO_DATE = -1
"""Nodata of `date_of_maximum`, where no window has a score."""

_TILE = 256


@dataclass(frozen=True, order=True)
class MapWindow:
    """A window of time that gets a map: [start, end) in seconds since 1970."""

    start: int
    end: int

    @property
    def name(self) -> str:
        """File name stem: start and end in UTC."""
        return f"{stamp(self.start)}_{stamp(self.end)}"

    @property
    def middle(self) -> int:
        """Middle in seconds since 1970."""
        return (self.start + self.end) // 2


class CellMaps:
    """Writes one cell's maps as their scores come, holding one window at a time."""

    def __init__(
        self, folder: Path, cell: Cell, *, tags: Mapping[str, str], values: ValueHash
    ) -> None:
        """Start with no window.

        Args:
            folder: the artifact.
            cell: the cell; maps cover its core.
            tags: GeoTIFF tags that all maps share (model, attribution).
            values: fed with every map's scores.
        """
        self.cell = cell
        self.windows: list[MapWindow] = []
        self._folder, self._tags, self._values = folder, dict(tags), values
        self._maximum = np.full(cell.core.shape, np.nan, np.float32)
        self._day = np.full(cell.core.shape, NO_DATE, np.int32)
        self._spread: NDArray[np.float32] | None = None

    def add(
        self,
        window: MapWindow,
        score: NDArray[np.float32],
        written: Path | None = None,
        layers: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
    ) -> Path:
        """Write one window's map.

        Args:
            window: later than those before.
            score: [y, x] float32 on the cell's core, 0...1, NaN where there is none.
            written: a file with this very map and the same tags, which is shared.
            layers: [y, x] of `LAYERS`, written behind the score; `written` holds them already.

        Returns:
            The file.

        Raises:
            ContractError: the map is not on the core, or windows come out of order.
        """
        if score.shape != tuple(self.cell.core.shape):
            raise ContractError(
                f"cell {self.cell.id}, window {window.name}: expected scores on the core "
                f"{tuple(self.cell.core.shape)}, found {score.shape}"
            )
        if self.windows and window <= self.windows[-1]:
            raise ContractError(
                f"cell {self.cell.id}: expected windows in order, found {window.name} after "
                f"{self.windows[-1].name}. Rerun python -m components.window"
            )
        self.windows.append(window)
        self._values.add_scores(f"{SCORES}/{self.cell.id}/{window.name}", score)
        greater = score > np.nan_to_num(self._maximum, nan=-np.inf)
        self._maximum = np.where(greater, score, self._maximum)
        self._day = np.where(greater, np.int32(window.middle // DAY), self._day)
        if SPREAD in layers:
            before = np.full(score.shape, np.nan) if self._spread is None else self._spread
            self._spread = np.where(greater, layers[SPREAD], before).astype(np.float32)
        path = score_path(self._folder, self.cell, window)
        if written is not None:
            share_file(written, path)
            return path
        tags = {"WINDOW_START": isoformat(window.start), "WINDOW_END": isoformat(window.end)}
        named = {"score": score, **layers}
        write_cog(path, named, self.cell.core, nodata=np.nan, tags=tags | self._tags)
        return path

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Write the aggregates.

        Returns:
            maximum: [y, x] float32, NaN where no window has a score.
            day: [y, x] int32 days since 1970, `NO_DATE` likewise.
        """
        self._values.add_scores(f"{MAXIMUM}/{self.cell.id}", self._maximum)
        self._values.add(f"{DATE_OF_MAXIMUM}/{self.cell.id}", self._day)
        core, folder, tags = self.cell.core, self._folder, dict(self._tags)
        if self.windows:
            tags["WINDOW_START"] = isoformat(self.windows[0].start)
            tags["WINDOW_END"] = isoformat(max(window.end for window in self.windows))
        path = aggregate_path(folder, self.cell, MAXIMUM)
        spread = {} if self._spread is None else {SPREAD: self._spread}
        write_cog(path, {"score": self._maximum, **spread}, core, nodata=np.nan, tags=tags)
        path = aggregate_path(folder, self.cell, DATE_OF_MAXIMUM)
        unit = "days since 1970-01-01"
        write_cog(path, {unit: self._day}, core, nodata=NO_DATE, tags=tags)
        return self._maximum, self._day


def score_path(folder: Path, cell: Cell, window: MapWindow) -> Path:
    """Where a window's map lies."""
    return folder / SCORES / cell.id / f"{window.name}.tif"


def window_of(path: Path) -> MapWindow:
    """The window of a map, by the name of its file."""
    start, end = (find_stamp(part) for part in path.stem.split("_"))
    if start is None or end is None:
        raise ContractError(f"{path}: expected a name of two times, found none")
    return MapWindow(start, end)


def mapped_windows(folder: Path, cell: Cell) -> tuple[MapWindow, ...]:
    """The windows of which an artifact holds a cell's maps, in order."""
    return tuple(window_of(path) for path in sorted((folder / SCORES / cell.id).glob("*.tif")))


def aggregate_path(folder: Path, cell: Cell, name: str) -> Path:
    """Where an aggregate (`MAXIMUM`, `DATE_OF_MAXIMUM`) of a cell lies."""
    return folder / AGGREGATES / cell.id / f"{name}.tif"


def share_file(source: Path, target: Path) -> None:
    """Give a finished file a second place: a hard link, or a copy on another file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_cog(
    path: Path,
    bands: Mapping[str, NDArray[Any]],
    grid: GeoBox,
    *,
    nodata: float,
    tags: Mapping[str, str],
    colours: Mapping[int, tuple[int, int, int, int]] | None = None,
) -> None:
    """Write arrays as a Cloud Optimized GeoTIFF: tiled, compressed, with overviews.

    Args:
        path: the file.
        bands: [y, x] on `grid` by what their numbers are, all of one type; the names become
            descriptions and units. Floats get averaged overviews, integers the nearest pixel's.
        grid: where the pixels lie.
        nodata: number that stands for no value.
        tags: GeoTIFF tags.
        colours: red, green, blue, alpha of each number, for one band of bytes.
    """
    names, first = tuple(bands), next(iter(bands.values()))
    rows, columns = first.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        "",
        "w",
        driver="MEM",
        height=rows,
        width=columns,
        count=len(bands),
        dtype=first.dtype,
        crs=grid.crs.to_wkt() if grid.crs is not None else None,
        transform=grid.transform,
        nodata=nodata,
    ) as raster:
        for number, (name, values) in enumerate(bands.items(), start=1):
            raster.write(values, number)
            raster.set_band_description(number, name)
            raster.update_tags(number, **_statistics(values, nodata))
        if colours is not None:
            raster.write_colormap(1, dict(colours))
        raster.units = names
        raster.update_tags(**tags, UNITS=", ".join(names))
        copy_raster(
            raster,
            path,
            driver="COG",
            blocksize=_TILE,
            compress="DEFLATE",
            predictor="YES",
            overview_resampling="AVERAGE" if first.dtype.kind == "f" else "NEAREST",
        )


def _statistics(values: NDArray[Any], nodata: float) -> dict[str, str]:
    """Least, greatest, mean, deviation and share of the known pixels, as GDAL writes them down."""
    known = values[np.isfinite(values) & (values != nodata)].astype(np.float64)
    if not known.size:
        return {}
    figures = {
        "MINIMUM": known.min(),
        "MAXIMUM": known.max(),
        "MEAN": known.mean(),
        "STDDEV": known.std(),
        "VALID_PERCENT": 100 * known.size / values.size,
    }
    return {f"STATISTICS_{name}": f"{figure:.6g}" for name, figure in figures.items()}


def read_map(path: Path, factor: int = 1) -> NDArray[Any]:
    """Read a map's first band, [y, x]; above 1, every `factor`-th pixel from its overviews."""
    with rasterio.open(path) as raster:
        shape = (-(-raster.height // factor), -(-raster.width // factor))
        values: NDArray[Any] = raster.read(1, out_shape=shape)
    return values


def read_layers(path: Path) -> dict[str, NDArray[np.float32]]:
    """What a map holds beside its first band, [y, x] by name."""
    with rasterio.open(path) as raster:
        names = [str(name) for name in raster.descriptions]
        return {name: raster.read(number) for number, name in enumerate(names[1:], start=2)}


def band_names(path: Path) -> tuple[str, ...]:
    """What the numbers of a map's bands are."""
    with rasterio.open(path) as raster:
        return tuple(str(name) for name in raster.descriptions)
