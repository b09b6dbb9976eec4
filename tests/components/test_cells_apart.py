"""Window and train where cells are worked on apart: the same samples, the same network."""

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from components.folders import Inputs
from components.train.__main__ import app as train
from components.window.__main__ import app as window
from components.window.stage import run as run_window
from components.window.stage import run_index
from groundshift.artifacts import (
    ArtifactStore,
    ValueHash,
    read_manifest,
    write_collection,
    writing,
)
from groundshift.artifacts.fan_out import CONTRACT as PLAN
from groundshift.artifacts.fan_out import PlannedCell, write_cells
from groundshift.errors import ContractError
from groundshift.samples.store import Samples
from groundshift.settings import parse
from tests.samples.ground import FOUR_CELLS, four_cells, planted_across, stacked, stage_settings

pytestmark = pytest.mark.usefixtures("own_work")

SETTINGS = stage_settings(length="20d", stride=4, area=FOUR_CELLS)
KEY = "0123456789abcdef"


def invoke(app, settings, *flags, **folders):
    """Run a stage; returns the summary it printed."""
    named = [part for name, folder in folders.items() for part in (f"--{name}", str(folder))]
    arguments = ["--settings", settings.model_dump_json(), *flags, *named]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.splitlines()[-1])


@dataclass
class Area:
    """An area of four cells: its artifacts made at once, and cell by cell in a store."""

    folder: Path
    whole: dict
    cells: list

    @property
    def store(self):
        return self.folder / "store"

    @property
    def plan(self):
        return self.folder / "plan"

    def on(self, cell):
        """Options of a task of one cell."""
        return ["--store", str(self.store), "--cell", cell, "--key", KEY]

    def part(self, contract, cell):
        store = ArtifactStore.open(str(self.store))
        return store.folder(store.ref("test", cell, KEY, contract))


def keep(area, cube, truth):
    """Bring the observations and the cube of one cell into the store."""
    store = ArtifactStore.open(str(area.store))
    with store.incoming() as folder:
        made = stacked(folder, [cube], truth, FOUR_CELLS)
        for contract, place in made._asdict().items():
            store.put_ref("test", cube.cell.id, KEY, store.adopt(place, contract))


@pytest.fixture(scope="module")
def area(tmp_path_factory):
    folder = tmp_path_factory.mktemp("area")
    cubes, truth = four_cells(), planted_across()
    area = Area(folder, {}, sorted(cube.cell.id for cube in cubes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        area.whole.update(stacked(folder / "whole", cubes, truth, FOUR_CELLS)._asdict())
        run_window(SETTINGS, **area.whole, samples=folder / "whole" / "samples")
        area.whole["samples"] = folder / "whole" / "samples"
        with writing(area.plan, PLAN, area="test", settings={}, inputs={}) as draft:
            write_cells(draft.folder, [PlannedCell(cell, KEY, "new") for cell in area.cells])
        for cube in cubes:
            keep(area, cube, truth)
        plan, out = area.plan, folder / "out"
        for cell in area.cells:
            invoke(window, SETTINGS, *area.on(cell), cube=plan, coefficients=out / cell)
        store = ["--store", str(area.store)]
        invoke(window, SETTINGS, *store, coefficients=plan, betas=out / "betas")
        inputs = {"observations": plan, "cube": plan, "betas": out / "betas"}
        for cell in area.cells:
            invoke(window, SETTINGS, *area.on(cell), **inputs, samples=out / "samples" / cell)
    return area


@pytest.fixture
def joined(area):
    """The samples of all cells, found through the plan and read as one."""
    with ExitStack() as stack:
        store = ArtifactStore.open(str(area.store))
        yield Samples.open(Inputs(store, "test", stack=stack).find(area.plan, "samples"))


@pytest.fixture
def whole(area):
    return Samples.open(area.whole["samples"])


def everything(samples, cell, kind):
    return samples.label_series(cell, kind, slice(0, 40), slice(0, 40))


def test_joined_samples_are_those_of_one_run(area, whole, joined):
    assert whole.windows["cell"].unique().tolist() == area.cells
    assert whole.label_kinds == joined.label_kinds == ("truth", "synthetic")
    pd.testing.assert_frame_equal(joined.windows, whole.windows)
    pd.testing.assert_frame_equal(joined.splits, whole.splits)
    pd.testing.assert_frame_equal(joined.betas, whole.betas)
    pd.testing.assert_frame_equal(joined.truth, whole.truth)
    for cell in area.cells:
        assert joined.labelled(cell).tolist() == whole.labelled(cell).tolist()
        for kind in whole.label_kinds:
            expected = everything(whole, cell, kind)
            assert np.nanmax(expected) > 0
            np.testing.assert_array_equal(everything(joined, cell, kind), expected)


def hash_of(samples, cells):
    """The value hash of some cells' rows and labels."""
    values = ValueHash()
    for cell in cells:
        for name, table in (("windows", samples.windows), ("patches", samples.splits)):
            rows = table[table["cell"] == cell].itertuples(index=False)
            values.add_text(name, (",".join(map(str, row)) for row in rows))
        for kind in samples.label_kinds:
            for image in everything(samples, cell, kind):
                values.add_scores(f"{cell}/{kind}", image)
    return values.hexdigest()


def test_value_hashes_agree_cell_by_cell(area, whole, joined):
    assert hash_of(joined, area.cells) == whole.manifest.value_hash
    for cell in area.cells:
        own = read_manifest(area.part("samples", cell), "samples")
        assert own.value_hash == hash_of(whole, [cell])


def test_betas_are_those_of_the_whole_region(joined):
    """A cell's own sums alone would give others."""
    betas = joined.betas
    assert (betas.groupby("start")["beta"].nunique() == 1).all()
    own = 2 * betas["blue"] / (betas["ratio"] + betas["mndwi2"])
    assert not np.allclose(own, betas["beta"], rtol=1e-4)


def test_an_index_holds_the_same_windows_and_patches_without_labels(area, whole, tmp_path):
    cell = area.cells[2]
    folders = {"cube": area.part("cube", cell), "samples": tmp_path / "samples"}
    invoke(window, SETTINGS, "--index", **folders)
    samples = Samples.open(tmp_path / "samples")
    for found, table in ((samples.windows, whole.windows), (samples.splits, whole.splits)):
        expected = table[table["cell"] == cell].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected)
    assert samples.label_kinds == ()
    assert samples.labelled(cell).tolist() == whole.labelled(cell).tolist()
    with pytest.raises(ContractError, match="no truth labels"):
        everything(samples, cell, "truth")


def test_an_index_does_not_replace_samples_with_labels(area, tmp_path):
    cell = area.cells[2]
    before = area.part("samples", cell)
    flags = [*area.on(cell), "--index"]
    summary = invoke(window, SETTINGS, *flags, cube=area.plan, samples=tmp_path / "samples")
    assert area.part("samples", cell) == before == Path(summary["artifact"])


def test_samples_of_other_settings_are_no_index(area, tmp_path):
    cell = area.cells[2]
    other = stage_settings(length="30d", stride=4, area=FOUR_CELLS)
    run_index(
        other,
        cube=area.part("cube", cell),
        samples=tmp_path / "samples",
        known=area.part("samples", cell),
    )
    samples = Samples.open(tmp_path / "samples")
    assert samples.label_kinds == ()
    assert samples.settings["length"] == "30d"


def test_a_network_trained_on_joined_cells_is_the_same(area, tmp_path):
    settings = parse("train", {
        "name": "test",
        "area": FOUR_CELLS,
        "period": {"start": "2017-01-01", "end": "2017-07-02"},
        "train": {"epochs": 2, "batch": 8, "stride": 3, "validation_stride": 3},
    })  # fmt: skip
    inputs = {name: area.whole[name] for name in ("cube", "samples")}
    expected = invoke(train, settings, **inputs, model=tmp_path / "once")
    found = invoke(
        train, settings, "--store", str(area.store),
        cube=area.plan, samples=area.plan, model=tmp_path / "apart",
    )  # fmt: skip
    assert found["value_hash"] == expected["value_hash"]
    assert found["metrics"] == expected["metrics"]
    model = Path(found["artifact"])
    histories = [(folder / "history.csv").read_text() for folder in (model, tmp_path / "once")]
    assert histories[0] == histories[1]
    assert read_manifest(model, "model").licences == ("made up",)


def test_samples_of_different_labels_are_not_joined(area, tmp_path):
    parts = {cell: area.part("samples", cell) for cell in area.cells}
    first = area.cells[0]
    folders = {"cube": area.part("cube", first), "samples": tmp_path / "samples"}
    invoke(window, SETTINGS, "--index", **folders)
    (tmp_path / "joined").mkdir()
    write_collection(tmp_path / "joined", "samples", parts | {first: tmp_path / "samples"})
    with pytest.raises(ContractError, match=r"expected the labels of all cells .*found none"):
        Samples.open(tmp_path / "joined")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["cube", "samples"], "--samples is made from --observations"),
        (["betas"], "--betas is made from --coefficients"),
        (["coefficients"], "--coefficients is made from --cube"),
        (["observations", "cube"], "expected one of --coefficients, --betas, --samples"),
    ],
)
def test_a_missing_folder_is_named(folders, message, tmp_path, caplog):
    named = [part for name in folders for part in (f"--{name}", str(tmp_path / name))]
    arguments = ["--settings", SETTINGS.model_dump_json(), *named]
    assert CliRunner().invoke(window, arguments).exit_code == 2
    assert message in caplog.text
