"""Areas: polygons from a file, bounds, or an image's own grid, as the cells that cover them."""

import math
from pathlib import Path

import fiona
import geopandas as gpd
import rasterio
import shapely
from fiona.errors import FionaError
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pyproj.exceptions import CRSError
from rasterio.errors import RasterioIOError
from shapely.geometry.base import BaseGeometry

from groundshift.domain.cells import Cell, cover, rectangle
from groundshift.errors import SettingsError
from groundshift.observations.sources import eopatch
from groundshift.settings import AreaSettings

_MOST_PIXELS = 1 << 28
_ROUNDING = 1e-3  # of a pixel: closer to a pixel's edge is rounding, not area


def cells_of(area: AreaSettings) -> tuple[Cell, ...]:
    """The cells of an area.

    Raises:
        SettingsError: an area that can't be read, is empty, or asks for an impossible grid.
    """
    cells = (_cell_like(area, area.like),) if area.like is not None else _cover(area)
    rows, columns = cells[0].grid.shape  # all are alike
    if rows * columns > _MOST_PIXELS:
        raise SettingsError(
            f"area: expected cells of at most {_MOST_PIXELS} pixels, found {rows} x {columns}. Use "
            "a larger area.resolution, a smaller area.cell, or a part of the image that area.like "
            "names"
        )
    return cells


def rectangle_of(area: AreaSettings) -> GeoBox:
    """The pixels around an area, whatever the cells that cover it.

    Raises:
        SettingsError: as `cells_of`.
    """
    if area.like is not None:
        return _cell_like(area, area.like).core
    target = None if area.crs == "auto" else _projected(area.crs)
    return rectangle(*_geometry(area), target=target, resolution=area.resolution)


def _cover(area: AreaSettings) -> tuple[Cell, ...]:
    target = None if area.crs == "auto" else _projected(area.crs)
    return cover(
        *_geometry(area),
        target=target,
        resolution=area.resolution,
        size=area.cell,
        halo=area.halo,
    )


def read_polygons(path: Path) -> tuple[BaseGeometry, CRS]:
    """All polygons of a vector file, as one geometry, and their reference system.

    Every layer and feature counts. GeoJSON is in EPSG:4326 unless it has a `crs` member.

    Raises:
        SettingsError: no such file, no vector file, no polygon, or no reference system.
    """
    if not path.is_file():
        raise SettingsError(f"area.geometry: expected a file {path}, found none. Correct the path")
    try:
        layers = [gpd.read_file(path, layer=layer) for layer in fiona.listlayers(path)]
    except (FionaError, ValueError) as error:
        raise SettingsError(
            f"area.geometry: {path} can't be read ({error}). "
            "Expected GeoJSON, a shapefile or a GeoPackage"
        ) from error
    layers = [layer for layer in layers if _polygons(layer).size]
    if not layers:
        raise SettingsError(
            f"area.geometry: {path}: expected at least one polygon, found none. "
            "Draw the area as a polygon or multi-polygon"
        )
    if any(layer.crs is None for layer in layers):
        raise SettingsError(
            f"area.geometry: {path} has no reference system (a shapefile without .prj?). "
            "Export it again with one"
        )
    crs = layers[0].crs
    outlines = [shapely.union_all(_polygons(layer.to_crs(crs))) for layer in layers]
    return shapely.union_all(outlines), CRS(crs.to_wkt())


def _polygons(layer: gpd.GeoDataFrame) -> gpd.GeoSeries:
    shapes = layer.geometry[layer.geometry.notna()]
    return shapes[shapes.geom_type.isin(("Polygon", "MultiPolygon")) & ~shapes.is_empty]


def _geometry(area: AreaSettings) -> tuple[BaseGeometry, CRS]:
    if area.geometry is not None:
        return read_polygons(area.geometry)
    assert area.bounds is not None  # the settings' own rule
    left, bottom, right, top = area.bounds
    if left >= right or bottom >= top:
        raise SettingsError(
            f"area.bounds: expected left < right and bottom < top, found {area.bounds}. "
            "The order is left, bottom, right, top"
        )
    return shapely.box(left, bottom, right, top), _known(area.bounds_crs, "area.bounds_crs")


def _known(text: str, setting: str) -> CRS:
    """A reference system that has an EPSG code, as the observations' format needs."""
    try:
        crs = CRS(text)
    except CRSError as error:
        raise SettingsError(f"{setting}: unknown reference system {text!r} ({error})") from error
    if crs.to_epsg() is None:
        raise SettingsError(
            f"{setting}: expected a reference system with an EPSG code, found {text!r}. "
            "Use the nearest one that has a code"
        )
    return crs


def _projected(text: str) -> CRS:
    crs = _known(text, "area.crs")
    if not crs.projected:
        raise SettingsError(
            f"area.crs: expected a projected system in metres, found {text!r}. Use auto (the UTM "
            "zone); to keep an image's grid in degrees as it is, name the image in area.like"
        )
    return crs


def _cell_like(area: AreaSettings, path: Path) -> Cell:
    """One cell on an image's own pixels."""
    grid = _grid_of(path)
    if area.geometry is not None or area.bounds is not None:
        grid = _crop(grid, *_geometry(area), path)
    left, bottom = grid.boundingbox.bbox[:2]
    crs = _known(str(grid.crs), f"area.like: {path}")
    places = 0 if crs.projected else 4
    name = f"{crs.to_epsg()}_{left:.{places}f}_{bottom:.{places}f}_{grid.shape.x}x{grid.shape.y}"
    return Cell(name, GeoBox(grid.shape, grid.transform, f"EPSG:{crs.to_epsg()}"), 0)


def _grid_of(path: Path) -> GeoBox:
    """The pixel grid of a GeoTIFF or an EPSG-referenced EOPatch."""
    if path.is_dir():
        return eopatch.grid_of(path)
    try:
        with rasterio.open(path) as image:
            if image.crs is None:
                raise SettingsError(
                    f"area.like: {path} has no reference system. Name another image"
                )
            return GeoBox(image.shape, image.transform, CRS(image.crs.to_wkt()))
    except RasterioIOError as error:
        raise SettingsError(
            f"area.like: expected an image or EOPatch at {path}: {error}"
        ) from error


def _crop(grid: GeoBox, geometry: BaseGeometry, crs: CRS, path: Path) -> GeoBox:
    """The part of a grid whose pixels a geometry touches."""
    transformer = Transformer.from_crs(crs, grid.crs, always_xy=True)
    outline = shapely.get_coordinates(shapely.segmentize(geometry, geometry.length / 100))
    x, y = transformer.transform(*outline.T)
    back = ~grid.transform
    columns, rows = back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f
    height, width = grid.shape
    top, left = (max(math.floor(v.min() + _ROUNDING), 0) for v in (rows, columns))
    bottom = min(math.ceil(rows.max() - _ROUNDING), height)
    right = min(math.ceil(columns.max() - _ROUNDING), width)
    if top >= bottom or left >= right:
        raise SettingsError(
            f"area: the geometry or bounds lie outside the image that area.like names ({path}). "
            "Correct one of the two, or leave area.like out"
        )
    return grid[top:bottom, left:right]
