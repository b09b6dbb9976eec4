"""Real series through the fetch stage and its checks: what is put away, and by how much they pass.

    python -m benchmarks.real_series FOLDER

The folder holds the public series that `tests/data/README.md` and the demo are parts of: Sentinel-1
and -2 and Landsat 8 over Flanders, monthly composites over Hesbaye, Sentinel-1 RTC over California,
and a year of forest in both orbit directions. A series that is not there is left out.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import rasterio
import typer
from rasterio.transform import from_origin

from components.fetch.stage import run
from groundshift.domain.time import stamp
from groundshift.observations.store import Observations
from groundshift.settings import FetchStage, load, parse

ROOT = Path(__file__).parents[1]
_RADAR = {"mission": "sentinel1", "bands": ["VV", "VH"]}
_FIRST_ORBIT = {"S1A": 73, "S1B": 27}
"""Absolute orbit that had the relative orbit 1, of 175."""


def main(folder: Annotated[Path, typer.Argument(help="That holds the series.")]) -> None:
    """Print a table."""
    os.environ["GROUNDSHIFT_TRACKING"] = "off"
    print("| series | images | put away | largest measures, with limits |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        os.environ["GROUNDSHIFT_WORK"] = str(work / "work")
        for title, settings in _series(folder.resolve(), work):
            run(settings, observations=work / title)
            for row in _rows(title, Observations.open(work / title)):
                print(f"| {row} |", flush=True)


def _series(folder: Path, work: Path) -> Iterator[tuple[str, FetchStage]]:
    """Names of the series that are there, and how they are fetched."""
    flanders = folder / "s1s2l8_flanders_2017_2018"
    if flanders.is_dir():
        demo = load("fetch", ROOT / "params.yaml", area="demo").model_dump(mode="json")
        demo["fetch"] |= {"plant": None}
        demo["fetch"]["files"]["root"] = str(flanders)
        yield "flanders", parse("fetch", demo)
    hesbaye = folder / "s1s2_monthly_hesbaye_2020_2021"
    if hesbaye.is_dir():
        bands = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12"]
        optical = {"mission": "sentinel2", "level": "L2A", "bands": bands, "units": "reflectance"}
        sensors = {
            "s1": _files(_RADAR | {"units": "db"}, "s1"),
            "s2": _files(optical | {"scale": 1e-4}, "s2"),
        }
        bounds = (664000, 5611120, 665000, 5612120), "EPSG:32631", 10
        yield "hesbaye", _settings(hesbaye, sensors, bounds, "2020-11-01", "2021-11-01")
    california = folder / "s1_rtc_california_2021_2025"
    if california.is_dir():
        sensors = {"s1": _files(_RADAR | {"units": "linear"}, ".")}
        bounds = (145800, 3905850, 148800, 3908850), "EPSG:32611", 30
        yield "california", _settings(california, sensors, bounds, "2021-11-01", "2025-02-01")
    forest = folder / "s1ascdesc_s2_treesat_2020" / "treesat_patch.npz"
    if forest.is_file():
        sensors = _unpacked(forest, work / "forest images")
        bounds = (565643, 5770920, 565703, 5770980), "EPSG:25832", 10
        yield (
            "forest",
            _settings(work / "forest images", sensors, bounds, "2020-01-01", "2021-01-01"),
        )


def _files(sensor: dict[str, Any], folder: str) -> dict[str, Any]:
    return sensor | {"parts": [{"folder": folder, "bands": sensor["bands"]}]}


def _settings(
    root: Path,
    sensors: dict[str, Any],
    place: tuple[tuple[float, ...], str, float],
    start: str,
    end: str,
) -> FetchStage:
    bounds, crs, resolution = place
    area = {"bounds": bounds, "bounds_crs": crs, "crs": crs, "resolution": resolution, "halo": 0}
    files = {"root": str(root), "sensors": sensors}
    fetch = {"source": "files", "files": files}
    values = {"area": area, "period": {"start": start, "end": end}, "fetch": fetch}
    return parse("fetch", values | {"name": "real"})


def _unpacked(archive: Path, folder: Path) -> dict[str, Any]:
    """The forest's arrays as images, radar apart by relative orbit; the sensors' settings."""
    sensors: dict[str, Any] = {}
    with np.load(archive) as arrays:
        for name, units in (("s1_asc", "linear"), ("s1_des", "linear"), ("s2", "reflectance")):
            known = arrays[name], arrays[f"{name}_time"], arrays[f"{name}_products"]
            for image, time, product in zip(*known, strict=True):
                own = f"{name}_{_relative_orbit(str(product)):03d}" if name != "s2" else name
                _write(folder / own / f"{stamp(int(time))}.tif", image)
                if name != "s2":
                    sensors[own] = _files(_RADAR | {"units": units}, own)
        clouds = arrays["s2_masks"][:, 1]
        for cloud, time in zip(clouds, arrays["s2_time"], strict=True):
            _write(folder / "clouds" / f"{stamp(int(time))}.tif", (cloud > 20)[None].astype("u1"))
    bands = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"]
    optical = {"mission": "sentinel2", "level": "L2A", "bands": bands, "units": "reflectance"}
    mask = {"folder": "clouds", "rule": "zero"}
    return sensors | {"s2": _files(optical | {"scale": 1e-4, "mask": mask}, "s2")}


def _relative_orbit(product: str) -> int:
    absolute = int(product.split("_")[6])
    return (absolute - _FIRST_ORBIT[product[:3]]) % 175 + 1


def _write(path: Path, image: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = image.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=count,
        dtype=image.dtype,
        crs="EPSG:25832",
        transform=from_origin(565643, 5770980, 10, 10),
    ) as file:
        file.write(image)


def _rows(title: str, found: Observations) -> Iterator[str]:
    measures, quarantine = found.measures, found.quarantine
    for name in found.sensors:
        stored = int((found.table["sensor"] == name).sum())
        failed = quarantine[(quarantine["sensor"] == name) & (quarantine["digest"] != "")]
        largest = []
        own = measures[measures["sensor"] == name]
        for check, group in own.groupby("check"):
            largest.append(f"{check} {group['value'].abs().max():.3g} ({group['limit'].max():g})")
        away = "0"
        if len(failed):
            first = failed.iloc[0]
            away = f"{len(failed)}, first {stamp(first['time'])}: {first['reason']}"
        yield f"{title} {name} | {stored + len(failed)} | {away} | {', '.join(largest) or '-'}"


if __name__ == "__main__":
    typer.run(main)
