"""What the service holds: products as arrays, their files as COGs, their items as providers write.

Items are written after those of Earth Search, the Planetary Computer and the Copernicus Data Space.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from shapely import box
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

EXTENT = (-180.0, -60.0, 180.0, 84.0)


@dataclass
class File:
    """One asset: pixels on their own grid, and what the item says of them."""

    pixels: np.ndarray
    """[y, x]"""
    grid: GeoBox
    nodata: float | None = None
    block: int = 512
    format: str = "COG"
    said: dict[str, Any] = field(default_factory=dict)
    """Fields of the asset."""


@dataclass
class Product:
    """An item and its files."""

    id: str
    collection: str
    time: float
    files: dict[str, File]
    properties: dict[str, Any]
    outline: BaseGeometry | None = None
    """Where it has data, in degrees; default: the ground of its files."""
    scheme: str = "http"
    """How its files are named: http or s3."""

    @property
    def ground(self) -> BaseGeometry:
        if self.outline is not None:
            return self.outline
        (first, *_) = self.files.values()
        return first.grid.extent.to_crs("EPSG:4326").geom

    def path(self, key: str) -> str:
        return f"{self.collection}/{self.id}/{key}.{'tif' if self.jp2(key) is False else 'jp2'}"

    def jp2(self, key: str) -> bool:
        return self.files[key].format != "COG"

    def item(self, url: str, folder: Path) -> dict[str, Any]:
        """What the catalogue says of it."""
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "stac_extensions": [],
            "id": self.id,
            "collection": self.collection,
            "bbox": list(self.ground.bounds),
            "geometry": mapping(self.ground),
            "properties": {"datetime": _text(self.time)} | self.properties,
            "links": [],
            "assets": {key: self._asset(key, url, folder) for key in self.files},
        }

    def _asset(self, key: str, url: str, folder: Path) -> dict[str, Any]:
        file, path = self.files[key], self.path(key)
        base = f"{url}/files" if self.scheme == "http" else "s3:/"
        kind = "jp2" if self.jp2(key) else "tiff; application=geotiff; profile=cloud-optimized"
        said = {"href": f"{base}/{path}", "type": f"image/{kind}", "roles": ["data"]}
        step = file.grid.transform
        said |= {"proj:shape": list(file.grid.shape), "proj:transform": list(step)[:6]}
        if file.said.get("file:size", True) is True:
            said["file:size"] = self.file(key, folder).stat().st_size
        return said | {name: value for name, value in file.said.items() if name != "file:size"}

    def file(self, key: str, folder: Path) -> Path:
        """Its file, written once."""
        path, file = folder / self.path(key), self.files[key]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, file)
        return path


def _write(path: Path, file: File) -> None:
    height, width = file.pixels.shape
    options: dict[str, Any] = {"compress": "deflate", "blocksize": file.block}
    if file.format != "COG":
        options = {"quality": 100, "reversible": "yes"}
    with rasterio.open(
        path,
        "w",
        driver=file.format,
        width=width,
        height=height,
        count=1,
        dtype=file.pixels.dtype,
        crs=file.grid.crs.to_wkt(),
        transform=file.grid.transform,
        nodata=file.nodata,
        **options,
    ) as image:
        image.write(file.pixels, 1)


def search(products: list[Product], asked: dict[str, Any]) -> list[Product]:
    """The products that a search asks for, newest first."""
    start, end = (datetime.fromisoformat(text).timestamp() for text in asked["datetime"].split("/"))
    place = box(*asked["bbox"])
    return [
        product
        for product in sorted(products, key=lambda each: (-each.time, each.id))
        if product.collection in asked["collections"]
        and start <= product.time <= end
        and product.ground.intersects(place)
        and _fits(product.properties, asked.get("query") or {}, asked.get("filter"))
    ]


def _fits(properties: dict[str, Any], query: dict[str, Any], cql: dict[str, Any] | None) -> bool:
    terms = [(key, how, value) for key, hows in query.items() for how, value in hows.items()]
    names = {"=": "eq", "<=": "lte", "in": "in"}
    terms += [
        (term["args"][0]["property"], names[term["op"]], term["args"][1])
        for term in (cql or {"args": []})["args"]
    ]
    tests = {
        "eq": lambda have, want: have == want,
        "lte": lambda have, want: have <= want,
        "in": lambda have, want: have in want,
    }
    return all(key in properties and tests[how](properties[key], want) for key, how, want in terms)


def _text(seconds: float) -> str:
    stamp = datetime.fromtimestamp(seconds, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
