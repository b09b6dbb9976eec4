"""The stack stage as a command, on the published system's own inputs and outputs."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from groundshift.cube.store import Cube
from groundshift.domain.bands import LANDSAT_TM, SENTINEL2

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "stack"
UTM = "urn:ogc:def:crs:EPSG::32631"
TYPES = ("asc", "dsc", "opt")
ERAS = {
    "stack_s12": {
        "radar": {"mission": "sentinel1", "bands": ["VV", "VH"], "units": "linear"},
        "optical": {"mission": "sentinel2", "bands": [band.name for band in SENTINEL2]},
    },
    "stack_ers12ls5": {
        "radar": {"mission": "ers", "bands": ["VV"], "units": "linear"},
        "optical": {"mission": "landsat_tm", "bands": [band.name for band in LANDSAT_TM]},
    },
}


def write_patches(folder, arrays, name):
    """One EOPatch per observation; images of any size share their upper left corner."""
    times = [str(time) for time in arrays[f"{name}_times"]]
    values = arrays[f"{name}_codes"].astype(np.float32) / 256
    rows, columns = values.shape[1:3]
    left, top = 600_000, 5_600_000
    right, bottom = left + 10 * columns, top - 10 * rows
    ring = [[left, bottom], [left, top], [right, top], [right, bottom], [left, bottom]]
    box = {"type": "Polygon", "coordinates": [ring]}
    box["crs"] = {"type": "name", "properties": {"name": UTM}}
    for time, image, mask in zip(times, values, arrays[f"{name}_mask"], strict=True):
        patch = folder / name / time
        for kind, feature, array in (("data", "BANDS", image), ("mask", "VALID", mask)):
            (patch / kind).mkdir(parents=True, exist_ok=True)
            np.save(patch / kind / f"{feature}.npy", array[None])
        (patch / "bbox.geojson").write_text(json.dumps(box))
        stamp = f"{time[:4]}-{time[4:6]}-{time[6:8]}T{time[9:11]}:{time[11:13]}:{time[13:]}"
        (patch / "timestamps.json").write_text(json.dumps([stamp]))


def settings_of(folder, era, parameters):
    """Settings of both stages: every sensor on the pixels of the smaller radar image."""
    feature = {"layout": "eopatch", "feature": "BANDS", "mask_feature": "VALID"}
    sensors = {
        name: ERAS[era]["radar"] | feature | {"folder": name} for name in ("asc", "dsc")
    } | {
        "opt": ERAS[era]["optical"] | feature | {"folder": "opt", "units": "reflectance"}
    }
    shared = {
        "name": "golden",
        "area": {"like": str(folder / "asc")},
        "period": {"start": parameters["start"], "end": parameters["end"]},
    }
    return {
        "fetch": shared | {"fetch": {"files": {"root": str(folder), "sensors": sensors}}},
        "stack": shared | {"stack": {"step": f"{parameters['delta_step']}s"}},
    }


def command(stage, settings, folder, *arguments):
    """Run a stage as users do."""
    environment = os.environ | {
        "GROUNDSHIFT_WORK": str(folder / "work"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
    options = ["--settings", json.dumps(settings)] if settings else []
    words = [sys.executable, "-m", f"components.{stage}", *options, *map(str, arguments)]
    return subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", params=ERAS)
def golden(request, tmp_path_factory):
    """A golden input, fetched and stacked by the commands."""
    folder = tmp_path_factory.mktemp(request.param)
    arrays = np.load(GOLDEN / f"{request.param}.npz")
    parameters = json.loads((GOLDEN / f"{request.param}.json").read_text())
    for name in TYPES:
        write_patches(folder, arrays, name)
    settings = settings_of(folder, request.param, parameters)
    observations = ("--observations", folder / "observations")
    fetched = command("fetch", settings["fetch"], folder, *observations)
    assert fetched.returncode == 0, fetched.stderr
    stacked = command("stack", settings["stack"], folder, *observations, "--cube", folder / "cube")
    assert stacked.returncode == 0, stacked.stderr
    return folder, arrays, parameters, settings, stacked


def test_every_step_and_tile_is_the_published_systems(golden):
    folder, arrays, parameters, *_ = golden
    (cell_cube,) = Cube.open(folder / "cube").cells.values()
    steps = len(cell_cube.times)
    everything = (0, steps, slice(0, None), slice(0, None))
    assert cell_cube.roles == {"radar_a": "asc", "radar_b": "dsc", "optical": "opt"}
    image = np.concatenate(
        [cell_cube.read(name, *everything).values for name in cell_cube.roles.values()], axis=-1
    )
    for run, tiling in parameters["runs"].items():
        np.testing.assert_array_equal(cell_cube.times, arrays[f"{run}/timestamps"])
        expected = arrays[f"{run}/tile_codes"].astype(np.float32) / 256
        rows, columns = tiling["tile_size_y"], tiling["tile_size_x"]
        down = rows - 2 * tiling["deadzone_y"]
        across = columns - 2 * tiling["deadzone_x"]
        assert expected.shape[1:3] == (tiling["tiles_y"], tiling["tiles_x"])
        for j, i in product(range(tiling["tiles_y"]), range(tiling["tiles_x"])):
            tile = image[:, j * down : j * down + rows, i * across : i * across + columns]
            np.testing.assert_array_equal(tile, expected[:, j, i])
