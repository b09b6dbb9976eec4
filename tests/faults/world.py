"""A tiny area as a user would have it: images in folders, a settings file, polygons of change."""

import importlib
import json
from pathlib import Path

import numpy as np
import rasterio
import typer
import yaml
from rasterio.transform import from_origin

from groundshift.artifacts import read_manifest

START = np.datetime64("2017-01-01", "s")
PIXELS, BLOCK, DAYS, EVERY = 12, 4, 160, 10
LEFT, TOP = 600_000, 5_600_000
CRS = "EPSG:32631"
BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
CHANGED = {0: 60, 8: 70, 1: 65, 7: 75, 3: 60, 5: 70}
"""Day on which a block's middle was built over."""

FOLDERS = {
    "fetch": ("observations",),
    "stack": ("observations", "cube"),
    "window": ("observations", "cube", "samples"),
    "train": ("cube", "samples", "model"),
    "evaluate": ("cube", "samples", "model", "evaluation"),
    "infer": ("cube", "samples", "model", "evaluation", "maps"),
}
"""Folders of each stage's command line: the last one is written."""


def make_world(folder: Path, every: int = EVERY) -> Path:
    """Write images, truth and `params.yaml` into a folder.

    Args:
        folder: where to.
        every: days from one image to the next.

    Returns:
        The folder.
    """
    generator = np.random.default_rng(3)
    for day in range(0, DAYS, every):
        write_image(folder / "images/s1", day, radar(generator, day))
        write_image(folder / "images/s2", day + 1, optical(generator, day + 1))
        write_image(folder / "images/clear", day + 1, np.ones((1, PIXELS, PIXELS), np.uint8))
    (folder / "truth.geojson").write_text(json.dumps(truth()))
    (folder / "params.yaml").write_text(yaml.safe_dump(params(folder), sort_keys=False))
    return folder


def params(folder: Path) -> dict:
    """The settings file's content."""
    radar = {"mission": "sentinel1", "bands": ["VV", "VH"], "units": "linear"}
    optical = {"mission": "sentinel2", "bands": list(BANDS), "units": "reflectance", "scale": 1e-4}
    bounds = [LEFT, TOP - 10 * PIXELS, LEFT + 10 * PIXELS, TOP]
    assigned = {"training": [0, 2, 6, 8], "validation": [1, 7], "test": [3, 4, 5]}
    return {
        "task": "change",
        "area": {"bounds": bounds, "bounds_crs": CRS, "halo": 0},
        "period": {"start": "2017-01-01", "end": str((START + DAYS * 86_400).astype("M8[D]"))},
        "fetch": {
            "workers": 1,
            "files": {
                "root": str(folder / "images"),
                "licences": ["made up, no rights reserved"],
                "sensors": {
                    "s1": radar | {"parts": [{"folder": "s1", "bands": ["VV", "VH"]}]},
                    "s2": optical
                    | {
                        "parts": [{"folder": "s2", "bands": list(BANDS)}],
                        "mask": {"folder": "clear"},
                    },
                },
            },
        },
        "stack": {"step": "10d", "radar": ["s1"], "optical": "s2", "workers": 1},
        "window": {
            "kind": "single",
            "length": "64d",
            "min_steps": 4,
            "max_steps": 16,
            "patch": BLOCK,
            "labels": "truth",
            "truth": str(folder / "truth.geojson"),
            "split": {"block": BLOCK, "buffer": 0, "assign": assigned},
        },
        "train": {
            "variant": "radar",  # one stream instead of two: half the time
            "epochs": 2,
            "batch": 8,
            "stride": 2,
            "validation_stride": 2,
        },
        "evaluate": {"bootstrap": 5, "baselines": False},
        "infer": {"stride": 4, "block": 32},
        "areas": {"tiny": None},
    }


def write_image(folder: Path, day: int, values: np.ndarray, **profile) -> Path:
    """Write an image [band, y, x] of a day; `profile` overrides what rasterio is told."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = str(START + day * 86_400).replace("-", "").replace(":", "")
    path = folder / f"{stamp}.tif"
    bands, height, width = values.shape
    known = {"count": bands, "height": height, "width": width, "dtype": values.dtype, "crs": CRS}
    known |= {"transform": from_origin(LEFT, TOP, 10, 10)} | profile
    with rasterio.open(path, "w", driver="GTiff", **known) as image:
        image.write(values)
    return path


def radar(generator: np.random.Generator, day: int) -> np.ndarray:
    """Linear power of both polarisations, brighter where something was built."""
    power = generator.gamma(8, 0.05 / 8, (2, PIXELS, PIXELS))
    return (np.rint(power * _built(day, 4) * 512) / 512).astype(np.float32)


def optical(generator: np.random.Generator, day: int) -> np.ndarray:
    """Codes of reflectance, darker where something was built."""
    level = np.linspace(500, 2500, len(BANDS))[:, None, None]
    noisy = level + generator.normal(0, 60, (len(BANDS), PIXELS, PIXELS))
    return (noisy * _built(day, 0.7)).astype(np.uint16)


def truth() -> dict:
    """What was built, as GeoJSON with dates."""
    features = []
    for number, (block, day) in enumerate(CHANGED.items()):
        rows, columns = _footprint(block)
        left, right = (LEFT + 10 * edge for edge in (columns.start, columns.stop))
        top, bottom = (TOP - 10 * edge for edge in (rows.start, rows.stop))
        ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
        start = str((START + day * 86_400).astype("M8[D]"))
        known = {"id": f"house-{number}", "kind": "urban", "start": start, "end": start}
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": known, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    return {"type": "FeatureCollection", "crs": crs, "features": features}


def arguments(stage: str, world: Path, made: Path | None = None, **folders: Path) -> list[str]:
    """The stage's command line, with artifacts in `made` unless `folders` says otherwise."""
    places = {name: (made or world) / name for name in FOLDERS[stage]} | folders
    options = [part for name, path in places.items() for part in (f"--{name}", str(path))]
    return ["--params", str(world / "params.yaml"), "--area", "tiny", *options]


def app(stage: str) -> typer.Typer:
    """The stage's command line."""
    found: typer.Typer = importlib.import_module(f"components.{stage}.__main__").app
    return found


def output_of(stage: str) -> str:
    """Name of the artifact that a stage writes."""
    return FOLDERS[stage][-1]


def content_hash(folder: Path) -> str:
    """The hash of the artifact in a folder that bears its contract's name."""
    return read_manifest(folder, folder.name).content_hash


def _built(day: int, factor: float) -> np.ndarray:
    gain = np.ones((PIXELS, PIXELS))
    for block, since in CHANGED.items():
        if day >= since:
            gain[_footprint(block)] = factor
    return gain


def _footprint(block: int) -> tuple[slice, slice]:
    top, left = (BLOCK * i + 1 for i in divmod(block, PIXELS // BLOCK))
    return slice(top, top + 2), slice(left, left + 2)
