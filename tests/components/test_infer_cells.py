"""Evaluate and infer where cells are worked on apart: the same scores, maps and report."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from typer.testing import CliRunner

from components.evaluate.__main__ import app as evaluate_command
from components.evaluate.stage import run as evaluate
from components.infer.__main__ import PUBLISHED
from components.infer.__main__ import app as infer
from components.infer.stage import run, run_cell, run_report
from groundshift.artifacts import ArtifactStore, Champion, Reference, read_manifest, writing
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.events.reviews import TYPES, document_of
from groundshift.models.inputs import fit_inputs
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.store import PROBE, Detector, write_probe
from groundshift.products.maps import read_map
from groundshift.samples.loader import Loader
from groundshift.samples.store import Samples
from groundshift.settings import parse
from tests.artifacts.stores import in_store
from tests.components.test_cells_apart import KEY, Area, area, invoke  # noqa: F401
from tests.samples.ground import FOUR_CELLS

pytestmark = pytest.mark.usefixtures("own_places")


def settings_of(stage, **values):
    return parse(stage, {
        "name": "test",
        "area": FOUR_CELLS,
        "period": {"start": "2017-01-01", "end": "2017-07-02"},
        stage: values,
    })  # fmt: skip


INFER = settings_of("infer", stride=4)


def make_model(folder, cube, samples, seed=5):
    """A network with its first weights that looks four pixels around."""
    images, indexed = Cube.open(cube), Samples.open(samples)
    patches = indexed.splits[indexed.splits["split"] == "training"]
    inputs = fit_inputs(images.signature, images.cells, patches)
    spec = NetworkSpec(inputs.channels("radar"), inputs.channels("optical"), 2, 2)
    weight = weights(build(spec, (8, 8), seed=seed))
    detector = Detector(spec, inputs, images.signature, 4, (weight,), {"length": "20d"})
    with writing(folder, "model", area="t", settings={"seed": seed}, inputs={}) as draft:
        detector.write(draft.folder)
        batch = next(Loader(indexed, images, "test", batch=2).epoch())
        write_probe(draft.folder / PROBE, detector, batch)
    return folder


@dataclass
class Mapped:
    """The maps of an area of four cells, made at once and cell by cell in its store."""

    area: Area
    whole: dict
    """All that the maps at once are made from, and the maps."""
    outside: Path
    """Where tasks write their references."""
    computed: float = 0
    """Windows that the model scored for the cells' first maps."""

    @property
    def store(self):
        return ArtifactStore.open(str(self.area.store))

    @property
    def champion(self):
        """Options that name what all cells are mapped from."""
        plan = str(self.area.plan)
        champion = read_manifest(self.whole["model"], "model").content_hash
        return ["--cube", plan, "--samples", plan, "--champion", champion]

    def map_cells(self, name):
        """Map all cells; returns how many windows the model scored."""
        tasks = [
            invoke(
                infer, INFER, *self.area.on(cell), *self.champion, scores=self.outside / name / cell
            )
            for cell in self.area.cells
        ]
        return sum(task["metrics"]["windows_computed"] for task in tasks)

    def report(self, name):
        """Write the report; returns its summary."""
        given = ["--store", str(self.area.store), *self.champion]
        maps = self.outside / name / "maps"
        return invoke(infer, INFER, *given, scores=self.area.plan, maps=maps)

    def part(self, cell):
        """What `run_cell` takes of one cell."""
        kinds = ("cube", "samples")
        own = {kind: self.area.part(kind, cell) for kind in kinds}
        return own | {name: self.whole[name] for name in ("model", "evaluation")}


@pytest.fixture(scope="module")
def mapped(area, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("mapped")
    inputs = {name: area.whole[name] for name in ("cube", "samples")}
    inputs["model"] = make_model(folder / "model", **inputs)
    inputs["evaluation"] = folder / "evaluation"
    settings = settings_of("evaluate", baselines=False, bootstrap=10, stride=5, threshold=0.45)
    evaluate(settings, **inputs)
    run(INFER, **inputs, maps=folder / "maps")
    found = Mapped(area, inputs | {"maps": folder / "maps"}, folder / "out")
    champion = (in_store(found.store, inputs[name], name) for name in ("model", "evaluation"))
    found.store.promote("test", Champion(*champion))
    found.computed = found.map_cells("first")
    return found


def test_an_evaluation_of_joined_cells_is_the_same(mapped, tmp_path):
    settings = settings_of("evaluate", bootstrap=10, stride=9)
    plan, model = mapped.area.plan, mapped.whole["model"]
    once = {name: mapped.whole[name] for name in ("cube", "samples", "model")}
    expected = evaluate(settings, **once, evaluation=tmp_path / "once")
    folders = {"cube": plan, "samples": plan, "model": model, "evaluation": tmp_path / "apart"}
    found = invoke(evaluate_command, settings, "--store", str(mapped.area.store), **folders)
    assert found["value_hash"] == expected.value_hash


def test_the_report_over_cells_is_that_of_one_run(mapped):
    done = mapped.report("first")
    maps = mapped.store.folder(Reference.read(mapped.outside / "first/maps/reference.json"))
    expected, found = (read_manifest(folder, "maps") for folder in (mapped.whole["maps"], maps))
    assert done["value_hash"] == found.value_hash == expected.value_hash
    assert found.summary == expected.summary
    assert found.summary["events"] > 4
    # Only what names the inputs by their hashes differs: a joined cube is not the whole one.
    differ = {a.path for a, b in zip(found.files, expected.files, strict=True) if a != b}
    assert differ == {"report.html"}


def test_a_cell_mapped_apart_has_the_maps_of_the_whole_area(mapped):
    for cell in mapped.area.cells:
        folder = mapped.area.part("scores", cell)
        paths = sorted(folder.rglob("*.tif"))
        assert len(paths) == read_manifest(folder, "scores").summary["windows"] + 2
        for path in paths:
            same = mapped.whole["maps"] / path.relative_to(folder)
            assert path.parent.name == cell
            np.testing.assert_array_equal(read_map(path), read_map(same))


def test_events_are_joined_over_the_edges_of_cells(mapped):
    events = gpd.read_parquet(mapped.whole["maps"] / "events.parquet")
    over = events[events["cells"].str.contains(",")]
    assert len(over)
    for event in over.itertuples():
        parts = [
            gpd.read_parquet(mapped.area.part("scores", cell) / "objects.parquet")
            for cell in event.cells.split(", ")
        ]
        pixels = [
            table[table.within(event.geometry.buffer(0.1))]["pixels"].sum() for table in parts
        ]
        assert min(pixels) > 0
        assert sum(pixels) == event.pixels


def test_what_was_published_is_not_computed_again(mapped):
    assert mapped.computed > len(mapped.area.cells)
    first = mapped.report("first")
    for contract in PUBLISHED:
        for cell in mapped.area.cells:
            assert mapped.store.current_key("test", cell, contract) == KEY
    assert mapped.map_cells("again") == 0
    assert mapped.report("again")["content_hash"] == first["content_hash"]


def test_what_was_rejected_is_no_news_in_the_next_run(mapped):
    mapped.report("first")
    maps = mapped.store.folder(Reference.read(mapped.outside / "first/maps/reference.json"))
    events = gpd.read_parquet(maps / "events.parquet")
    assert events["news"].all()
    said = {"verdict": "rejected", "class": "other", "by": "ada", "maps": "m"}
    reviews = events.iloc[::5].assign(at=events["date"], **said)[[*TYPES, "geometry"]]
    mapped.store.review("test", lambda _: document_of(reviews.astype(TYPES)))
    try:
        mapped.report("reviewed")
    finally:
        mapped.store.documents.remove(["reviews/test.json"])
    maps = mapped.store.folder(Reference.read(mapped.outside / "reviewed/maps/reference.json"))
    after = gpd.read_parquet(maps / "events.parquet").set_index("id")
    assert not after.loc[reviews["id"], "news"].any()
    assert set(after.loc[reviews["id"], "review_by"]) == {"ada"}
    assert after["news"].any()
    assert {"reviews"} == read_manifest(maps, "maps").inputs.keys() & {"reviews", "earlier"}


def test_cells_mapped_by_another_model_are_refused(mapped, tmp_path):
    inputs = {name: mapped.whole[name] for name in ("cube", "samples")}
    other = make_model(tmp_path / "model", **inputs, seed=6)
    evaluation = tmp_path / "evaluation"
    quick = settings_of("evaluate", baselines=False, bootstrap=0, stride=9)
    evaluate(quick, **inputs, model=other, evaluation=evaluation)
    (cell, *_) = mapped.area.cells
    given = mapped.part(cell) | {"model": other, "evaluation": evaluation}
    scores = mapped.area.part("scores", cell)
    with pytest.raises(ContractError, match="the scores was made from evaluation"):
        run_report(INFER, **given, scores=scores, maps=tmp_path / "maps")


def test_a_cell_that_is_not_in_the_cube_is_refused(mapped, tmp_path):
    first, second, *_ = mapped.area.cells
    with pytest.raises(ContractError, match=f"expected the cell {second}, found {first}"):
        run_cell(INFER, cell=second, **mapped.part(first), scores=tmp_path / "scores")


def test_what_is_missing_is_said(mapped, tmp_path):
    (cell, *_) = mapped.area.cells
    inputs = mapped.part(cell)
    settings = ["--settings", INFER.model_dump_json()]
    given = [part for name, path in inputs.items() for part in (f"--{name}", str(path))]
    for arguments, message in (
        ([*given, f"--scores={tmp_path / 'scores'}"], "give --cell"),
        ([*given[:4], f"--maps={tmp_path / 'maps'}"], "or --champion"),
        ([*given[:4], f"--maps={tmp_path / 'maps'}", "--champion=abc"], "give --store"),
    ):
        result = CliRunner().invoke(infer, [*settings, *arguments])
        assert result.exit_code == 2, message
