"""Stages whose inputs lie in S3 bring the parts that they read, and write what they always do."""

import shutil

import pytest
from typer.testing import CliRunner

from groundshift.artifacts import REFERENCE, ArtifactStore, Reference, read_manifest
from tests.components import made_up
from tests.faults.world import FOLDERS, app
from tests.proxy import Proxy
from tests.s3 import s3, seaweed

__all__ = ["s3", "seaweed"]

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
def made(tmp_path_factory):
    """Artifacts of one cell of nine blocks, of which three are samples."""
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
    return made | {"observations": folder / "observations"}, settings


@pytest.fixture
def run(made, s3, seaweed, tmp_path, monkeypatch):
    """Runs a stage on a machine that has nothing here: its artifact's hash, and bytes received."""
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    folders, settings = made

    def run(stage):
        monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "sender"))
        options = ["--settings", settings[stage], "--store", s3]
        for name in FOLDERS[stage][:-1]:
            store = ArtifactStore.open(s3)
            with store.incoming() as incoming:
                shutil.copytree(folders[name], incoming / name)
                reference = store.adopt(incoming / name, name)
            (tmp_path / name).mkdir()
            reference.write(tmp_path / name)
            options += [f"--{name}", str(tmp_path / name)]
        output = FOLDERS[stage][-1]
        monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "elsewhere"))
        with Proxy(seaweed.ports["s3"]) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
            options += [f"--{output}", str(tmp_path / output)]
            done = CliRunner().invoke(app(stage), options)
        assert done.exit_code == 0, done.output
        cache = ArtifactStore.open(s3).objects.cache
        assert not [*cache.root.glob("incoming/*/*")]
        assert not cache.has(Reference.read(tmp_path / "cube" / REFERENCE))
        return Reference.read(tmp_path / output / REFERENCE), proxy.received

    return run


def size(folder, contract):
    return sum(entry.size for entry in read_manifest(folder, contract).files)


@pytest.mark.parametrize(
    ("stage", "share"),
    [
        ("window", 0.06),  # truth and index, of the images nothing
        ("train", 0.5),  # two of nine blocks, and scenes to measure the network's radius on
        ("evaluate", 0.7),  # two others, and what a network sees around them
    ],
)
def test_a_stage_brings_what_it_reads(run, made, stage, share):
    folders, _ = made
    whole = sum(size(folders[n], n) for n in ("observations", "cube") if n in FOLDERS[stage])
    reference, received = run(stage)
    assert received < share * whole
    if stage == "window":
        assert reference.content_hash == read_manifest(folders["samples"], "samples").content_hash
