"""Stages whose inputs lie in S3 bring the parts that they read, and write what they always do."""

import shutil

import pytest
from typer.testing import CliRunner

from groundshift.artifacts import REFERENCE, ArtifactStore, Reference, read_manifest
from tests.components import made_up
from tests.faults.world import FOLDERS, app
from tests.proxy import Proxy
from tests.s3 import BUCKET, seaweed

__all__ = ["seaweed"]

STORE = f"s3://{BUCKET}/by-parts"

DAYS, PIXELS, BLOCK = 100, 192, 64
SPLIT = {
    "block": BLOCK,
    "buffer": 0,
    "assign": {"training": [8], "validation": [1], "test": [0]},
}
CHOSEN = {
    "window": made_up.WINDOW | {"patch": 32, "split": SPLIT},
    "train": {"variant": "radar", "epochs": 1, "batch": 4, "stride": 9, "validation_stride": 9},
    "evaluate": {"bootstrap": 0, "baselines": False, "gate": {"minimum_lift": 1}},
}


@pytest.fixture(scope="module")
def made(seaweed, tmp_path_factory):
    """Artifacts of one cell of nine blocks, of which three are samples; and settings by stage."""
    folder = tmp_path_factory.mktemp("area")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        patch.setattr(made_up, "PIXELS", PIXELS)
        patch.setattr(made_up, "BLOCK", BLOCK)
        west, _, _, north = made_up.AREA["area"]["bounds"]
        bounds = [west, north - 10 * PIXELS, west + 10 * PIXELS, north]
        patch.setitem(made_up.AREA["area"], "bounds", bounds)
        made = made_up.artifacts(folder, made_up.truth_table(), DAYS, **CHOSEN["window"])
        settings = {
            stage: made_up.settings_of(stage, DAYS, **chosen).model_dump_json()
            for stage, chosen in CHOSEN.items()
        }
        for name, value in seaweed.environment.items():
            patch.setenv(name, value)
        store = ArtifactStore.open(STORE)
        made |= {"observations": folder / "observations"}
        manifests = {name: read_manifest(place, name) for name, place in made.items()}
        with store.incoming() as incoming:
            for name, place in made.items():
                place.rename(incoming / name)
                store.adopt(incoming / name, name)
    shutil.rmtree(folder)
    return manifests, settings


@pytest.fixture
def run(made, seaweed, tmp_path, monkeypatch):
    """Runs a stage on a machine that has nothing here: its artifact, and bytes received."""
    manifests, settings = made
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))

    def run(stage):
        *inputs, output = FOLDERS[stage]
        options = ["--settings", settings[stage], "--store", STORE]
        for name in (*inputs, output):
            (tmp_path / name).mkdir()
            options += [f"--{name}", str(tmp_path / name)]
        for name in inputs:
            Reference.to(manifests[name]).write(tmp_path / name)
        with Proxy(seaweed.ports["s3"]) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            done = CliRunner().invoke(app(stage), options)
        assert done.exit_code == 0, done.output
        cache = ArtifactStore.open(STORE).objects.cache
        assert not [*cache.root.glob("incoming/*/*")]
        assert not cache.has(Reference.to(manifests["cube"]))
        return Reference.read(tmp_path / output / REFERENCE), proxy.received

    return run


def size(manifest):
    return sum(entry.size for entry in manifest.files)


@pytest.mark.parametrize(
    ("stage", "share"),
    [
        ("window", 0.06),  # truth and index, of the images nothing
        ("train", 0.5),  # two of nine blocks, and scenes to measure the network's radius on
        ("evaluate", 0.7),  # two others, and what a network sees around them
    ],
)
def test_a_stage_brings_what_it_reads(run, made, stage, share):
    manifests, _ = made
    whole = sum(size(manifests[n]) for n in ("observations", "cube") if n in FOLDERS[stage])
    reference, received = run(stage)
    assert received < share * whole
    if stage == "window":
        assert reference == Reference.to(manifests["samples"])
