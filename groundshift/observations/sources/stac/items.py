"""What an item of a catalogue says of its images: time, place, processor, meaning of numbers.

Catalogues agree on the core and on few extensions. What is read here is what the known ones have;
anything else keeps the values of the table of offers.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from groundshift.domain.bands import TABLES
from groundshift.errors import SourceError
from groundshift.observations.checks import is_thermal
from groundshift.observations.radiometry import Scaling
from groundshift.observations.sources.stac.offers import Offer

_BASELINE = re.compile(r"_N(\d{4})_")
_RELATIVE_ORBIT = re.compile(r"_R(\d{3})_")
_TILE = re.compile(r"_T?(\d{2}[A-Z]{3})_")
_PLATFORMS = {"sentinel-": "S", "landsat-": "LANDSAT_"}
_OFFSET_BASELINE = "0400"
_OFFSET = -0.1
"""What has to be added to Sentinel-2 reflectance from processing baseline 04.00 on."""


@dataclass(frozen=True, eq=False)
class RemoteImage:
    """One file of an item.

    Attributes:
        href: Its address, unsigned.
        scaling: What its numbers mean.
        nodata: The number that means nothing was measured, besides what the file itself says.
        size: Bytes, where the catalogue says so.
        grid: Its pixels, where the catalogue says so.
        whole: Whether it has to be read as a whole, as JPEG 2000 does.
    """

    href: str
    scaling: Scaling
    nodata: float | None
    size: int | None
    grid: GeoBox | None
    whole: bool


@dataclass(frozen=True, eq=False)
class Granule:
    """An item: one product, or the part of it in one tile.

    Attributes:
        id: The item's id.
        product: The agency's name of the product, or the id.
        platform: Satellite, e.g. S2A.
        time: Seconds since 1970 with fractions.
        outline: Ground that it covers, in degrees.
        baseline: Version of the processor.
        made: When it was processed or entered, as text that sorts.
        tile: Fixed place that it belongs to, e.g. 31UFR or 198/025; empty where there is none.
        orbit: ascending, descending or empty.
        relative_orbit: Number within a repeat cycle, where known.
        images: By band and mask layer; those that the item has.
        properties: As in the catalogue.
        problem: Why it can't be read; empty if it can.
    """

    id: str
    product: str
    platform: str
    time: float
    outline: BaseGeometry
    baseline: str
    made: str
    tile: str
    orbit: str
    relative_orbit: int | None
    images: Mapping[str, RemoteImage]
    properties: Mapping[str, Any]
    problem: str = ""

    @property
    def crs(self) -> str:
        """Reference system of its images, where the catalogue says so."""
        grids = (image.grid for image in self.images.values())
        return next((str(grid.crs) for grid in grids if grid is not None), "")


def read_item(item: Mapping[str, Any], offer: Offer, wanted: tuple[str, ...]) -> Granule:
    """What an item says of the images that are wanted of it.

    Args:
        item: As the API gives it.
        offer: What its collection is known to hold.
        wanted: Bands and mask layers.

    Raises:
        SourceError: no id, time or outline.
    """
    try:
        properties: Mapping[str, Any] = item["properties"]
        assets: Mapping[str, Any] = item["assets"]
        text = properties.get("datetime") or properties["start_datetime"]
        time = datetime.fromisoformat(text)
        outline = shape(item["geometry"])
        name = str(item["id"])
    except (KeyError, TypeError, ValueError, AttributeError, ShapelyError) as error:
        raise SourceError(
            f"the catalogue holds an item without id, datetime, geometry or assets ({error!r}): "
            f"{item.get('id', 'no id')} of {offer.collection}. Report it to the provider"
        ) from error
    product = _product(properties) or name
    lacking = [f"{key} ({offer.assets[key]})" for key in wanted if offer.assets[key] not in assets]
    problems = [f"the item lacks {', '.join(lacking)}"] if lacking else []
    images, bands = {}, [band.name for band in TABLES[offer.mission]]
    baseline = _baseline(properties, product)
    for key in wanted:
        asset = assets.get(offer.assets[key])
        if asset is not None:
            scaling = (
                _scaling(key, asset, properties, baseline, offer) if key in bands else Scaling()
            )
            if scaling is None:
                problems.append(f"nothing tells whether the numbers of {key} have an offset")
            nodata = offer.nodata if key in bands else None
            images[key] = _image(asset, properties, scaling or Scaling(), nodata)
    return Granule(
        id=name,
        product=product,
        platform=_platform(str(properties.get("platform", ""))),
        time=(time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp(),
        outline=outline,
        baseline=baseline,
        made=_first(properties, "s2:generation_time", "processing:datetime", "created", "updated"),
        tile=_tile(properties, product),
        orbit=str(properties.get("sat:orbit_state", "")).lower() if offer.radar else "",
        relative_orbit=_relative_orbit(properties, product),
        images=images,
        properties=properties,
        problem="; ".join(problems),
    )


def _first(properties: Mapping[str, Any], *names: str) -> str:
    return next((str(properties[name]) for name in names if properties.get(name)), "")


def _product(properties: Mapping[str, Any]) -> str:
    names = ("s2:product_uri", "sentinel:product_id", "landsat:product_id")
    return _first(properties, *names).removesuffix(".SAFE")


def _platform(name: str) -> str:
    """S2A of sentinel-2a, LANDSAT_8 of landsat-8."""
    for long, short in _PLATFORMS.items():
        if name.lower().startswith(long):
            return short + name[len(long) :].upper()
    return name


def _baseline(properties: Mapping[str, Any], product: str) -> str:
    """0509 of 05.09, or as it is."""
    names = ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version")
    known = _first(properties, *names).replace(".", "")
    found = _BASELINE.search(product)
    return known or (found[1] if found else "")


def _relative_orbit(properties: Mapping[str, Any], product: str) -> int | None:
    stated = properties.get("sat:relative_orbit")
    found = _RELATIVE_ORBIT.search(product)
    return int(stated) if stated is not None else int(found[1]) if found else None


def _tile(properties: Mapping[str, Any], product: str) -> str:
    if "landsat:wrs_path" in properties:
        return f"{properties['landsat:wrs_path']}/{properties.get('landsat:wrs_row', '')}"
    named = _first(properties, "s2:mgrs_tile", "grid:code").removeprefix("MGRS-")
    found = _TILE.search(f"{product}_")
    return named or (found[1] if found else "")


def _stated(asset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Where an asset says what its numbers mean, by the versions of the raster extension."""
    for bands in ("raster:bands", "bands"):
        yield from (asset.get(bands) or [])[:1]
    yield asset


def _number(asset: Mapping[str, Any], name: str) -> float | None:
    for place in _stated(asset):
        for key in (name, f"raster:{name}"):
            if isinstance(place.get(key), int | float):
                return float(place[key])
    return None


def _scaling(
    key: str, asset: Mapping[str, Any], properties: Mapping[str, Any], baseline: str, offer: Offer
) -> Scaling | None:
    """What the numbers of a band mean; None where that can't be known."""
    scale, offset = _number(asset, "scale"), _number(asset, "offset")
    if is_thermal(offer.mission, key):
        return None if scale is None or offset is None else Scaling(scale, offset)
    scale = offer.scale if scale is None else scale
    if offer.mission == "sentinel2":
        offset = _sentinel2_offset(properties, baseline, offset)
        return None if offset is None else Scaling(scale, offset)
    return Scaling(scale, offer.offset if offset is None else offset)


def _sentinel2_offset(
    properties: Mapping[str, Any], baseline: str, stated: float | None
) -> float | None:
    """What has to be added to the reflectance of a Sentinel-2 product; None: can't be known.

    Products have an offset from processing baseline 04.00 on, also new ones of old scenes, so that
    dates don't tell. Earth Search takes it out and says so, but its `raster:bands` go on stating
    it; the pixels are as the property says.
    """
    applied = properties.get("earthsearch:boa_offset_applied")
    if applied or (baseline and baseline < _OFFSET_BASELINE):
        return 0.0
    if stated is not None and not (applied is False and stated == 0):
        return stated
    return _OFFSET if baseline else None


def _image(
    asset: Mapping[str, Any], properties: Mapping[str, Any], scaling: Scaling, nodata: float | None
) -> RemoteImage:
    stated, size = _number(asset, "nodata"), asset.get("file:size")
    return RemoteImage(
        href=str(asset.get("href", "")),
        scaling=scaling,
        nodata=nodata if stated is None else stated,
        size=int(size) if size else None,
        grid=_grid(asset, properties),
        whole="tif" not in str(asset.get("type", "tiff")).lower(),
    )


def _grid(asset: Mapping[str, Any], properties: Mapping[str, Any]) -> GeoBox | None:
    """Pixels of an asset, which it or its item describes."""

    def find(name: str) -> Any:
        return asset.get(name, properties.get(name))

    code, epsg = find("proj:code"), find("proj:epsg")
    code = code or (f"EPSG:{epsg}" if epsg else None)
    size, steps = find("proj:shape"), find("proj:transform")
    if not (code and size and steps):
        return None
    return GeoBox(tuple(size), Affine(*steps[:6]), str(code))
