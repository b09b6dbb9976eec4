"""Known truth as labels: polygons with dates, or masks of what changed within a period.

A window's label is the share of a pixel's change that happened inside the window: of a change
that took from `start` to `end`, the part of that time the window covers; of one at an instant, 1
or 0. A mask says only that a pixel changed at some time of its period, so that the share is that of
the period: the chance that the change lies in the window.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from fiona.errors import FionaError
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyarrow.lib import ArrowInvalid
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.features import rasterize
from rasterio.vrt import WarpedVRT

from groundshift.artifacts import digest
from groundshift.artifacts.hashing import file_digest
from groundshift.domain.time import find_stamp
from groundshift.errors import SettingsError

POSITIVE = 0.5
"""A label counts as change for scores from here on: more than half of it lies in the window."""

VERDICT, ACCEPTED, REJECTED = "verdict", "accepted", "rejected"
"""Column of a table of reviews, and the verdicts that tell something."""

URBAN = "urban"
"""The kind of change that is looked for; every other kind is labelled 0."""

_PERIOD = re.compile(r"(\d{8}(?:T\d{6})?)_(\d{8}(?:T\d{6})?)")


class CellTruth(Protocol):
    """Truth on the pixels of one cell."""

    def label(self, start: int, end: int) -> NDArray[np.float32]:
        """Share of urban change inside `[start, end)` in seconds, [y, x]; NaN where not known."""

    def other(self, start: int, end: int) -> NDArray[np.float32]:
        """Share of change that is not urban, [y, x]."""


class Truth(Protocol):
    """Truth of an area."""

    def on(self, grid: GeoBox) -> CellTruth:
        """The truth on a cell's grid."""

    @property
    def table(self) -> gpd.GeoDataFrame | None:
        """Dated polygons, if that is what is known."""

    @property
    def longest_period(self) -> int:
        """Seconds of the longest stretch within which a change is not dated any closer."""


@dataclass(frozen=True)
class DatedPolygons:
    """Changes as polygons, known everywhere: where there is none, nothing changed."""

    table: gpd.GeoDataFrame
    """Geometry, id, kind, start, end (instants in UTC without a zone), and what else came along."""

    @property
    def longest_period(self) -> int:
        """0: every change has its date."""
        return 0

    def on(self, grid: GeoBox) -> CellTruth:
        """The polygons on a cell's grid; a pixel belongs to a polygon if its centre does."""
        table = self.table.to_crs(grid.crs.to_wkt())
        table = table.iloc[np.sort(table.sindex.query(grid.extent.geom))]
        start, end = (_seconds(table[name]) for name in ("start", "end"))
        placed = []
        for i, geometry in enumerate(table.geometry):
            inside = rasterize(
                [geometry], out_shape=grid.shape, transform=grid.transform, dtype=np.uint8
            )
            pixels = np.nonzero(inside)
            if len(pixels[0]):
                urban = table["kind"].iloc[i] == URBAN
                placed.append(_Placed(pixels, int(start[i]), int(end[i]), bool(urban)))
        return _PlacedPolygons(tuple(grid.shape), tuple(placed))


@dataclass(frozen=True)
class ReviewedPolygons:
    """Changes that analysts judged: known on the ground they looked at, and nowhere else.

    An accepted event is a change, a rejected one is ground that did not change; of what they were
    unsure of, nothing is known.
    """

    reviews: gpd.GeoDataFrame
    """As `DatedPolygons.table`, with the column `verdict`."""

    @property
    def table(self) -> None:
        """None: where no polygon is, nothing is known."""
        return

    @property
    def longest_period(self) -> int:
        """0: every change has its date."""
        return 0

    def on(self, grid: GeoBox) -> CellTruth:
        """The reviews on a cell's grid; where two overlap and one accepts, that one counts."""
        accepted, sure = (
            self.reviews[self.reviews[VERDICT].isin(verdicts)]
            for verdicts in ((ACCEPTED,), (ACCEPTED, REJECTED))
        )
        outlines = list(sure.to_crs(grid.crs.to_wkt()).geometry)
        known = np.zeros(grid.shape, bool)
        if outlines:
            burnt = rasterize(outlines, grid.shape, transform=grid.transform, dtype=np.uint8)
            known = np.asarray(burnt, bool)
        return _Reviewed(DatedPolygons(accepted.assign(kind=URBAN)).on(grid), known)


@dataclass(frozen=True)
class PeriodMasks:
    """Changes as rasters, one or more per period: above 0 changed, nodata not known."""

    files: tuple[tuple[int, int, Path], ...]
    """Start and end of the period in seconds, and the raster."""

    @property
    def table(self) -> None:
        """None: no polygons are known."""
        return

    @property
    def longest_period(self) -> int:
        """Seconds of the longest period of a mask."""
        return max(end - start for start, end, _ in self.files)

    def on(self, grid: GeoBox) -> CellTruth:
        """The masks on a cell's grid, by nearest neighbour; files of one period are joined."""
        periods: dict[tuple[int, int], tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}
        for start, end, path in self.files:
            changed, known = _read_mask(path, grid)
            if (start, end) in periods:
                before = periods[start, end]
                changed, known = changed | before[0], known | before[1]
            periods[start, end] = changed, known
        return _PlacedMasks(tuple(grid.shape), periods)


def read_truth(path: Path) -> Truth:
    """Truth from a vector file with dates, or from a folder of masks named after their periods.

    Args:
        path: GeoJSON, GeoPackage, shapefile or GeoParquet with a column `start`, and optionally
            `end`, `kind` (default urban) and `id`; one with `verdict` is a table of reviews, as
            `groundshift review import` writes it; or a folder of `YYYYmmdd_YYYYmmdd.tif` (start,
            and end exclusive; other text may stand around).

    Raises:
        SettingsError: nothing there, or nothing that makes sense.
    """
    if path.is_dir():
        return PeriodMasks(tuple(_mask_files(path)))
    if not path.is_file():
        raise SettingsError(f"window.truth: expected a file or folder {path}, found none")
    try:
        table = gpd.read_parquet(path) if path.suffix == ".parquet" else gpd.read_file(path)
    except (FionaError, ArrowInvalid, ValueError) as error:
        raise SettingsError(
            f"window.truth: {path} can't be read ({error}). Expected GeoJSON, GeoPackage, "
            "shapefile or GeoParquet, or a folder of masks"
        ) from error
    polygons = dated_polygons(table, where=f"window.truth: {path}")
    return ReviewedPolygons(polygons.table) if VERDICT in table else polygons


def dated_polygons(table: gpd.GeoDataFrame, *, where: str) -> DatedPolygons:
    """Polygons with dates, checked and completed.

    Raises:
        SettingsError: no start, dates that can't be read or run backwards, no reference system.
    """
    if table.crs is None:
        raise SettingsError(f"{where}: expected a reference system, found none. Export it with one")
    if "start" not in table:
        raise SettingsError(
            f"{where}: expected a column `start` with the dates of the changes, found "
            f"{', '.join(table.columns)}. Add it"
        )
    try:
        start = _instants(table["start"])
        end = _instants(table["end"]).fillna(start) if "end" in table else start
    except (ValueError, TypeError) as error:
        raise SettingsError(f"{where}: expected ISO dates in start and end, {error}") from error
    if start.isna().any() or (end < start).any():
        row = int(np.flatnonzero((start.isna() | (end < start)).to_numpy())[0])
        raise SettingsError(
            f"{where}: row {row} runs from {start.iloc[row]} to {end.iloc[row]}; expected a start, "
            "and an end not before it. Correct the dates"
        )
    defaults = {"id": [str(i) for i in range(len(table))], "kind": URBAN}
    missing = {name: value for name, value in defaults.items() if name not in table}
    table = table.assign(start=start, end=end, **missing)
    return DatedPolygons(table.reset_index(drop=True))


def truth_digest(path: Path) -> str:
    """Hash of the content of a truth file or folder, for the manifest."""
    if path.is_file():
        return file_digest(path)
    return digest([[mask.name, file_digest(mask)] for _, _, mask in _mask_files(path)])


@dataclass(frozen=True)
class _Placed:
    """One polygon's pixels and dates."""

    pixels: tuple[NDArray[np.intp], ...]
    start: int
    end: int
    urban: bool

    def share(self, start: int, end: int) -> float:
        if self.start == self.end:
            return float(start <= self.start < end)
        overlap = min(self.end, end) - max(self.start, start)
        return max(overlap, 0) / (self.end - self.start)


@dataclass(frozen=True)
class _PlacedPolygons:
    """Dated polygons on a grid."""

    shape: tuple[int, ...]
    placed: tuple[_Placed, ...]

    def label(self, start: int, end: int) -> NDArray[np.float32]:
        return self._shares(start, end, urban=True)

    def other(self, start: int, end: int) -> NDArray[np.float32]:
        return self._shares(start, end, urban=False)

    def _shares(self, start: int, end: int, *, urban: bool) -> NDArray[np.float32]:
        shares = np.zeros(self.shape, np.float32)
        for change in self.placed:
            share = change.share(start, end)
            if change.urban == urban and share > 0:
                shares[change.pixels] = np.maximum(shares[change.pixels], share)
        return shares


@dataclass(frozen=True)
class _Reviewed:
    """Accepted changes on a grid, and the pixels [y, x] that were judged."""

    accepted: CellTruth
    known: NDArray[np.bool_]

    def label(self, start: int, end: int) -> NDArray[np.float32]:
        label = self.accepted.label(start, end)
        return np.where(self.known, label, np.float32(np.nan))

    def other(self, start: int, end: int) -> NDArray[np.float32]:
        return np.zeros(self.known.shape, np.float32)


@dataclass(frozen=True)
class _PlacedMasks:
    """Masks on a grid: changed and known, [y, x] each, by period."""

    shape: tuple[int, ...]
    periods: dict[tuple[int, int], tuple[NDArray[np.bool_], NDArray[np.bool_]]]

    def label(self, start: int, end: int) -> NDArray[np.float32]:
        shares = np.zeros(self.shape, np.float32)
        for (first, last), (changed, _) in self.periods.items():
            overlap = max(min(last, end) - max(first, start), 0)
            shares += changed * np.float32(overlap / (last - first))
        return np.where(self._known(start, end), np.minimum(shares, 1), np.float32(np.nan))

    def other(self, start: int, end: int) -> NDArray[np.float32]:
        return np.zeros(self.shape, np.float32)

    def _known(self, start: int, end: int) -> NDArray[np.bool_]:
        """Pixels for which every instant of the window lies in a period that knows them."""
        edges = {start, end} | {t for period in self.periods for t in period if start < t < end}
        instants = sorted(edges)
        known = np.ones(self.shape, bool)
        for first, last in pairwise(instants):
            piece = np.zeros(self.shape, bool)
            for (begin, stop), (_, seen) in self.periods.items():
                if begin <= first and last <= stop:
                    piece |= seen
            known &= piece
        return known


def _mask_files(folder: Path) -> Iterator[tuple[int, int, Path]]:
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".tif", ".tiff"))
    for path in paths:
        match = _PERIOD.search(path.stem)
        start, end = map(find_stamp, match.groups()) if match else (None, None)
        if start is None or end is None or end <= start:
            raise SettingsError(
                f"window.truth: {path}: expected a name with a period, YYYYmmdd_YYYYmmdd, found "
                f"{path.name!r}. Rename it"
            )
        yield start, end, path
    if not paths:
        raise SettingsError(
            f"window.truth: {folder}: expected masks named YYYYmmdd_YYYYmmdd.tif, found none"
        )


def _read_mask(path: Path, grid: GeoBox) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Changed and known, [y, x] each."""
    try:
        with rasterio.open(path) as image:
            if image.crs is None:
                raise SettingsError(
                    f"window.truth: {path}: expected a reference system, found none. Add one"
                )
            options = {
                "crs": grid.crs.to_wkt(),
                "transform": grid.transform,
                "height": grid.shape[0],
                "width": grid.shape[1],
                "resampling": Resampling.nearest,
            }
            alpha = image.nodata is None
            with WarpedVRT(image, add_alpha=alpha, **options) as warped:
                values, known = warped.read(1), warped.dataset_mask() > 0
    except RasterioIOError as error:
        raise SettingsError(f"window.truth: {path} can't be read ({error})") from error
    return (values > 0) & known, known


def _instants(dates: pd.Series) -> pd.Series:
    """Dates as instants in UTC, without a zone."""
    parsed = pd.to_datetime(dates, utc=True, format=None if dates.dtype != object else "ISO8601")
    return parsed.dt.tz_localize(None).astype("datetime64[s]")


def _seconds(instants: Sequence[object] | pd.Series) -> NDArray[np.int64]:
    return np.asarray(instants, "datetime64[s]").astype(np.int64)
