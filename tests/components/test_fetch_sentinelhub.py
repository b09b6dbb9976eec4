"""The fetch stage on a Sentinel Hub service: complete, resumed, repeated, planned, secret."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from components.fetch import planning
from components.fetch.__main__ import app
from components.fetch.stage import run
from components.stack import stage as stack
from groundshift.artifacts import ArtifactStore
from groundshift.artifacts.fan_out import read_cells
from groundshift.cube.store import Cube
from groundshift.domain.signature import Stream
from groundshift.observations.areas import cells_of
from groundshift.observations.sources.hub import connection
from groundshift.observations.store import Observations
from groundshift.settings import parse
from tests.hub import scenes
from tests.hub.fixtures import SENSORS, settings_for
from tests.hub.service import CLIENT, SECRET

pytestmark = pytest.mark.usefixtures("own_work")

ROOT = Path(__file__).parents[2]


def fetch(folder, settings, **options):
    run(settings, observations=folder, **options)
    return Observations.open(folder)


def test_all_sensors_become_observations_as_from_files(hub, tmp_path):
    observations = fetch(tmp_path / "observations", settings_for(hub))
    (cell,) = observations.cells
    assert {name: len(observations.times(cell.id, name)) for name in observations.sensors} == {
        "s1_asc": 3,
        "s1_des": 2,
        "s2": 4,
    }
    values, valid = observations.read(cell.id, "s2", scenes.START)
    tiles = scenes.optical((0,))
    for number, band in enumerate(scenes.BANDS_S2):
        pixels = scenes.whole(tiles, band)[scenes.INSIDE]
        np.testing.assert_array_equal(values[..., number], pixels * valid)
    assert values.dtype == np.uint16
    assert set(hub.answered.values()) == {1}
    assert hub.most_at_once > 1


def test_the_cubes_signature_says_what_the_service_gave(hub, tmp_path):
    settings = settings_for(hub)
    fetch(tmp_path / "observations", settings)
    values = json.loads(settings.model_dump_json(exclude={"fetch"}))
    values["stack"] = {"radar": ["s1_asc", "s1_des"], "optical": "s2"}
    cube = tmp_path / "cube"
    stack.run(parse("stack", values), observations=tmp_path / "observations", cube=cube)
    signature = Cube.open(cube).signature
    radar = {"mission": "sentinel1", "bands": ("VV", "VH"), "level": "GRD"}
    radar |= {"units": "linear power", "coefficient": "gamma0_ellipsoid"}
    bands = tuple(scenes.BANDS_S2)
    assert signature.streams == (
        Stream("radar_a", **radar),
        Stream("radar_b", **radar),
        Stream("optical", "sentinel2", bands, level="L1C", units="reflectance"),
    )
    assert signature.resolution == 10


def test_cells_side_by_side_hold_what_one_cell_holds(hub, tmp_path):
    whole = fetch(tmp_path / "whole", settings_for(hub))
    one, (cell,) = whole.read, whole.cells
    parts = fetch(tmp_path / "parts", settings_for(hub, area={"cell": 320, "halo": 2}))
    assert len(parts.cells) > 4
    for row in parts.table.to_dict("records"):
        part = next(each for each in parts.cells if each.id == row["cell"])
        values, valid = parts.read(part.id, row["sensor"], row["time"])
        left, top = part.core.boundingbox.left, part.core.boundingbox.top
        column = round((left - cell.core.boundingbox.left) / 10)
        line = round((cell.core.boundingbox.top - top) / 10)
        rows = slice(max(line, 0), min(line + 32, 64))
        columns = slice(max(column, 0), min(column + 32, 64))
        mine = np.s_[
            rows.start - line + 2 : rows.stop - line + 2,
            columns.start - column + 2 : columns.stop - column + 2,
        ]
        expected, expected_valid = one(cell.id, row["sensor"], row["time"])
        np.testing.assert_array_equal(valid[mine], expected_valid[rows, columns])
        np.testing.assert_array_equal(values[mine], expected[rows, columns])


def test_a_later_run_asks_only_for_what_is_new(hub, tmp_path):
    folder = tmp_path / "observations"
    before = fetch(folder, settings_for(hub))
    known = {record["digest"] for record in before.table.to_dict("records")}
    hub.asked.clear()

    hub.scenes += scenes.radar("ascending", (19,))
    after = fetch(folder, settings_for(hub), earlier=folder)
    assert len(hub.asked) == 1
    assert known < set(after.table["digest"])
    whole = fetch(tmp_path / "whole", settings_for(hub))
    assert after.manifest.content_hash == whole.manifest.content_hash


def test_what_was_reprocessed_is_asked_for_again_and_what_was_withdrawn_is_gone(hub, tmp_path):
    folder = tmp_path / "observations"
    fetch(folder, settings_for(hub))
    hub.asked.clear()
    again = [scene for scene in hub.scenes if scene.time < scenes.START + scenes.DAY / 2]
    assert len(again) == 2
    for scene in again:
        scene.name = scene.name.replace("_N0500_", "_N0510_")
        scene.bands["B02"] = scene.bands["B02"] + 1
    hub.scenes.remove(next(scene for scene in hub.scenes if scene.orbit == "descending"))
    hub.scenes += scenes.radar("ascending", (4, 19))
    notes = run(settings_for(hub), observations=folder, earlier=folder).notes
    after = Observations.open(folder)
    assert len(hub.asked) == 3
    assert "s1_asc: 1 new in the catalogue: 2020-03-20T17:30:21Z" in notes
    assert "s1_asc: 1 late in the catalogue: 2020-03-05T17:30:21Z" in notes
    again = "2020-03-01T10:30:21Z (baseline 0510 after 0500)"
    assert f"s2: 1 reprocessed in the catalogue: {again}" in notes
    assert any(note.startswith("s1_des: 1 withdrawn in the catalogue: 2020-03-") for note in notes)
    assert after.table.groupby("sensor").size().to_dict() == {"s1_asc": 5, "s1_des": 1, "s2": 4}
    fresh = fetch(tmp_path / "fresh", settings_for(hub))
    assert after.manifest.value_hash == fresh.manifest.value_hash


def test_other_settings_do_not_take_what_is_there(hub, tmp_path):
    folder = tmp_path / "observations"
    fetch(folder, settings_for(hub))
    hub.asked.clear()
    sensors = SENSORS | {"s2": SENSORS["s2"] | {"mask": "none"}}
    fetch(folder, settings_for(hub, sensors=sensors), earlier=folder)
    assert len(hub.asked) == 4  # radar is asked for as before


def test_what_a_store_published_is_not_asked_for_again(hub, tmp_path):
    store = ArtifactStore.open(str(tmp_path / "store"))
    settings = settings_for(hub)
    (cell,) = cells_of(settings.area)
    options = ["--settings", settings.model_dump_json(), "--store", str(store.root)]
    options += ["--cell", cell.id, "--observations", str(tmp_path / "reference.json")]
    for key, images in (("one", 9), ("two", 10)):
        outcome = CliRunner().invoke(app, [*options, "--key", key])
        assert outcome.exit_code == 0, outcome.output
        store.publish("place", {cell.id: key}, ["observations"])
        assert len(hub.asked) == images
        hub.scenes += scenes.radar("descending", (21,))


def test_a_plan_asks_the_catalogue_only_and_a_new_scene_changes_its_keys(hub, tmp_path):
    settings = settings_for(hub)
    planning.run(settings, plan=tmp_path / "one")
    planning.run(settings, plan=tmp_path / "two")
    hub.scenes += scenes.radar("ascending", (19,))
    planning.run(settings, plan=tmp_path / "three")
    one, two, three = (
        [planned.key for planned in read_cells(tmp_path / name)] for name in ("one", "two", "three")
    )
    assert one == two
    assert one != three
    assert hub.asked == []


def test_a_deleted_artifact_is_made_again_without_asking(hub, tmp_path):
    folder = tmp_path / "observations"
    before = fetch(folder, settings_for(hub))
    shutil.rmtree(folder)
    hub.asked.clear()
    tight = settings_for(hub, fetch={"budget": 0, "checks": {"shift": None}})
    after = fetch(folder, tight)
    assert hub.asked == []
    assert after.manifest.value_hash == before.manifest.value_hash


def test_what_is_kept_takes_its_room_once(hub, tmp_path):
    observations = fetch(tmp_path / "observations", settings_for(hub))
    kept = list((tmp_path / "work" / "place" / "bought").rglob("BANDS.npy"))
    assert len(kept) == len(observations.table) == 9
    assert all(path.stat().st_nlink == 2 for path in kept)


def test_masks_of_ones_own_keep_probabilities_and_cost_nothing_more(hub, tmp_path):
    folder = tmp_path / "observations"
    for scene in hub.scenes[:8]:
        for name, value in zip(scenes.BANDS_S2, CLEAR, strict=True):
            scene.bands[name][:] = value
    fetch(folder, settings_for(hub, sensors={"s2": SENSORS["s2"]}))
    masks = {"s2": {"model": "s2cloudless", "dilate": 20}}
    settings = settings_for(hub, sensors={"s2": SENSORS["s2"]}, fetch={"masks": masks})
    hub.asked.clear()
    for earlier in (None, folder):
        masked = fetch(folder, settings, earlier=earlier)
        assert hub.asked == []
    (cell,) = masked.cells
    probability = masked.probability(cell.id, "s2", scenes.START)
    _, valid = masked.read(cell.id, "s2", scenes.START)
    assert probability.shape == valid.shape == (64, 64)
    assert probability[valid].max() < 40


def test_the_services_probabilities_are_kept_and_bought_once(hub, tmp_path):
    sensors = {"s2": SENSORS["s2"] | {"bands": ["B02", "B08"], "probability": True}}
    found = [fetch(tmp_path / "observations", settings_for(hub, sensors=sensors))]
    found.append(fetch(tmp_path / "again", settings_for(hub, sensors=sensors, name="place")))
    found.append(
        fetch(
            tmp_path / "later",
            settings_for(hub, sensors=sensors, name="elsewhere"),
            earlier=tmp_path / "again",
        )
    )
    assert len(hub.asked) == 4
    (cell,) = found[0].cells
    probabilities = [each.probability(cell.id, "s2", scenes.START) for each in found]
    for probability in probabilities:
        assert probability.max() == 255
        np.testing.assert_array_equal(probability, probabilities[0])
    kept = tmp_path.glob("work/place/bought/**/CLP.npy")
    assert all(path.stat().st_nlink >= 2 for path in kept)


CLEAR = (1200, 1100, 1000, 900, 1300, 2200, 2600, 2800, 3000, 1000, 20, 2200, 1400)
"""Numbers of bare ground in the bands of Sentinel-2."""

DVC = """
stages:
  fetch:
    cmd: {python} -m components.fetch --settings '{settings}' --observations observations
    outs: [observations]
"""


def test_dvc_may_delete_the_output_before_it_runs_the_stage_again(hub, tmp_path, monkeypatch):
    for command in (["init", "--no-scm", "--quiet"], ["config", "core.analytics", "false"]):
        subprocess.run([sys.executable, "-m", "dvc", *command], cwd=tmp_path, check=True)
    text = DVC.format(python=sys.executable, settings=settings_for(hub).model_dump_json())
    (tmp_path / "dvc.yaml").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for count in (9, 10):
        command = [sys.executable, "-m", "dvc", "repro", "--force", "--quiet"]
        subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
        assert len(hub.asked) == count
        hub.scenes += scenes.radar("ascending", (19,))
    assert len(Observations.open(tmp_path / "observations").table) == 10


@pytest.mark.parametrize("mounted", [False, True])
def test_no_secret_is_written_anywhere(
    hub, tmp_path, monkeypatch, caplog, capfd, mounted, tmp_path_factory
):
    caplog.set_level("DEBUG")
    if mounted:
        folder = tmp_path_factory.mktemp("secrets")
        for name, value in (("SH_CLIENT_ID", CLIENT), ("SH_CLIENT_SECRET", SECRET)):
            (folder / name).write_text(value)
            monkeypatch.delenv(name)
            monkeypatch.setenv(f"{name}_FILE", str(folder / name))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))  # where the client keeps a file
    faults = iter(["503", "cut", "429"])
    hub.faults = lambda: next(faults, "")
    arguments = ["--settings", settings_for(hub).model_dump_json()]
    outcome = CliRunner().invoke(app, [*arguments, "--observations", str(tmp_path / "here")])
    assert outcome.exit_code == 0
    assert json.loads(outcome.stdout.splitlines()[-1])["metrics"]["s2.acquisitions"] == 4
    assert CliRunner().invoke(app, [*arguments, "--plan", str(tmp_path / "plan")]).exit_code == 0
    hub.tokens.clear()
    hub.token_faults = lambda: "busy"  # an error that quotes what was sent
    monkeypatch.setattr(connection, "ATTEMPTS", 2)
    failed = CliRunner().invoke(app, [*arguments, "--plan", str(tmp_path / "failed")])
    assert failed.exit_code == 4
    said = "".join((*capfd.readouterr(), outcome.output, failed.output, caplog.text, *arguments))
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 9 * 5
    assert not (tmp_path / "home").exists()
    for secret in (SECRET, CLIENT, *hub.tokens):
        assert secret not in said
        assert not any(secret.encode() in content for content in written)
