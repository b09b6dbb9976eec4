"""From images to maps in S3, and back: pulled, explained, and made again after all here is gone."""

import json
import shutil

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from typer.testing import CliRunner

from groundshift.artifacts import REFERENCE, ArtifactStore, Reference, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.domain.cells import Cell
from groundshift.domain.time import find_stamp
from groundshift.observations.store import Observations
from groundshift.products.maps import read_map, score_path, window_of
from pipelines.cli import app as groundshift
from tests.faults.world import FOLDERS, app, arguments, make_world
from tests.s3 import BUCKET, seaweed

__all__ = ["seaweed"]

STORE = f"s3://{BUCKET}/lineage"


@pytest.fixture(scope="module")
def environment(seaweed, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in seaweed.environment.items():
            patch.setenv(name, value)
        patch.setenv("GROUNDSHIFT_STORE", STORE)
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        patch.setenv("GROUNDSHIFT_WORK", str(tmp_path_factory.mktemp("work")))
        yield patch


@pytest.fixture(scope="module")
def made(environment, tmp_path_factory):
    """References of what the six stages made; nothing else of it is left on this machine."""
    folder = make_world(tmp_path_factory.mktemp("world"))
    for number in (2, 6, 7):  # what wasn't seen is no part of a pixel's story
        half_seen(sorted((folder / "images" / "s1").iterdir())[number])
    for stage in FOLDERS:
        ran = CliRunner().invoke(app(stage), [*arguments(stage, folder), "--store", STORE])
        assert ran.exit_code == 0, ran.output
    references = {kind: Reference.read(folder / kind / REFERENCE) for kind in FOLDERS["infer"]} | {
        "observations": Reference.read(folder / "observations" / REFERENCE)
    }
    shutil.rmtree(folder / "images")
    for kind in references:
        shutil.rmtree(folder / kind)
    return references


@pytest.fixture
def store(made, environment, tmp_path):
    """The store as a machine sees it that has nothing of it."""
    environment.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    return ArtifactStore.open(STORE)


def half_seen(path):
    with rasterio.open(path, "r+") as image:
        values = image.read()
        values[:, :, :6] = np.nan
        image.write(values)


def run(*words):
    done = CliRunner().invoke(groundshift, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_manifest_names_the_versions_of_its_inputs(store, made):
    cube = store.manifest(made["cube"])
    (observations,) = cube.record["inputs"]["observations"]
    assert observations["content_hash"] == made["observations"].content_hash
    assert observations["dvc"] == store.objects.pointer(made["observations"]).to_dict()
    assert cube.record["settings"]["stack"]["step"] == "10d"
    assert not list(store.objects.cache.root.glob("objects/*/*"))


def test_the_maps_are_made_again_from_s3_alone_with_equal_values(store, made):
    said = run("reproduce", made["maps"].content_hash, "--stages", "stack,infer")
    assert [line.split() for line in said.splitlines()] == [
        [kind, made[kind].content_hash[:12], "equal", "values"] for kind in ("cube", "maps")
    ]


def test_what_maps_were_made_from_comes_back_exactly(store, made, tmp_path):
    said = run("pull", made["maps"].content_hash[:10], "--to", tmp_path / "here")
    kinds = {"cube", "samples", "model", "evaluation"}
    assert {path.name for path in (tmp_path / "here").iterdir()} == kinds
    assert all(str(tmp_path / "here" / kind) in said for kind in kinds)
    for kind in kinds:
        folder = tmp_path / "here" / kind
        manifest = read_manifest(folder, kind)
        assert manifest.content_hash == made[kind].content_hash
        check_files(folder, manifest, hashes=True)
    again = CliRunner().invoke(
        groundshift, ["pull", made["maps"].content_hash, "--to", str(tmp_path / "here")]
    )
    assert again.exit_code == 2
    assert "is there already" in again.output


@pytest.mark.parametrize("place", [(5, 6), (0, 2), (11, 11)])
def test_a_pixel_is_followed_back_to_the_images_that_carried_it(store, made, place):
    row, column = place
    folder = store.folder(made["maps"])
    (cell,) = map(Cell.from_dict, read_manifest(folder, "maps").summary["cells"])
    x, y = cell.core.transform * (column + 0.5, row + 0.5)
    to_degrees = Transformer.from_crs(str(cell.core.crs), "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(x, y)
    shutil.rmtree(store.objects.cache.root)
    said = run(
        "explain", made["maps"].content_hash, "--json", "--at", f"{longitude:.9f},{latitude:.9f}"
    )
    found = json.loads(said)
    assert found["pixel"] == [row, column]
    assert found["licences"] == ["made up, no rights reserved"]
    for kind in ("cube", "samples", "model", "evaluation", "observations"):
        assert found["chain"][kind]["content_hash"] == made[kind].content_hash
    assert not list(store.objects.cache.root.glob("objects/*/*")), "read by parts"

    folder = store.folder(made["maps"])
    paths = sorted((folder / "scores" / cell.id).glob("*.tif"))
    scores = [read_map(path)[row, column] for path in paths]
    assert found["score"] == pytest.approx(float(np.nanmax(scores)))
    window = window_of(paths[int(np.nanargmax(scores))])
    assert read_map(score_path(folder, cell, window))[row, column] == max(scores)
    observations = Observations.open(store.folder(made["observations"]))
    carried = {
        sensor: [
            find_stamp(seen["time"].rstrip("Z"))
            for seen in found["observations"]
            if seen["sensor"] == sensor
        ]
        for sensor in observations.sensors
    }
    assert len(carried["s1"]) > 3
    assert carried == {
        "s1": shown(observations, cell, "s1", window, place),
        "s2": [],  # the model takes radar alone
    }


def shown(observations, cell, sensor, window, place):
    """Times of the looks that a pixel shows in a window: all in it, and the last one before."""
    valid = [
        int(time)
        for time in observations.times(cell.id, sensor)
        if observations.read(cell.id, sensor, time)[1][place]
    ]
    inside = [time for time in valid if window.start <= time < window.end]
    before = [time for time in valid if time < window.start]
    first_step = min(
        time
        for name in observations.sensors
        for time in observations.acquisitions(cell.id, name)
        if time >= window.start
    )
    fresh_at_once = bool(inside) and inside[0] <= first_step
    return inside if fresh_at_once or not before else [before[-1], *inside]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["explain", "maps:nowhere", "--at", "3,50"], "found no such artifact"),
        (["explain", "{cube}", "--at", "3,50"], "expected maps, found cube"),
        (["explain", "{maps}", "--at", "0,0"], "found one outside of all cells"),
        (["explain", "{maps}", "--at", "here"], "expected longitude,latitude, found 'here'"),
        (["reproduce", "{maps}", "--stages", "stak"], "expected some of fetch, stack"),
        (["reproduce", "{maps}", "--stages", "train"], "none of them made"),
        (["pull", "what is this"], "expected maps:AREA (published)"),
        (["tag", "a b", "{maps}"], "expected a name of letters"),
    ],
)
def test_what_can_not_be_is_refused_in_one_message(store, made, words, said):
    hashes = {kind: reference.content_hash for kind, reference in made.items()}
    done = CliRunner().invoke(groundshift, [word.format(**hashes) for word in words])
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_tag_is_a_name(store, made):
    run("tag", "paper", made["maps"].content_hash)
    assert store.tagged("paper") == made["maps"]
    assert "0 artifacts" in run("gc")
    assert "6 artifacts stay" in run("gc")
