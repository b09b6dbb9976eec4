"""Inputs of stages that are lost, damaged, of another kind or of another time are refused."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from groundshift.artifacts.__main__ import app as checker
from groundshift.artifacts.hashing import digest
from groundshift.artifacts.manifest import VERSIONS, WRITERS
from groundshift.cube.store import Cube
from tests.faults import processes
from tests.faults.test_settings import assert_match
from tests.faults.world import FOLDERS, arguments, output_of

READ = [(stage, name) for stage, folders in FOLDERS.items() for name in folders[:-1]]


@pytest.fixture
def copied(world, tmp_path):
    """A copy of one of a stage's inputs, and the command line that names it."""

    def copy(stage, name):
        folder = tmp_path / "inputs" / name
        shutil.copytree(world / name, folder)
        output = {output_of(stage): tmp_path / output_of(stage)}
        return folder, arguments(stage, world, **{name: folder}, **output)

    return copy


def change_manifest(folder, **content):
    """Write other content into a manifest, as a program of another version would."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["content"] |= content
    document["content_hash"] = digest(document["content"])
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(("stage", "name"), READ)
@pytest.mark.parametrize("version", [0, "the next", 99, "1"])
def test_an_unknown_version_is_refused(refused, copied, stage, name, version):
    folder, options = copied(stage, name)
    newest = VERSIONS[name]
    found = newest + 1 if version == "the next" else version
    change_manifest(folder, version=found)
    assert_match(
        f"{folder}: expected {name} version 1 to {newest}, found {found}. .*{WRITERS[name]}",
        refused(stage, options),
    )


@pytest.mark.parametrize(("stage", "name"), READ)
def test_a_lost_file_is_named(refused, copied, stage, name):
    folder, options = copied(stage, name)
    lost = max(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json")
    lost.unlink()
    assert_match(
        f"{lost}: expected .* bytes, found no such file. .*{WRITERS[name]}",
        refused(stage, options),
    )


@pytest.mark.parametrize(("stage", "name"), READ)
def test_a_lost_input_is_named(refused, copied, stage, name):
    folder, options = copied(stage, name)
    shutil.rmtree(folder)
    assert_match(f"{folder}: expected a whole {name} artifact, found no", refused(stage, options))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"content": 3}', '{"content": {}}', "NaN"])
def test_a_damaged_manifest_is_named(refused, copied, text):
    folder, options = copied("stack", "observations")
    (folder / "manifest.json").write_text(text)
    assert_match(f"{folder}/manifest.json can't be read", refused("stack", options))


def test_an_input_of_another_kind_is_named(refused, world, tmp_path):
    options = arguments("window", world, cube=world / "observations", samples=tmp_path / "samples")
    message = refused("window", options)
    assert_match("expected the artifact cube, found observations. Check .* --cube", message)


def test_a_cell_whose_name_leads_elsewhere_is_refused(refused, copied):
    folder, options = copied("stack", "observations")
    summary = json.loads((folder / "manifest.json").read_text())["content"]["summary"]
    summary["cells"][0]["id"] = "../../elsewhere"
    change_manifest(folder, summary=summary)
    assert_match("expected a cell whose id .* found '../../elsewhere'", refused("stack", options))


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc/passwd", "cells/../../x", ""])
def test_a_file_whose_name_leads_elsewhere_is_refused(refused, copied, name):
    folder, options = copied("stack", "observations")
    files = json.loads((folder / "manifest.json").read_text())["content"]["files"]
    change_manifest(folder, files=[[name, *files[0][1:]], *files[1:]])
    message = refused("stack", options)
    assert f"{folder}/manifest.json: expected names of files inside" in message
    assert f"found {name!r}. Rerun" in message


def remake(stage, world, folder, *overrides):
    """The output of a stage by other settings, from the world's own inputs."""
    made = folder / "other" / output_of(stage)
    options = arguments(stage, world, **{output_of(stage): made})
    chosen = [part for one in overrides for part in ("--set", one)]
    log = folder / "log.txt"
    assert processes.run(stage, [*options, *chosen], folder / "other-work", log) == 0, log
    return made


@pytest.mark.parametrize("stage", ["train", "evaluate", "infer"])
def test_samples_of_another_cube_are_refused(refused, world, tmp_path, stage):
    cube = remake("stack", world, tmp_path, "stack.step=20d")
    options = arguments(stage, world, cube=cube, **{output_of(stage): tmp_path / "made"})
    assert_match("samples indexes the cube .*, found .* Rerun", refused(stage, options))


def test_a_cube_of_other_observations_is_refused(refused, world, tmp_path):
    observations = remake("fetch", world, tmp_path, "fetch.files.sensors.s1.scale=2")
    options = arguments("window", world, observations=observations, samples=tmp_path / "samples")
    assert_match("was made from observations .*, expected those in", refused("window", options))


def test_a_cube_on_another_grid_is_refused_with_its_cell(refused, world, tmp_path):
    other, log = tmp_path / "other", tmp_path / "log.txt"
    cut = ["--set", "area.cell=60"]
    for stage in ("fetch", "stack"):
        options = [*arguments(stage, world, other), *cut]
        assert processes.run(stage, options, tmp_path / "work", log) == 0, log.read_text()
    moved = ["--set", "area.bounds=[600600, 5599880, 600720, 5600000]"]
    options = [*arguments("window", world, other, samples=tmp_path / "samples"), *cut, *moved]
    assert_match(
        r"cube holds cell \S+, which is none of the \d cells of area tiny\. Check --area, or rerun",
        refused("window", options),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("fetch.files.sensors.s1.bands=[VV]",), "VH"),
        (("area.resolution=5", "window.split.block=8"), "resolution"),
    ],
)
def test_a_model_for_other_numbers_is_refused_with_both_named(
    refused, world, tmp_path, settings, message
):
    other, log = tmp_path / "other", tmp_path / "log.txt"
    chosen = [part for one in settings for part in ("--set", one)]
    for stage in ("fetch", "stack", "window"):
        options = [*arguments(stage, world, other), *chosen]
        assert processes.run(stage, options, tmp_path / "work", log) == 0, log.read_text()
    known = {name: world / name for name in ("model", "evaluation")}
    options = arguments("infer", world, other, **known, maps=tmp_path / "maps")
    assert_match(
        f"does not fit this data: .*{message}.* found .* or train a model",
        refused("infer", [*options, *chosen]),
    )


def test_every_byte_is_checked_on_request(world, tmp_path):
    folder = tmp_path / "cube"
    shutil.copytree(world / "cube", folder)
    (cell,) = Cube.open(folder).cells.values()
    path = max(cell.group.rglob("c/*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x10
    path.write_bytes(content)
    Cube.open(folder)  # sizes are as they were
    outcome = CliRunner().invoke(checker, [str(world / "samples"), str(folder)])
    assert outcome.exit_code == 2
    assert_match("samples: .* files are as they were written", outcome.stdout)
    assert_match(f"{path}: expected bytes with the SHA-256 .* components.stack", outcome.stderr)


@pytest.mark.parametrize("text", [None, "{", '{"content": {"contract": "song"}}'])
def test_what_is_no_artifact_can_not_be_checked(tmp_path, text):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    outcome = CliRunner().invoke(checker, [str(tmp_path)])
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"{tmp_path}: expected")


def test_whole_artifacts_pass(world):
    folders = [str(world / output_of(stage)) for stage in FOLDERS]
    assert CliRunner().invoke(checker, folders).exit_code == 0
