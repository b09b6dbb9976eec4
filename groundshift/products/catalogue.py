"""The STAC catalogue of the maps: one collection, one item per map, relative links only.

stac/collection.json
stac/<cell>_<start>_<end>/<...>.json    a window's map of scores
stac/<cell>_aggregates/<...>.json       maximum and date of maximum
stac/events/events.json                 the events as GeoParquet and GeoJSON
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pystac
import shapely
from odc.geo.geobox import GeoBox
from pystac.extensions.projection import ProjectionExtension
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from groundshift.domain.cells import Cell
from groundshift.products.events_io import GEOJSON, GEOPARQUET
from groundshift.products.maps import (
    DATE_OF_MAXIMUM,
    LAYERS,
    MAXIMUM,
    NO_DATE,
    MapWindow,
    aggregate_path,
    band_names,
    score_path,
)
from groundshift.products.project import PROJECT
from groundshift.products.series import SERIES

FOLDER = "stac"

_PARQUET = "application/vnd.apache.parquet"
_ZARR = "application/vnd+zarr"


@dataclass(frozen=True)
class CatalogueText:
    """What the catalogue says about the maps as a whole."""

    area: str
    period: tuple[int, int]
    """[start, end) in seconds since 1970."""
    description: str
    licences: tuple[str, ...]
    """Licence and attribution lines."""
    model: str
    """Content hash of the model."""


def write_catalogue(
    folder: Path, text: CatalogueText, maps: Mapping[Cell, Sequence[MapWindow]]
) -> Path:
    """Describe the maps of an artifact.

    Args:
        folder: the artifact, whose maps and events are written already.
        text: what holds for all of them.
        maps: the windows mapped in each cell.

    Returns:
        `stac/collection.json`.
    """
    items = [item for cell, windows in maps.items() for item in _cell_items(folder, cell, windows)]
    events = make_item("events", _outline(maps), text.period)
    for name, file, kind in (
        ("parquet", GEOPARQUET, _PARQUET),
        ("geojson", GEOJSON, pystac.MediaType.GEOJSON),
    ):
        events.add_asset(name, pystac.Asset(str(folder / file), media_type=kind, roles=["data"]))
    for name, file, kind, role in (
        ("series", SERIES, _ZARR, "data"),
        ("qgis", PROJECT, "application/xml", "visual"),
    ):
        if (folder / file).exists():
            asset = pystac.Asset(str(folder / file), media_type=kind, roles=[role])
            events.add_asset(name, asset)
    items.append(events)
    return save_collection(folder, text, items, title="Ground change", keyword="change detection")


def save_collection(
    folder: Path,
    text: CatalogueText,
    items: Sequence[pystac.Item],
    *,
    title: str,
    keyword: str,
) -> Path:
    """Write items and the collection over them, with relative links only.

    Args:
        folder: the artifact.
        text: what holds for all of them.
        items: whose assets are written already.
        title: what is mapped, before the area's name.
        keyword: by which it is found.

    Returns:
        `stac/collection.json`.
    """
    collection = _collection(text, items, title, keyword)
    for item in items:
        item.properties["groundshift:model"] = text.model
    collection.add_items(items)
    collection.normalize_hrefs(str(folder / FOLDER))
    collection.make_all_asset_hrefs_relative()
    collection.save(pystac.CatalogType.SELF_CONTAINED)
    return folder / FOLDER / "collection.json"


def _collection(
    text: CatalogueText, items: Sequence[pystac.Item], title: str, keyword: str
) -> pystac.Collection:
    boxes = [item.bbox for item in items if item.bbox is not None]
    whole = [f(box[i] for box in boxes) for i, f in enumerate((min, min, max, max))]
    start, end = (_instant(seconds) for seconds in text.period)
    return pystac.Collection(
        id=f"groundshift-{text.area}",
        title=f"{title}, {text.area}",
        description=text.description,
        extent=pystac.Extent(pystac.SpatialExtent([whole]), pystac.TemporalExtent([[start, end]])),
        license="other",
        keywords=[keyword, "Earth observation"],
        extra_fields={"attribution": list(text.licences)},
    )


def _cell_items(folder: Path, cell: Cell, windows: Iterable[MapWindow]) -> Iterable[pystac.Item]:
    windows = tuple(windows)
    footprint = footprint_of(cell.core)
    for window in windows:
        item = make_item(
            f"{cell.id}_{window.name}", footprint, (window.start, window.end), cell.core
        )
        path = score_path(folder, cell, window)
        asset = cog_asset(path, "Score of change", "score", "float32", "nan")
        item.add_asset("score", _with_layers(asset, path))
        yield item
    if windows:
        period = (windows[0].start, max(window.end for window in windows))
        item = make_item(f"{cell.id}_aggregates", footprint, period, cell.core)
        path = aggregate_path(folder, cell, MAXIMUM)
        asset = cog_asset(path, "Greatest score", "score", "float32", "nan")
        item.add_asset(MAXIMUM, _with_layers(asset, path))
        path = aggregate_path(folder, cell, DATE_OF_MAXIMUM)
        asset = cog_asset(
            path, "Date of the greatest score", "days since 1970-01-01", "int32", NO_DATE
        )
        item.add_asset(DATE_OF_MAXIMUM, asset)
        yield item


def _with_layers(asset: pystac.Asset, path: Path) -> pystac.Asset:
    """Name the bands of a map that has more than one."""
    layers = band_names(path)[1:]
    if layers:
        described = [{"name": name, "description": LAYERS[name]} for name in layers]
        asset.extra_fields["bands"] = [{"name": "score"}, *described]
    return asset


def make_item(
    name: str, footprint: BaseGeometry, period: tuple[int, int], grid: GeoBox | None = None
) -> pystac.Item:
    """An item without assets.

    Args:
        name: its id.
        footprint: in longitude and latitude.
        period: [start, end) in seconds since 1970.
        grid: of its images, if they share one.
    """
    start, end = (_instant(seconds) for seconds in period)
    item = pystac.Item(
        id=name,
        geometry=mapping(footprint),
        bbox=list(footprint.bounds),
        datetime=None,
        start_datetime=start,
        end_datetime=end,
        properties={},
    )
    if grid is not None and grid.crs is not None:
        projection = ProjectionExtension.ext(item, add_if_missing=True)
        epsg = grid.crs.to_epsg()
        projection.apply(
            code=f"EPSG:{epsg}" if epsg else None,
            wkt2=None if epsg else grid.crs.to_wkt(),
            shape=list(grid.shape),
            transform=list(grid.transform)[:6],
        )
    return item


def cog_asset(path: Path, title: str, unit: str, kind: str, nodata: Any) -> pystac.Asset:
    """A Cloud Optimized GeoTIFF: its title, and unit, type and nodata number of its values."""
    return pystac.Asset(
        str(path),
        title=title,
        media_type=pystac.MediaType.COG,
        roles=["data"],
        extra_fields={"data_type": kind, "nodata": nodata, "unit": unit},
    )


def footprint_of(grid: GeoBox) -> BaseGeometry:
    """The outline of a grid in longitude and latitude, to about a centimetre."""
    outline = grid.extent.to_crs("EPSG:4326").geom
    rounded = shapely.normalize(shapely.set_precision(outline, 1e-7))
    footprint: BaseGeometry = shapely.orient_polygons(rounded, exterior_cw=False)
    return footprint


def _outline(maps: Mapping[Cell, Sequence[MapWindow]]) -> BaseGeometry:
    return shapely.box(*shapely.union_all([footprint_of(cell.core) for cell in maps]).bounds)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
