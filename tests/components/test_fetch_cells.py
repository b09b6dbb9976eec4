"""Planning cells and fetching one of them, on a month of two sensors of the demo's images."""

import json
import os
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from components.fetch import planning
from components.fetch.__main__ import app
from components.fetch.stage import run
from groundshift.artifacts import (
    ArtifactStore,
    Champion,
    is_collection,
    read_manifest,
    write_collection,
    writing,
)
from groundshift.artifacts.fan_out import read_cells
from groundshift.domain.time import DAY
from groundshift.errors import ContractError, SettingsError
from groundshift.observations.areas import cells_of
from groundshift.observations.store import Observations
from groundshift.settings import merge, parse
from tests.components.test_fetch import BRIEF
from tests.observations.conftest import DEMO

FOLDERS = ("s2_10m", "s2_20m", "s2_scl_20m", "s1_asc_1732_20m")
FOUR = {"area": {"cell": 500, "halo": 2}}
"""The demo's area lies across the corner of four cells of this size."""


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")


@pytest.fixture
def root(tmp_path):
    """Images that a test may change."""
    for folder in FOLDERS:
        (tmp_path / "images" / folder).mkdir(parents=True)
        for path in (DEMO / folder).glob("201708*.tif"):
            shutil.copy(path, tmp_path / "images" / folder)
    return tmp_path / "images"


@pytest.fixture
def settings(root):
    period = {"start": "2017-08-01", "end": "2017-09-01"}
    return merge(BRIEF, {"period": period, "fetch": {"files": {"root": str(root)}}})


@pytest.fixture
def store(tmp_path):
    return ArtifactStore.open(str(tmp_path / "store"))


def plan_of(settings, folder, **options):
    summary = planning.run(parse("fetch", settings), plan=folder, **options)
    return summary, {planned.cell: planned for planned in read_cells(folder)}


def keys_of(settings, folder, **options):
    return {cell: planned.key for cell, planned in plan_of(settings, folder, **options)[1].items()}


def publish(store, settings, keys, model="m" * 64):
    """Let scores be there for every cell, as after a run."""
    for cell, key in keys.items():
        with store.incoming() as folder:
            with writing(
                folder / "x", "scores", area="a", settings={}, inputs={"model": model, "c": cell}
            ):
                pass
            store.put_ref(settings["name"], cell, key, store.adopt(folder / "x", "scores"))
    store.publish(settings["name"], keys, ["scores"])


def test_a_plan_lists_the_areas_cells_with_their_keys(settings, tmp_path):
    settings = merge(settings, FOUR)
    summary, planned = plan_of(settings, tmp_path / "plan")
    cells = sorted(cell.id for cell in cells_of(parse("fetch", settings).area))
    assert list(planned) == cells
    assert len(cells) == 4
    assert {item.state for item in planned.values()} == {"new"}
    assert len({item.key for item in planned.values()}) == 4
    assert all(len(item.key) == 16 for item in planned.values())
    assert summary.parameters["cells"] == [
        {"cell": cell, "key": planned[cell].key} for cell in cells
    ]
    assert summary.parameters["count"] == 4
    assert summary.parameters["champion"] == ""
    assert summary.outcome == "done"
    assert read_manifest(tmp_path / "plan", "plan").value_hash == summary.value_hash


def test_no_pixel_is_read_for_a_plan(settings, tmp_path, root):
    for path in (root / "s1_asc_1732_20m").iterdir():
        path.write_bytes(b"no image at all")  # radar is float: no first file tells its type
    assert keys_of(settings, tmp_path / "plan")


def test_keys_are_the_same_again_and_wherever_the_images_lie(settings, tmp_path, root):
    first = keys_of(settings, tmp_path / "one")
    assert keys_of(settings, tmp_path / "two") == first
    moved = root.rename(tmp_path / "elsewhere")
    changed = merge(settings, {"fetch": {"files": {"root": str(moved)}}})
    assert keys_of(changed, tmp_path / "three") == first


def test_a_new_scene_changes_every_key(settings, tmp_path, root):
    first = keys_of(settings, tmp_path / "one")
    (late, *_) = sorted((DEMO / "s1_asc_1732_20m").glob("201709*.tif"))
    shutil.copy(late, root / "s1_asc_1732_20m")
    longer = merge(settings, {"period": {"end": "2017-10-01"}})
    second = keys_of(longer, tmp_path / "two")
    assert all(second[cell] != key for cell, key in first.items())
    assert keys_of(settings, tmp_path / "three") == first  # it lies behind this period's end


def test_a_scene_that_was_processed_again_changes_every_key(settings, tmp_path, root):
    first = keys_of(settings, tmp_path / "one")
    image, other, *_ = sorted((root / "s1_asc_1732_20m").iterdir())
    shutil.copyfile(other, image)
    second = keys_of(settings, tmp_path / "two")
    assert all(second[cell] != key for cell, key in first.items())


@pytest.mark.parametrize(
    "change",
    [
        {"period": {"start": "2017-08-02"}},
        {"area": {"halo": 1}},
        {"fetch": {"files": {"sensors": {"s1_161": {"units": "linear"}}}}},
    ],
)
def test_settings_that_affect_the_results_change_every_key(settings, tmp_path, change):
    first = set(keys_of(settings, tmp_path / "one").values())
    assert first.isdisjoint(keys_of(merge(settings, change), tmp_path / "two").values())


@pytest.mark.parametrize(
    "change",
    [{"period": {"end": "2017-09-20"}}, {"fetch": {"workers": 1}}, {"name": "other"}],
)
def test_what_changes_no_result_changes_no_key(settings, tmp_path, change):
    first = keys_of(settings, tmp_path / "one")
    assert keys_of(merge(settings, change), tmp_path / "two") == first


def test_other_settings_of_later_stages_change_every_key(settings, tmp_path, monkeypatch):
    first = set(keys_of(settings, tmp_path / "one").values())
    assert first.isdisjoint(keys_of(settings, tmp_path / "two", variant="v2").values())
    monkeypatch.setattr(planning, "__version__", "999")
    assert first.isdisjoint(keys_of(settings, tmp_path / "three").values())


def test_what_is_published_is_nothing_new(settings, tmp_path, store):
    settings = merge(settings, FOUR)
    keys = keys_of(settings, tmp_path / "one", store=store)
    publish(store, settings, keys)
    summary, planned = plan_of(settings, tmp_path / "two", store=store, changed_only=True)
    assert {item.state for item in planned.values()} == {"same"}
    assert summary.parameters["cells"] == []
    assert summary.parameters["count"] == 0
    assert summary.outcome == "nothing new"
    everything, _ = plan_of(settings, tmp_path / "three", store=store)
    assert everything.parameters["count"] == 4
    assert everything.outcome == "done"


def test_only_cells_whose_results_are_not_published_are_worked_on(settings, tmp_path, store):
    settings = merge(settings, FOUR)
    one, two, *rest = keys_of(settings, tmp_path / "one", store=store).items()
    publish(store, settings, dict(rest))
    publish(store, settings, {two[0]: "0123456789abcdef"})
    summary, planned = plan_of(settings, tmp_path / "two", store=store, changed_only=True)
    assert [planned[cell].state for cell, _ in (one, two, *rest)] == [
        "new",
        "changed",
        "same",
        "same",
    ]
    assert [item["cell"] for item in summary.parameters["cells"]] == [one[0], two[0]]


def promote(store, settings):
    """Let a champion be there; the content hash of its model."""
    references = {}
    for contract in ("model", "evaluation"):
        with store.incoming() as folder:
            with writing(folder / "x", contract, area="a", settings={}, inputs={}):
                pass
            references[contract] = store.adopt(folder / "x", contract)
    store.promote(settings["name"], Champion(**references))
    return references["model"].content_hash


def test_a_new_champion_makes_every_map_old(settings, tmp_path, store):
    keys = keys_of(settings, tmp_path / "one", store=store)
    champion = promote(store, settings)
    options = {"store": store, "changed_only": True}
    publish(store, settings, keys, model=champion)
    same, _ = plan_of(settings, tmp_path / "two", **options)
    assert (same.parameters["count"], same.parameters["champion"]) == (0, champion)
    publish(store, settings, keys, model="another")
    changed, planned = plan_of(settings, tmp_path / "three", **options)
    assert changed.parameters["count"] == 1
    assert {item.state for item in planned.values()} == {"changed"}


def test_files_that_did_not_change_are_not_read_again(settings, tmp_path, store, root, monkeypatch):
    for path in root.rglob("*.tif"):
        os.utime(path, (DAY, DAY))
    first = keys_of(settings, tmp_path / "one", store=store)

    def read(path):
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("groundshift.artifacts.file_digests.file_digest", read)
    assert keys_of(settings, tmp_path / "two", store=store) == first


def test_a_damaged_plan_is_refused(settings, tmp_path):
    plan_of(settings, tmp_path / "plan")
    (tmp_path / "plan" / "cells.jsonl").write_text('{"cell": "x"}\n')
    with pytest.raises(ContractError, match=r"cells\.jsonl can't be read"):
        read_cells(tmp_path / "plan")


def command(settings, *options):
    words = ["--settings", json.dumps(settings), *map(str, options)]
    return CliRunner().invoke(app, words)


def test_the_command_plans(settings, tmp_path, store):
    words = ("--plan", tmp_path / "plan", "--store", store.root, "--changed-only")
    promote(store, settings)
    assert command(settings, *words).exit_code == 0
    assert (tmp_path / "plan" / "reference.json").is_file()


def test_the_command_refuses_what_can_not_be(settings, tmp_path, caplog):
    folders = ("--plan", tmp_path / "plan", "--observations", tmp_path / "observations")
    assert command(settings, *folders).exit_code == 2
    assert "expected one of --plan, --observations" in caplog.text
    assert command(settings, *folders[:2], "--changed-only").exit_code == 2
    assert "--changed-only compares with what is published: give --store" in caplog.text
    words = ("--store", tmp_path / "empty", "--changed-only")
    assert command(settings, *folders[:2], *words).exit_code == 2
    assert "run the training pipeline first" in caplog.text
    assert command(settings, *folders[2:], "--cell", "nowhere").exit_code == 2
    assert "--cell nowhere: expected a cell of the area" in caplog.text


def test_the_only_cell_of_an_area_is_the_area(settings, tmp_path):
    (cell,) = cells_of(parse("fetch", settings).area)
    one = run(parse("fetch", settings), observations=tmp_path / "one", cell=cell.id)
    whole = run(parse("fetch", settings), observations=tmp_path / "whole")
    assert one.content_hash == whole.content_hash


def test_cells_that_are_fetched_apart_are_the_area(settings, tmp_path):
    settings = parse("fetch", merge(settings, FOUR))
    run(settings, observations=tmp_path / "whole")
    whole = Observations.open(tmp_path / "whole")
    parts = {cell.id: tmp_path / cell.id for cell in whole.cells}
    for cell, folder in parts.items():
        run(settings, observations=folder, cell=cell)
    (tmp_path / "joined").mkdir()
    write_collection(tmp_path / "joined", "observations", parts)
    joined = Observations.open(tmp_path / "joined")
    assert is_collection(tmp_path / "joined")
    assert sorted(cell.id for cell in whole.cells) == [cell.id for cell in joined.cells]
    assert joined.sensors == whole.sensors
    assert joined.table.equals(whole.table)
    assert joined.quarantine.equals(whole.quarantine)
    assert len(whole.table) > 10
    for cell, sensor, time in whole.table[["cell", "sensor", "time"]].itertuples(index=False):
        for one, other in zip(
            joined.read(cell, sensor, time), whole.read(cell, sensor, time), strict=True
        ):
            np.testing.assert_array_equal(one, other)


def test_a_cell_outside_of_every_image_of_a_sensor_is_no_error(settings, tmp_path):
    west, south, east, north = settings["area"]["bounds"]
    wide = {"area": {"cell": 640, "bounds": [west, south, east + 2000, north]}}
    wide = parse("fetch", merge(settings, wide))
    *_, last = sorted(cell.id for cell in cells_of(wide.area))
    run(wide, observations=tmp_path / "cell", cell=last)
    observations = Observations.open(tmp_path / "cell")
    assert observations.table.empty
    assert len(observations.quarantine) > 0


def test_a_cell_that_is_not_in_the_area_is_refused(settings, tmp_path):
    with pytest.raises(SettingsError, match="Plan again: the area has changed"):
        run(parse("fetch", settings), observations=tmp_path / "o", cell="elsewhere")
