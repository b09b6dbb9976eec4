"""The stack stage as a command, on the published system's own inputs and outputs."""

import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from components.fetch.stage import run as fetch
from components.stack.stage import run
from groundshift.cube.store import Cube
from groundshift.domain.bands import LANDSAT_TM, SENTINEL2
from groundshift.settings import merge, parse

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
    sensors = {name: ERAS[era]["radar"] | feature | {"folder": name} for name in ("asc", "dsc")} | {
        "opt": ERAS[era]["optical"] | feature | {"folder": "opt", "units": "reflectance"}
    }
    shared = {
        "name": "golden",
        "area": {"like": str(folder / "asc")},
        "period": {"start": parameters["start"], "end": parameters["end"]},
    }
    files = {"root": str(folder), "sensors": sensors}
    everything = {"release": ["*/*/*"]}  # the published system has no checks
    return {
        "fetch": shared | {"fetch": {"files": files, "checks": everything}},
        "stack": shared | {"stack": {"step": f"{parameters['delta_step']}s"}},
    }


def command(stage, settings, folder, *arguments):
    """Run a stage as users do."""
    environment = os.environ | {
        "GROUNDSHIFT_WORK": str(folder / "work"),
        "GROUNDSHIFT_TRACKING": "off",
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
    for name, tiling in parameters["runs"].items():
        np.testing.assert_array_equal(cell_cube.times, arrays[f"{name}/timestamps"])
        expected = arrays[f"{name}/tile_codes"].astype(np.float32) / 256
        rows, columns = tiling["tile_size_y"], tiling["tile_size_x"]
        down = rows - 2 * tiling["deadzone_y"]
        across = columns - 2 * tiling["deadzone_x"]
        assert expected.shape[1:3] == (tiling["tiles_y"], tiling["tiles_x"])
        for j, i in product(range(tiling["tiles_y"]), range(tiling["tiles_x"])):
            tile = image[:, j * down : j * down + rows, i * across : i * across + columns]
            np.testing.assert_array_equal(tile, expected[:, j, i])


def test_the_command_ends_with_its_summary(golden):
    folder, *_, stacked = golden
    summary = json.loads(stacked.stdout.splitlines()[-1])
    cube = Cube.open(folder / "cube")
    (cell_cube,) = cube.cells.values()
    assert summary["stage"] == "stack"
    assert summary["value_hash"] == cube.manifest.value_hash
    assert summary["metrics"]["steps"] == len(cell_cube.times)
    assert summary["metrics"]["bytes"] == sum(entry.size for entry in cube.manifest.files)


def test_scenes_that_come_late_are_revised_in(golden, tmp_path, monkeypatch):
    folder, _, _, settings, _ = golden
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    late = {"asc": 3, "opt": 5}
    for name in TYPES:
        for number, patch in enumerate(sorted((folder / name).iterdir())):
            if late.get(name) != number:
                shutil.copytree(patch, tmp_path / name / patch.name)
    fetch_settings = merge(settings["fetch"], {"fetch": {"files": {"root": str(tmp_path)}}})
    fetch_settings["area"] = {"like": str(tmp_path / "asc")}
    fetch(parse("fetch", fetch_settings), observations=tmp_path / "observations")
    chosen = parse("stack", settings["stack"])
    folders = {"observations": tmp_path / "observations", "cube": tmp_path / "cube"}
    first = run(chosen, **folders, revise=True)
    folders["observations"] = folder / "observations"
    second = run(chosen, **folders, revise=True)
    assert second.notes[0].startswith("revised: 2 insert; 1 cells touched")
    anew = Cube.open(folder / "cube").manifest.value_hash
    assert (
        first.value_hash
        != anew
        == second.value_hash
        == Cube.open(tmp_path / "cube").manifest.value_hash
    )
    again = run(chosen, **folders, revise=True)
    assert again.content_hash == second.content_hash
    assert "no frame was changed" in again.notes[0]


def test_settings_that_fit_no_observation_end_with_exit_code_2(golden):
    folder, *_, settings, _ = golden
    wrong = settings["stack"] | {"stack": {"optical": "s2"}}
    options = ("--observations", folder / "observations", "--cube", folder / "other")
    outcome = command("stack", wrong, folder, *options)
    assert outcome.returncode == 2
    assert "stack.optical: expected one of opt, found 's2'" in outcome.stderr
    assert not (folder / "other").exists()


def test_the_command_explains_itself():
    outcome = command("stack", None, ROOT, "--help")
    assert outcome.returncode == 0
    for word in ("--observations", "--cube", "--revise", "Example: python -m components.stack"):
        assert word in outcome.stdout
