import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from typer.testing import CliRunner

from components.fetch.__main__ import app
from components.fetch.stage import run
from groundshift.errors import GroundshiftError
from groundshift.observations import intake
from groundshift.observations.store import Observations
from groundshift.settings import load, merge, parse
from tests.observations.conftest import DEMO, REAL

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SETTINGS = json.loads(load("fetch", ROOT / "params.yaml", area="demo").model_dump_json())
SETTINGS["fetch"]["files"]["root"] = str(DEMO)
SETTINGS["fetch"]["plant"] = None
_TWO = {name: SETTINGS["fetch"]["files"]["sensors"][name] for name in ("s2", "s1_161")}
BRIEF = SETTINGS | {
    "period": {"start": "2017-08-01", "end": "2017-10-01"},
    "fetch": {"files": {"root": str(DEMO), "sensors": _TWO}},
}
"""Two months of two sensors, for tests that fetch more than once."""


@pytest.fixture(autouse=True)
def _own_work_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")


def arguments(settings, observations):
    return ["--settings", json.dumps(settings), "--observations", str(observations)]


def command(settings, observations, work):
    """The command line in a process of its own."""
    environment = os.environ | {
        "GROUNDSHIFT_WORK": str(work / "work"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{work}/mlflow.db",
    }
    return subprocess.run(
        [sys.executable, "-m", "components.fetch", *arguments(settings, observations)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def fetch(folder, settings, **changes):
    run(parse("fetch", merge(settings, changes)), observations=folder)
    return Observations.open(folder)


def content(folder):
    """Bytes of every file but the manifest, whose record tells of the run."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "manifest.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's images, fetched by the command line."""
    work = tmp_path_factory.mktemp("fetch")
    outcome = command(SETTINGS, work / "observations", work)
    assert outcome.returncode == 0, outcome.stderr
    return outcome, Observations.open(work / "observations")


def test_the_command_ends_with_its_summary(demo):
    outcome, observations = demo
    summary = json.loads(outcome.stdout.splitlines()[-1])
    assert summary["content_hash"] == observations.manifest.content_hash
    assert summary["metrics"]["s2.acquisitions"] == 118
    assert "s2: 77 of 118 acquisitions have a valid pixel" in outcome.stderr
    assert "instants: 303 of 303" in outcome.stderr


@pytest.mark.parametrize(
    ("sensor", "acquired", "observed"),
    [("s2", 118, 77), ("l8", 26, 15), ("s1_161", 80, 80), ("s1_059", 79, 79)],
)
def test_the_demos_images_are_all_accounted_for(demo, sensor, acquired, observed):
    _, observations = demo
    (cell,) = observations.cells
    assert len(observations.times(cell.id, sensor)) == observed
    assert len(observations.acquisitions(cell.id, sensor)) == acquired
    counts = observations.manifest.summary["counts"][sensor]
    assert (counts["acquisitions"], counts["observations"]) == (acquired, observed)


def test_no_real_image_of_the_demo_fails_a_check(demo):
    _, observations = demo
    assert not (observations.quarantine["digest"].fillna("") != "").any()
    assert not observations.measures["failed"].any()
    checked = observations.measures.groupby("sensor")["check"].unique()
    assert {"shift", "border"} <= set(checked["s1_161"])
    assert {"shift", "offset", "cloud"} <= set(checked["s2"])
    assert not observations.table["checks"].str.contains("border").any()  # nor is any masked


def test_the_cell_is_the_images_own_grid(demo):
    _, observations = demo
    (cell,) = observations.cells
    assert tuple(cell.grid.shape) == (64, 64)
    assert cell.grid.boundingbox.bbox == (501360, 5629040, 502000, 5629680)
    assert len(observations.manifest.licences) == 2


def test_ten_metre_bands_are_exact_and_the_mask_is_the_scene_class(demo):
    _, observations = demo
    (cell,) = observations.cells
    for time, source in observations.table.query("sensor == 's2'")[["time", "source"]].to_numpy():
        values, valid = observations.read(cell.id, "s2", time)
        name = Path(source).name
        with rasterio.open(DEMO / "s2_scl_20m" / name) as image:
            clear = np.isin(image.read(1), (4, 5, 6, 7)).repeat(2, 0).repeat(2, 1)
        with rasterio.open(DEMO / "s2_10m" / name) as image:
            blue = image.read(1)
        np.testing.assert_array_equal(valid, clear & (blue > 0))
        np.testing.assert_array_equal(values[..., 0], np.where(valid, blue, 0))


def test_sensors_say_what_their_numbers_are(demo):
    _, observations = demo
    s2, s1 = observations.sensors["s2"], observations.sensors["s1_161"]
    assert (s2.dtype, s2.scale, s2.units, s2.resampling) == (
        "uint16",
        1e-4,
        "reflectance",
        "bilinear",
    )
    assert (s1.dtype, s1.units, s1.resampling) == ("float32", "linear power", "nearest")


def test_a_second_run_with_other_threads_is_equal_byte_by_byte(tmp_path):
    one = fetch(tmp_path / "one", BRIEF)
    two = fetch(tmp_path / "two", BRIEF, fetch={"workers": 3})
    assert one.manifest.content_hash == two.manifest.content_hash
    assert content(one.folder) == content(two.folder)


def test_a_stopped_run_continues_to_the_same_artifact(tmp_path, monkeypatch):
    whole = fetch(tmp_path / "whole", BRIEF)
    written = []

    def stops(*arguments):
        if len(written) == 7:
            raise KeyboardInterrupt
        written.append(arguments)
        return intact(*arguments)

    intact = intake.write_observation
    monkeypatch.setattr(intake, "write_observation", stops)
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path / "stopped", BRIEF, fetch={"workers": 1})
    assert not (tmp_path / "stopped").exists()
    monkeypatch.setattr(intake, "write_observation", lambda *a: written.append(a) or intact(*a))
    resumed = fetch(tmp_path / "stopped", BRIEF)
    assert len(written) == len(whole.table)
    assert content(resumed.folder) == content(whole.folder)


@pytest.mark.parametrize(("size", "count"), [(320, 9), (160, 25)])
def test_an_area_cut_into_cells_is_equal_inside(tmp_path, size, count):
    whole = fetch(tmp_path / "whole", BRIEF)
    cut = fetch(tmp_path / "cut", BRIEF, area={"cell": size, "halo": 5})
    assert len(cut.cells) == count
    (one,) = whole.cells
    checked = 0
    for cell in cut.cells:
        down = round((one.grid.boundingbox.top - cell.grid.boundingbox.top) / 10)
        right = round((cell.grid.boundingbox.left - one.grid.boundingbox.left) / 10)
        rows, columns = (
            slice(max(-shift, 0), min(length, 64 - shift))
            for shift, length in zip((down, right), cell.grid.shape, strict=True)
        )
        window = (
            slice(rows.start + down, rows.stop + down),
            slice(columns.start + right, columns.stop + right),
        )
        for sensor in cut.sensors:
            times = whole.acquisitions(one.id, sensor)
            np.testing.assert_array_equal(cut.acquisitions(cell.id, sensor), times)
            for time in cut.times(cell.id, sensor):
                part, valid = cut.read(cell.id, sensor, time)
                values, all_valid = whole.read(one.id, sensor, time)
                np.testing.assert_array_equal(part[rows, columns], values[window])
                np.testing.assert_array_equal(valid[rows, columns], all_valid[window])
                checked += int(valid.any())
    assert checked > 100


def test_a_geotiff_pair_on_the_cells_grid_is_reproduced_exactly(tmp_path):
    case = "same_crs"
    parameters = json.loads((GOLDEN / "convert" / "meta.json").read_text())[case]
    for kind in ("bands", "mask"):
        target = tmp_path / kind / f"{parameters['folder']}.tif"
        target.parent.mkdir()
        target.write_bytes((GOLDEN / "convert" / f"{case}_{kind}.tif").read_bytes())
    bands = ["B1", "B2", "B3", "B4", "B5", "B6", "B7"]
    settings = {
        "area": {
            "like": str(tmp_path / "bands" / f"{parameters['folder']}.tif"),
            "geometry": str(GOLDEN / "convert" / f"{case}_aoi.geojson"),
        },
        "period": {"start": "1993-01-01", "end": "1994-01-01"},
        "fetch": {
            "files": {
                "root": str(tmp_path),
                "sensors": {
                    "ls5": {
                        "mission": "landsat_tm",
                        "bands": bands,
                        "parts": [{"folder": "bands", "bands": bands}],
                        "units": "dn",
                        "scale": 1 / parameters["normalize"],
                        "mask": {"folder": "mask"},
                    }
                },
            }
        },
    }
    outcome = CliRunner().invoke(app, arguments(settings, tmp_path / "observations"))
    assert outcome.exit_code == 0
    observations = Observations.open(tmp_path / "observations")
    values, valid = observations.read(
        observations.cells[0].id, "ls5", observations.table["time"][0]
    )
    expected = np.load(GOLDEN / "convert" / "expected.npz")
    mask = expected[f"{case}/mask"][0, ..., 0] != 0
    np.testing.assert_array_equal(valid, mask)
    np.testing.assert_array_equal(values[mask], expected[f"{case}/bands"][0][mask])


def test_planted_changes_travel_along_as_truth(tmp_path):
    plan = ROOT / "demo" / "plantings" / "flanders_4.geojson"
    radar = BRIEF | {
        "period": SETTINGS["period"],
        "fetch": {"files": {"root": str(DEMO), "sensors": {"s1_161": _TWO["s1_161"]}}},
    }
    planted = fetch(tmp_path / "planted", radar, fetch={"plant": str(plan)})
    plain = fetch(tmp_path / "plain", radar)
    features = json.loads(plan.read_text())["features"]
    assert sorted(planted.truth["id"]) == sorted(f["properties"]["id"] for f in features)
    assert plain.truth is None
    assert "plant" in planted.manifest.inputs
    (cell,) = plain.cells
    first, *_, last = plain.times(cell.id, "s1_161")
    before, after = (
        [observations.read(cell.id, "s1_161", time)[0] for observations in (planted, plain)]
        for time in (first, last)
    )
    np.testing.assert_array_equal(*before)
    assert (after[0] != after[1]).any()


def test_a_date_that_lacks_a_part_goes_to_quarantine_and_is_noted(tmp_path):
    root = tmp_path / "images"
    for folder in ("s2_10m", "s2_20m", "s2_scl_20m", "s1_asc_1732_20m"):
        (root / folder).mkdir(parents=True)
        for path in sorted((DEMO / folder).glob("201708*.tif")):
            (root / folder / path.name).symlink_to(path)
    min((root / "s2_20m").iterdir()).unlink()
    settings = parse("fetch", merge(BRIEF, {"fetch": {"files": {"root": str(root)}}}))
    summary = run(settings, observations=tmp_path / "observations")
    observations = Observations.open(tmp_path / "observations")
    (row,) = observations.quarantine.query("reason.str.startswith('fewer')").itertuples()
    assert row.reason == "fewer files of this time in s2_20m/*.tif than in the other parts"
    assert row.time in observations.acquisitions(row.cell, "s2")
    assert any("s2: 1 left out for other reasons" in note for note in summary.notes)


def test_what_was_fetched_can_be_fetched_again(tmp_path):
    one = fetch(tmp_path / "one", BRIEF)
    (cell,) = one.cells
    stored = {"layout": "eopatch", "feature": "BANDS", "mask_feature": "VALID"}
    sensors = {
        name: stored
        | {
            "mission": sensor.mission,
            "folder": f"cells/{cell.id}/{name}",
            "bands": sensor.bands,
            "units": "linear" if sensor.kind == "radar" else "reflectance",
            "scale": sensor.scale,
        }
        for name, sensor in one.sensors.items()
    }
    files = {"root": str(one.folder), "sensors": sensors}
    two = fetch(tmp_path / "two", BRIEF | {"fetch": {"files": files}})
    assert two.manifest.value_hash == one.manifest.value_hash


def test_radar_of_another_system_and_unit_is_fetched(tmp_path):
    folder = "s1_rtc_california_2021_2025"
    settings = {
        "area": {
            "bounds": [-120.88, 35.24, -120.875, 35.245],
            "resolution": 30,
            "cell": 9000,
            "halo": 2,
        },
        "period": {"start": "2023-01-01", "end": "2024-01-01"},
        "fetch": {
            "files": {
                "root": str(REAL),
                "sensors": {
                    "s1_137": {
                        "mission": "sentinel1",
                        "bands": ["VV", "VH"],
                        "units": "linear",
                        "coefficient": "gamma0",
                        "parts": [{"folder": folder, "bands": ["VV", "VH"]}],
                    }
                },
            }
        },
    }
    observations = fetch(tmp_path / "observations", settings)
    (cell,) = observations.cells
    assert str(cell.core.crs) == "EPSG:32610"
    # Images before the period stay: they are what its first frames are filled with.
    assert len(observations.times(cell.id, "s1_137")) == 3
    assert (observations.table["valid_share"] == 1).all()
    assert (observations.table["checks"] == "").all()


def test_odd_values_are_noted_but_kept(tmp_path):
    sensors = {"s1_161": _TWO["s1_161"] | {"units": "linear"}}
    settings = parse("fetch", BRIEF | {"fetch": {"files": {"root": str(DEMO), "sensors": sensors}}})
    summary = run(settings, observations=tmp_path / "observations")
    assert any("not positive (are the files in db?)" in note for note in summary.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"area": {"bounds": [301360, 5629040, 302000, 5629680]}}, "no image overlaps the area"),
        ({"area": {"bounds": [600, 0, 500, 9]}}, "left < right"),
        ({"fetch": {"plant": "nowhere.geojson"}}, "fetch.plant: expected a GeoJSON file"),
        ({"fetch": {"files": {"sensors": {"s2": {"bands": ["B99"]}}}}}, "B99 in none of the parts"),
        (
            {"fetch": {"files": {"sensors": {"s2": {"mask": {"valid": [40, 50]}}}}}},
            r"has a valid pixel in the area \(numbers in the mask",
        ),
    ],
)
def test_bad_input_leaves_nothing_that_looks_whole(tmp_path, change, message):
    with pytest.raises(GroundshiftError, match=message):
        fetch(tmp_path / "observations", BRIEF, **change)
    assert not (tmp_path / "observations").exists()


def test_bad_input_ends_the_command_with_one_sentence_and_exit_code_2(tmp_path, caplog):
    settings = merge(BRIEF, {"fetch": {"files": {"root": str(tmp_path / "nowhere")}}})
    outcome = CliRunner().invoke(app, arguments(settings, tmp_path / "observations"))
    assert outcome.exit_code == 2
    assert "fetch: fetch.files.root: expected a folder" in caplog.messages[-1]
    assert "Traceback" not in caplog.text
