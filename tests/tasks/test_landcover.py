"""Land cover through the six stages: real pixels of Slovenia, an area of four cells."""

import json
import re
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
import yaml

from components.evaluate import drift
from components.evaluate.stage import run as evaluate
from components.fetch.stage import run as fetch
from components.infer.stage import run as infer
from components.infer.stage import run_cell, run_report
from components.stack.stage import run as stack
from components.train.stage import run as train
from components.window.regional import run_betas, run_coefficients
from components.window.stage import run as window
from components.window.stage import run_index
from groundshift import memory
from groundshift.artifacts import read_manifest
from groundshift.artifacts.collection import write_collection
from groundshift.cube.store import Cube
from groundshift.errors import ContractError, SettingsError
from groundshift.memory import parse_size
from groundshift.models.pixel_trees import TREES, PixelTrees
from groundshift.products.serving.classifier import example, open_classifier
from groundshift.samples.pixels import PixelSamples
from groundshift.services.packed import pack, unpack
from groundshift.settings import parse

pytestmark = pytest.mark.usefixtures("own_places")

ROOT = Path(__file__).parents[2]
CLASSES = [
    {"name": "forest", "codes": [2], "colour": "#1f6b3a"},
    {"name": "open land", "codes": [3, 4], "colour": "#b7d968"},
]
CELLS = {
    "bounds": [465_280, 5_079_360, 465_920, 5_080_000],
    "bounds_crs": "EPSG:32633",
    "cell": 320,
    "halo": 4,
}
"""Four cells of 32 x 32 pixels on the grid of the reference system."""


def settings_of(stage, **chosen):
    demo = yaml.safe_load((ROOT / "params.yaml").read_text())["areas"]["landcover"]
    files = demo["fetch"]["files"] | {"root": str(ROOT / demo["fetch"]["files"]["root"])}
    own = {
        "fetch": {"source": "files", "files": files},
        "stack": {"step": "1d"},
        "window": {
            "reference": str(ROOT / demo["window"]["reference"]),
            "classes": CLASSES,
            "patch": 2,
            "per_class": 300,
            "split": {"block": 8, "buffer": 0},
        },
        "train": {"rounds": 15},
        "evaluate": {"bootstrap": 200},
        "infer": {"block": 20},
    }[stage]
    common = {"name": "slovenia", "task": "landcover", "area": CELLS, "period": demo["period"]}
    return parse(stage, common | {stage: own | chosen})


@dataclass
class Made:
    """Folders of what the stages made."""

    folder: Path

    def __getattr__(self, name):
        return self.folder / name

    def chain(self):
        return {n: self.folder / n for n in ("cube", "samples", "model", "evaluation")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The six stages, over all cells at once."""
    at = Made(tmp_path_factory.mktemp("whole"))
    fetch(settings_of("fetch"), observations=at.observations)
    stack(settings_of("stack"), observations=at.observations, cube=at.cube)
    index = {"observations": at.observations, "cube": at.cube}
    window(settings_of("window"), **index, samples=at.samples)
    train(settings_of("train"), cube=at.cube, samples=at.samples, model=at.model)
    judged = {"cube": at.cube, "samples": at.samples, "model": at.model}
    evaluate(settings_of("evaluate"), **judged, evaluation=at.evaluation)
    infer(settings_of("infer"), **at.chain(), maps=at.maps)
    return at


def test_samples_are_pixels_well_inside_a_class_and_in_one_split(made):
    samples = PixelSamples.open(made.samples)
    cube = Cube.open(made.cube)
    with rasterio.open(ROOT / "demo/landcover/slovenia/landuse.tif") as raster:
        codes, outside = raster.read(1), ~raster.transform
    for row in samples.table.itertuples():
        grid = cube.cells[row.cell].cell.grid
        x, y = grid.transform @ (row.x + 0.5, row.y + 0.5)
        column, line = (int(i) for i in outside @ (x, y))
        wanted = CLASSES[row[4] - 1]["codes"]
        assert codes[line, column] in wanted
    assert not samples.table.duplicated(["cell", "y", "x"]).any()
    assert samples.table.groupby("block")["split"].nunique().max() == 1
    drawn = samples.of("training")["class"].value_counts()
    assert 200 < drawn.max() < 400  # about window.per_class
    assert drawn.min() > 50


def test_the_model_is_better_than_naming_the_commonest_class(made):
    metrics = json.loads((made.evaluation / "metrics.json").read_text())
    assert metrics["headline"]["accuracy"] > 0.9
    assert metrics["headline"]["miou"] > metrics["headline"]["baseline_miou"] + 0.2
    assert metrics["gate"]["verdict"] == "passed"
    confusion = pd.read_csv(made.evaluation / "confusion.csv", index_col=0)
    tested = PixelSamples.open(made.samples).of("test")
    assert confusion.to_numpy().sum() == len(tested) == metrics["samples"]
    low, high = metrics["intervals"]["miou"]
    assert low <= metrics["headline"]["miou"] <= high


def test_the_map_has_names_colours_probabilities_and_adds_up(made):
    cells = Cube.open(made.cube).cells
    total = np.zeros(2)
    for name in cells:
        with rasterio.open(made.maps / "classes" / f"{name}.tif") as raster:
            assert raster.colormap(1)[2] == (0xB7, 0xD9, 0x68, 255)
            assert raster.tags()["CLASS_2"] == "open land"
            assert raster.overviews(1) == [] or raster.profile["tiled"]
            classes = raster.read(1)
        with rasterio.open(made.maps / "probability" / f"{name}.tif") as raster:
            probability = raster.read(1)
        assert set(np.unique(classes)) <= {1, 2}
        assert (probability >= 0.5).all()
        assert (probability <= 1).all()
        total += [(classes == number).sum() for number in (1, 2)]
    areas = pd.read_csv(made.maps / "areas.csv")
    np.testing.assert_allclose(areas["hectares"], total / 100)
    assert areas["class"].tolist() == ["forest", "open land"]


def test_the_catalogue_gives_the_legend_and_the_report_the_figures(made):
    collection = pystac.Collection.from_file(str(made.maps / "stac" / "collection.json"))
    items = list(collection.get_items())
    assert len(items) == 4
    asset = items[0].assets["classes"]
    assert Path(items[0].get_self_href()).parent.joinpath(asset.href).is_file()
    legend = asset.extra_fields["classification:classes"]
    assert [one["value"] for one in legend] == [0, 1, 2]
    assert legend[2] | {"title": "open land", "color_hint": "B7D968"} == legend[2]
    page = (made.maps / "report.html").read_text()
    miou = json.loads((made.evaluation / "metrics.json").read_text())["headline"]["miou"]
    for text in ("open land", f"{miou:.3f}", "Ministry of Agriculture", "data:image/png"):
        assert text in page


def test_the_same_settings_give_the_same_hashes(made, tmp_path):
    model, maps = tmp_path / "model", tmp_path / "maps"
    train(settings_of("train"), cube=made.cube, samples=made.samples, model=model)
    hashes = [read_manifest(at, "model").content_hash for at in (model, made.model)]
    assert hashes[0] == hashes[1]
    infer(settings_of("infer"), **made.chain(), maps=maps)
    hashes = [read_manifest(at, "maps").content_hash for at in (maps, made.maps)]
    assert hashes[0] == hashes[1]


def test_cells_worked_on_apart_give_the_same_samples_model_and_maps(made, tmp_path):
    cells = sorted(Cube.open(made.cube).cells)
    apart = {name: Made(tmp_path / name) for name in cells}
    joined = Made(tmp_path / "joined")

    def gather(contract):
        (joined.folder / contract).mkdir(parents=True)
        write_collection(
            joined.folder / contract, contract, {n: at.folder / contract for n, at in apart.items()}
        )

    for name, at in apart.items():
        fetch(settings_of("fetch"), observations=at.observations, cell=name)
        stack(settings_of("stack"), observations=at.observations, cube=at.cube)
        run_coefficients(settings_of("window"), cube=at.cube, coefficients=at.coefficients)
    gather("coefficients")
    run_betas(settings_of("window"), coefficients=joined.coefficients, betas=joined.betas)
    for at in apart.values():
        index = {"observations": at.observations, "cube": at.cube, "betas": joined.betas}
        window(settings_of("window"), **index, samples=at.samples)
    gather("cube")
    gather("samples")
    train(settings_of("train"), cube=joined.cube, samples=joined.samples, model=joined.model)
    judged = {"cube": joined.cube, "samples": joined.samples, "model": joined.model}
    evaluate(settings_of("evaluate"), **judged, evaluation=joined.evaluation)
    for name, at in apart.items():
        run_cell(settings_of("infer"), cell=name, **joined.chain(), scores=at.scores)
    gather("scores")
    run_report(settings_of("infer"), scores=joined.scores, **joined.chain(), maps=joined.maps)

    whole, parts = PixelSamples.open(made.samples), PixelSamples.open(joined.samples)
    pd.testing.assert_frame_equal(whole.table, parts.table)
    assert (made.model / TREES).read_text() == (joined.model / TREES).read_text()
    for contract in ("evaluation", "maps"):
        one, other = (read_manifest(at.folder / contract, contract) for at in (made, joined))
        assert one.value_hash == other.value_hash, contract


def test_a_trained_model_maps_a_cube_that_has_no_reference(made, tmp_path):
    samples = tmp_path / "samples"
    run_index(settings_of("window", reference=None), cube=made.cube, samples=samples)
    chain = made.chain() | {"samples": samples}
    infer(settings_of("infer"), **chain, maps=tmp_path / "maps")
    one, other = (read_manifest(at, "maps") for at in (tmp_path / "maps", made.maps))
    assert one.value_hash == other.value_hash


def test_a_model_that_is_not_ahead_of_the_champion_does_not_pass(made, tmp_path):
    weak = tmp_path / "weak"
    settings = settings_of("train", rounds=1)
    train(settings, cube=made.cube, samples=made.samples, model=weak)
    judged = {"cube": made.cube, "samples": made.samples}
    summary = evaluate(
        settings_of("evaluate"),
        **judged,
        model=weak,
        evaluation=tmp_path / "evaluation",
        champion=made.model,
    )
    assert summary.parameters["verdict"] == "failed"
    assert any("the champion's" in note for note in summary.notes)


def test_a_model_answers_requests(made):
    answer = open_classifier(made.model)
    sample = example(made.model)
    reply = answer({"sample": pack(sample)})
    found = unpack(reply["result"])
    assert json.loads(reply["about"])["classes"] == ["forest", "open land"]
    np.testing.assert_array_equal(found["class"], found["probability"].argmax(axis=1) + 1)
    listed = json.loads(answer({"sample": pack(sample), "format": "json"})["result"])
    assert listed["class"] == found["class"].tolist()
    for request, message in (
        ({}, "expected a sample"),
        ({"cube": "x"}, "takes samples only"),
        ({"sample": pack({"features": np.zeros((2, 3))})}, r"expected \[row, "),
        ({"sample": pack({"other": np.zeros((2, 3))})}, "one array of numbers"),
        ({"sample": pack(sample), "format": "cog"}, "npz or json"),
    ):
        with pytest.raises(ContractError, match=message):
            answer(request)


@pytest.fixture
def empty(monkeypatch):
    """A process that holds nothing yet, so that only a stage's own work counts."""
    monkeypatch.setattr(memory, "resident", lambda: 0)
    monkeypatch.setattr(memory, "SPARE", 0)


@pytest.mark.parametrize(
    ("stage", "run", "reads", "contract", "what"),
    [
        ("window", window, ("observations", "cube"), "samples", "the reference of one cell"),
        ("train", train, ("cube", "samples"), "model", r"the series of \d+ "),
        ("evaluate", evaluate, ("cube", "samples", "model"), "evaluation", r"the series of \d+ "),
        ("infer", infer, ("cube", "samples", "model", "evaluation"), "maps", "the series of 16 x"),
    ],
)
def test_a_stage_that_is_refused_says_how_little_memory_gives_the_same(
    stage, run, reads, contract, what, made, empty, tmp_path
):
    known = {name: made.folder / name for name in reads} | {contract: tmp_path / contract}

    def given(size):
        return settings_of(stage).model_copy(update={"memory": parse_size(size)})

    told = "1kB"
    for _ in range(2):  # what is held, and then the pieces that are worked on beside it
        with pytest.raises(SettingsError, match=f"memory: .*{what}") as refusal:
            run(given(told), **known)
        assert not (tmp_path / contract).exists()
        told = re.search(r"Set memory=([0-9.]+[kMG]?B)", str(refusal.value))[1]
        if stage not in ("train", "evaluate"):
            break
        what = "the series of "
    run(given(told), **known)
    one, other = (
        read_manifest(at, contract) for at in (tmp_path / contract, made.folder / contract)
    )
    assert one.content_hash == other.content_hash


def test_reading_series_takes_no_more_memory_than_it_asks_for(made):
    series = PixelTrees.open(made.model).series
    start = settings_of("infer").period.start_seconds
    cell = next(iter(Cube.open(made.cube).cells.values()))
    place = (slice(0, 32), slice(0, 32))
    series.read(cell, start, *place)  # what is loaded once doesn't count
    tracemalloc.start()
    try:
        series.read(cell, start, *place)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    told = series.pixel_bytes(cell) * 32**2
    assert 0.7 * told < peak < told + 100_000  # which small arrays take


def test_bad_input_is_refused_with_its_remedy(made, tmp_path):
    index = {"observations": made.observations, "cube": made.cube, "samples": tmp_path / "s"}
    missing = [*CLASSES, {"name": "ice", "codes": [7], "colour": "#ffffff"}]
    for chosen, message in (
        ({"reference": None}, r"window\.reference: expected a GeoTIFF .* found none"),
        ({"reference": str(ROOT / "README.md")}, "can't be read"),
        ({"classes": missing}, "found none of ice"),
    ):
        with pytest.raises(SettingsError, match=message):
            window(settings_of("window", **chosen), **index)
    with pytest.raises(SettingsError, match="no drift report"):
        drift.run(settings_of("evaluate"), cube=made.cube, model=made.model, drift=tmp_path / "d")
    longer = settings_of("infer").model_copy(
        update={"period": settings_of("infer").period.model_copy(
            update={"end": settings_of("infer").period.start.replace(month=8, day=1)}
        )}
    )  # fmt: skip
    with pytest.raises(ContractError, match="Lengthen the period"):
        infer(longer, **made.chain(), maps=tmp_path / "maps")
    with pytest.raises(ContractError, match="expected the cell nowhere"):
        run_cell(settings_of("infer"), cell="nowhere", **made.chain(), scores=tmp_path / "scores")


def test_a_changed_model_is_not_believed(made, tmp_path):
    text = (made.model / TREES).read_text()
    changed = tmp_path / "model"
    settings = settings_of("train")
    train(settings, cube=made.cube, samples=made.samples, model=changed)
    PixelTrees.open(changed)
    leaf = next(line for line in text.splitlines() if line.startswith("leaf_value="))
    numbers = leaf.removeprefix("leaf_value=").split()
    (changed / TREES).write_text(
        text.replace(leaf, "leaf_value=" + " ".join([*numbers[1:], numbers[0]]))
    )
    with pytest.raises(ContractError, match=r"expected the stored probabilities|can't be read"):
        PixelTrees.open(changed)
