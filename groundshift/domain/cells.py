"""Cells: squares of a fixed grid into which every area falls, so that results don't depend on it.

A cell is `core` (the pixels whose results it owns) inside `grid` (the core and a halo of context
on every side). Large areas are covered by whole squares of a fixed grid in their UTM zone; an
area that fits into one square is one cell of its own size.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from pyproj import Geod, Transformer
from shapely import box, transform
from shapely.geometry.base import BaseGeometry

from groundshift.errors import ContractError, SettingsError

Slices = tuple[slice, slice]

_MOST_CELLS = 1_000_000

_ID = re.compile(r"[A-Za-z0-9-][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Cell:
    """One unit of fan-out, storage and resume."""

    id: str
    core: GeoBox
    halo: int
    """Pixels of context on each side of the core."""

    @property
    def grid(self) -> GeoBox:
        """The pixels that are stored: core and halo."""
        return self.core.pad(self.halo) if self.halo else self.core

    @property
    def inner(self) -> Slices:
        """Rows and columns of the core inside `grid`."""
        rows, columns = self.core.shape
        return slice(self.halo, self.halo + rows), slice(self.halo, self.halo + columns)

    @property
    def own_size(self) -> bool:
        """Whether it is an area of its own size rather than a square of the fixed grid."""
        rows, columns = self.core.shape
        return self.id.endswith(f"_{columns}x{rows}")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {
            "id": self.id,
            "crs": str(self.core.crs),
            "transform": list(self.core.transform)[:6],
            "shape": list(self.core.shape),
            "halo": self.halo,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Cell":
        """The cell that `to_dict` described.

        Raises:
            ContractError: an id that leads out of the folders that bear it.
        """
        if not _ID.fullmatch(values["id"]):
            raise ContractError(
                f"expected a cell whose id is of letters, digits, '_', '.' and '-', found "
                f"{values['id']!r}. Rerun the stage that wrote the artifact"
            )
        core = GeoBox(tuple(values["shape"]), Affine(*values["transform"]), values["crs"])
        return cls(values["id"], core, values["halo"])


def pixel_area(grid: GeoBox) -> float:
    """Area of a pixel in square metres; of a grid in degrees, that of its central pixel."""
    if grid.crs is None or not grid.crs.geographic:
        return float(abs(grid.resolution.x * grid.resolution.y))
    rows, columns = grid.shape
    middle = grid[rows // 2 : rows // 2 + 1, columns // 2 : columns // 2 + 1]
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(box(*middle.boundingbox.bbox))
    return float(abs(area))


def utm_zone(geometry: BaseGeometry, crs: CRS) -> CRS:
    """The UTM zone (WGS 84) in which the centre of a geometry lies."""
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(geometry.centroid.x, geometry.centroid.y)
    zone = min(int((longitude + 180) // 6) + 1, 60)
    return CRS(f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}")


def cover(
    geometry: BaseGeometry,
    crs: CRS,
    *,
    target: CRS | None,
    resolution: float,
    size: float,
    halo: int,
) -> tuple[Cell, ...]:
    """The cells that an area needs.

    Args:
        geometry: the area, all its polygons, in `crs`.
        crs: reference system of `geometry`.
        target: reference system of the cells; None picks the UTM zone of the area's centre.
        resolution: pixel size in units of `target` (metres for UTM).
        size: edge of a cell in the same unit, a whole number of pixels where several are needed.
        halo: pixels of context around each cell.

    Returns:
        Cells in rows from the north west. Their corners lie on multiples of the resolution.

    Raises:
        SettingsError: an empty area or one outside of its reference system, a cell that is not a
            whole number of pixels, or cells without number.
    """
    area, target = _projected(geometry, crs, target)
    left, bottom, right, top = _snap(area.bounds, resolution)
    if right - left <= size and top - bottom <= size:
        return (_cell((left, bottom, right, top), target, resolution, halo, own_size=True),)
    if size % resolution:
        raise SettingsError(
            f"area.cell: {size} is not a whole number of pixels of {resolution}; "
            f"try {math.ceil(size / resolution) * resolution}"
        )
    columns = range(math.floor(left / size), math.ceil(right / size))
    rows = range(math.ceil(top / size) - 1, math.floor(bottom / size) - 1, -1)
    if len(columns) * len(rows) > _MOST_CELLS:
        raise SettingsError(
            f"area.cell: expected at most {_MOST_CELLS} cells, found {len(columns) * len(rows)} of "
            f"{size} in {_listed((left, bottom, right, top))}. Make area.cell larger"
        )
    squares = [(c * size, r * size, (c + 1) * size, (r + 1) * size) for r in rows for c in columns]
    return tuple(
        _cell(square, target, resolution, halo, own_size=False)
        for square in squares
        if area.intersection(box(*square)).area > 0
    )


def rectangle(geometry: BaseGeometry, crs: CRS, *, target: CRS | None, resolution: float) -> GeoBox:
    """The pixels around an area, whatever the cells that cover it; arguments as of `cover`.

    Raises:
        SettingsError: an empty area or one outside of its reference system.
    """
    area, target = _projected(geometry, crs, target)
    bounds = _snap(area.bounds, resolution)
    return GeoBox.from_bbox(bounds, crs=target, resolution=resolution, tight=True)


def _listed(bounds: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.6g}" for value in bounds)


def _projected(geometry: BaseGeometry, crs: CRS, target: CRS | None) -> tuple[BaseGeometry, CRS]:
    """An area in the reference system of its cells, and that system."""
    if geometry.is_empty:
        raise SettingsError("area.geometry holds no polygon: expected at least one, found none")
    target = target or utm_zone(geometry, crs)
    if crs == target:
        return geometry, target
    transformer = Transformer.from_crs(crs, target, always_xy=True)
    area = transform(geometry, lambda xy: np.column_stack(transformer.transform(*xy.T)))
    if not np.isfinite(area.bounds).all():
        raise SettingsError(
            f"area: expected coordinates that {crs} knows, found {_listed(geometry.bounds)}. "
            "Correct area.bounds_crs, or the reference system of area.geometry"
        )
    return area, target


def _snap(bounds: tuple[float, ...], resolution: float) -> tuple[float, float, float, float]:
    """Bounds widened to whole pixels; a thousandth of a pixel is rounding, not area."""
    left, bottom, right, top = (value / resolution for value in bounds)
    return (
        math.floor(left + 1e-3) * resolution,
        math.floor(bottom + 1e-3) * resolution,
        math.ceil(right - 1e-3) * resolution,
        math.ceil(top - 1e-3) * resolution,
    )


def _cell(
    bounds: tuple[float, float, float, float],
    crs: CRS,
    resolution: float,
    halo: int,
    *,
    own_size: bool,
) -> Cell:
    core = GeoBox.from_bbox(bounds, crs=crs, resolution=resolution, tight=True)
    name = f"{crs.to_epsg() or 'local'}_{bounds[0]:.0f}_{bounds[1]:.0f}"
    if own_size:
        name += f"_{core.shape[1]}x{core.shape[0]}"
    return Cell(name, core, halo)
