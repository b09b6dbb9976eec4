"""What the service holds: scenes as arrays in memory, and how they become images."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely import box
from shapely.geometry import mapping

from groundshift.domain.bands import SENTINEL2
from tests.hub.scripts import Script
from tests.loopback.server import RefusedError

BANDS_S2 = [band.name for band in SENTINEL2]
OFFERED = {
    "sentinel-2-l1c": {*BANDS_S2, "CLM", "CLP", "dataMask"},
    "sentinel-2-l2a": {*BANDS_S2, "CLM", "CLP", "SCL", "dataMask"} - {"B10"},
    "sentinel-1-grd": {"VV", "VH", "dataMask", "localIncidenceAngle"},
}
COEFFICIENTS = {"GAMMA0_ELLIPSOID", "GAMMA0_TERRAIN", "SIGMA0_ELLIPSOID", "BETA0"}


@dataclass
class Scene:
    """One product: bands on its own pixels, whole numbers (DN) or linear power."""

    name: str
    collection: str
    time: float
    grid: GeoBox
    bands: dict[str, np.ndarray]
    """Name -> [y, x]; without a dataMask every pixel is measured."""
    orbit: str = ""
    cloud: float = 0.0

    @property
    def outline(self):
        return self.grid.extent.to_crs("EPSG:4326").geom

    def item(self) -> dict[str, Any]:
        """What the catalogue says of it."""
        platform = {"S1": "sentinel-1", "S2": "sentinel-2"}[self.name[:2]] + self.name[2].lower()
        properties = {"datetime": _text(self.time), "platform": platform}
        if self.orbit:
            properties |= {
                "sat:orbit_state": self.orbit.lower(),
                "sar:instrument_mode": "IW",
                "s1:polarization": "DV",
                "s1:resolution": "HIGH",
            }
        else:
            properties["eo:cloud_cover"] = self.cloud * 100
        return {
            "type": "Feature",
            "id": self.name,
            "collection": self.collection,
            "geometry": mapping(self.outline),
            "properties": properties,
        }

    def pixels(self, band: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Numbers of the pixels in which points lie, [y, x]; 0 outside of the scene."""
        step = self.grid.transform
        columns = np.floor((x - step.c) / step.a).astype(int)
        rows = np.floor((y - step.f) / step.e).astype(int)
        height, width = self.grid.shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        if band == "dataMask" and band not in self.bands:
            return inside.astype(np.uint8)
        image = self.bands[band]
        taken = image[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return np.where(inside, taken, image.dtype.type(0))


def search(scenes: list[Scene], body: dict[str, Any], page: int) -> dict[str, Any]:
    """A page of the catalogue, newest items first."""
    (collection,) = body["collections"]
    if collection not in OFFERED:
        raise RefusedError(404, f"Collection {collection} not found.")
    start, end = (_seconds(text) for text in body["datetime"].split("/"))
    place = box(*body["bbox"])
    found = [
        scene
        for scene in sorted(scenes, key=lambda scene: (-scene.time, scene.name))
        if scene.collection == collection
        and start <= scene.time <= end
        and scene.outline.intersects(place)
        and _fits(scene.item()["properties"], body.get("filter"))
    ]
    first = int(body.get("next", 0))
    limit = min(int(body.get("limit", 10)), page)
    context = {"limit": limit, "returned": len(found[first : first + limit])}
    if first + limit < len(found):
        context["next"] = first + limit
    items = [scene.item() for scene in found[first : first + limit]]
    return {"type": "FeatureCollection", "features": items, "context": context, "links": []}


def process(
    archive: list[Scene], body: dict[str, Any], largest: int
) -> tuple[dict[str, np.ndarray], float]:
    """Images by name, [y, x, band], and what they cost in processing units."""
    bounds, (data,) = body["input"]["bounds"], body["input"]["data"]
    width, height = body["output"]["width"], body["output"]["height"]
    if not (1 <= width <= largest and 1 <= height <= largest):
        raise RefusedError(400, f"Invalid width or height: 1 to {largest} are allowed.")
    script = Script(body["evalscript"])
    unknown = set(script.inputs) - OFFERED.get(data["type"], set())
    if unknown:
        raise RefusedError(400, f"Dataset {data['type']} has no band {sorted(unknown)}")
    radar = data["type"] == "sentinel-1-grd"
    _check_processing(data.get("processing", {}), radar=radar)
    samples = _mosaic(
        _chosen(archive, data), script, crs_of(bounds), _centres(bounds, width, height)
    )
    wanted = [response["identifier"] for response in body["output"]["responses"]]
    missing = set(wanted) - set(script.outputs)
    if missing:
        raise RefusedError(400, f"Output {sorted(missing)} is not in the evalscript.")
    images = {name: script.output(name, samples) for name in wanted}
    return images, _cost(width * height, script, radar=radar)


def _mosaic(scenes: list[Scene], script: Script, crs: str, centres) -> dict[str, np.ndarray]:
    """Samples of each of the script's inputs, [y, x], from the scene that lies on top."""
    samples = {name: np.zeros(centres[0].shape, np.float64) for name in script.inputs}
    for scene in reversed(scenes):  # the first of the order lies on top
        there = Transformer.from_crs(crs, scene.grid.crs, always_xy=True).transform(*centres)
        measured = scene.pixels("dataMask", *there) != 0
        for name in script.inputs:
            values = scene.pixels(name, *there).astype(np.float64)
            if "REFLECTANCE" in script.units and name in BANDS_S2:
                values /= 10000
            samples[name] = np.where(measured, values, samples[name])
    return samples


def _chosen(scenes: list[Scene], data: dict[str, Any]) -> list[Scene]:
    """The scenes that a request's filter lets through, in the order of mosaicking."""
    wanted = data["dataFilter"]
    start, end = (_seconds(wanted["timeRange"][key]) for key in ("from", "to"))
    if data["type"] == "sentinel-1-grd":
        asked = [wanted.get(key) for key in ("acquisitionMode", "polarization", "resolution")]
        if asked != ["IW", "DV", "HIGH"]:
            raise RefusedError(400, f"No such products: {asked}")
    chosen = [
        scene
        for scene in scenes
        if scene.collection == data["type"]
        and start <= scene.time <= end
        and scene.orbit.upper() in ("", wanted.get("orbitDirection", scene.orbit.upper()))
        and scene.cloud * 100 <= wanted.get("maxCloudCoverage", 100)
    ]
    newest = wanted.get("mosaickingOrder", "mostRecent") == "mostRecent"
    return sorted(chosen, key=lambda scene: scene.time, reverse=newest)


def _cost(pixels: int, script: Script, *, radar: bool) -> float:
    """Processing units by the published formula."""
    bands = len(set(script.inputs) - {"dataMask"})
    depth = 2 if "FLOAT32" in script.types else 1
    return max(pixels / 512**2 * bands / 3 * depth * (2 if radar else 1), 0.005)


def _check_processing(processing: dict[str, Any], *, radar: bool) -> None:
    known = {"upsampling", "downsampling"}
    if radar:
        known |= {"orthorectify", "demInstance", "backCoeff", "speckleFilter"}
        if processing.get("backCoeff", "GAMMA0_ELLIPSOID") not in COEFFICIENTS:
            raise RefusedError(400, f"Invalid backCoeff {processing['backCoeff']}")
    else:
        known |= {"harmonizeValues"}
    if set(processing) - known:
        raise RefusedError(400, f"Unknown processing {sorted(set(processing) - known)}")


def crs_of(bounds: dict[str, Any]) -> str:
    code = re.fullmatch(
        r"http://www\.opengis\.net/def/crs/EPSG/0/(\d+)", bounds["properties"]["crs"]
    )
    if code is None:
        raise RefusedError(400, "Unsupported crs")
    return f"EPSG:{code[1]}"


def _centres(bounds: dict[str, Any], width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    left, bottom, right, top = bounds["bbox"]
    columns = left + (np.arange(width) + 0.5) * (right - left) / width
    rows = top - (np.arange(height) + 0.5) * (top - bottom) / height
    return tuple(np.meshgrid(columns, rows))


def _fits(properties: dict[str, Any], query: str | None) -> bool:
    """CQL2 text of the kind `a='b' AND c <= 4`."""
    for part in (query or "").split(" AND "):
        if not part:
            continue
        name, comparison, value = re.fullmatch(r"([\w:]+)\s*(=|<=|<)\s*(.+)", part).groups()
        have = properties[name]
        if comparison == "=":
            fits = have == value.strip("'")
        else:
            fits = have < float(value) or (comparison == "<=" and have == float(value))
        if not fits:
            return False
    return True


def _text(seconds: float) -> str:
    stamp = datetime.fromtimestamp(seconds, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
