import pytest

from components.folders import Folder, Inputs, output_of
from groundshift.artifacts import ArtifactStore, read_manifest, writing
from groundshift.artifacts.fan_out import PlannedCell, write_cells
from groundshift.errors import ContractError, SettingsError

DECLARED = {
    "observations": Folder(read=True),
    "coefficients": Folder(read=True, written=True),
    "betas": Folder(read=True, written=True),
    "samples": Folder(written=True),
}
CELLS = {"east": "k1", "west": "k2"}


@pytest.mark.parametrize(
    ("given", "output"),
    [
        (["observations", "samples"], "samples"),
        (["observations", "coefficients"], "coefficients"),
        (["betas", "coefficients"], "betas"),  # as declared, not as typed
        (["samples", "observations", "betas"], "samples"),
    ],
)
def test_the_last_folder_named_is_written(given, output, tmp_path):
    assert output_of(DECLARED, dict.fromkeys(given, tmp_path)) == output


@pytest.mark.parametrize("given", [[], ["observations"]])
def test_a_task_without_output_is_refused(given, tmp_path):
    with pytest.raises(SettingsError, match="one of --coefficients, --betas, --samples"):
        output_of(DECLARED, dict.fromkeys(given, tmp_path))


def test_a_task_with_two_outputs_is_refused(tmp_path):
    declared = {"plan": Folder(written=True), "observations": Folder(written=True)}
    with pytest.raises(SettingsError, match="found --plan, --observations"):
        output_of(declared, dict.fromkeys(declared, tmp_path))


@pytest.fixture
def store(tmp_path):
    return ArtifactStore.open(str(tmp_path / "store"))


@pytest.fixture
def keep(store, monkeypatch, tmp_path):
    """Write an artifact into the store."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))

    def keep(text, contract="cube"):
        with store.incoming() as folder:
            with writing(folder / "x", contract, area="a", settings={}, inputs={}) as draft:
                draft.values.add_text("t", [text])
                (draft.folder / "file.txt").write_text(text)
                if contract == "plan":
                    planned = [PlannedCell(cell, key, "new") for cell, key in CELLS.items()]
                    write_cells(draft.folder, planned)
            return store.adopt(folder / "x", contract)

    return keep


@pytest.fixture
def plan(keep, tmp_path):
    """A task's output folder that refers to a plan in the store."""
    keep("plan", "plan").write(tmp_path / "plan")
    return tmp_path / "plan"


@pytest.fixture
def cubes(store, keep):
    """A cube of each cell, by the plan's keys."""
    made = {cell: keep(cell) for cell in CELLS}
    for cell, reference in made.items():
        store.put_ref("area", cell, CELLS[cell], reference)
    return {cell: store.folder(reference) for cell, reference in made.items()}


def test_a_folder_with_an_artifact_stands_for_itself(tmp_path, store, cubes):
    assert Inputs(None, "area").find(cubes["east"], "cube") == cubes["east"]
    assert Inputs(None, "area").find(tmp_path / "none", "cube") == tmp_path / "none"


def test_a_reference_stands_for_the_artifact_in_the_store(tmp_path, store, keep):
    reference = keep("text")
    reference.write(tmp_path / "cube")
    assert Inputs(store, "area").find(tmp_path / "cube", "cube") == store.folder(reference)
    with pytest.raises(SettingsError, match="give the same --store"):
        Inputs(None, "area").find(tmp_path / "cube", "cube")
    with pytest.raises(ContractError, match="expected the artifact samples, found cube"):
        Inputs(store, "area").find(tmp_path / "cube", "samples")


def test_a_plan_stands_for_what_a_cells_tasks_made(store, plan, cubes):
    inputs = Inputs(store, "area", "west", "k2")
    assert inputs.find(plan, "cube") == cubes["west"]
    assert inputs.keys == {"west": "k2"}


def test_a_plan_stands_for_what_the_tasks_of_all_cells_made(store, plan, cubes):
    inputs = Inputs(store, "area")
    with inputs.stack:
        folder = inputs.find(plan, "cube")
        joined = read_manifest(folder, "cube")
        assert list(joined.parts) == ["east", "west"]
        parts = [read_manifest(cubes[cell], "cube") for cell in CELLS]
        assert list(joined.parts.values()) == parts
    assert inputs.keys == CELLS
    assert not folder.exists()


def test_a_plan_of_one_cell_stands_for_its_artifact(store, keep, cubes, monkeypatch, tmp_path):
    monkeypatch.setitem(globals(), "CELLS", {"east": "k1"})
    keep("plan of one", "plan").write(tmp_path / "plan")
    assert Inputs(store, "area").find(tmp_path / "plan", "cube") == cubes["east"]


def test_a_plan_is_a_plan_where_one_is_wanted(store, plan):
    assert (Inputs(store, "area").find(plan, "plan") / "cells.jsonl").is_file()


def test_a_cell_whose_artifact_is_missing_is_named(store, plan, keep):
    store.put_ref("area", "east", "k1", keep("east"))
    with pytest.raises(ContractError, match=r"cube of cell west for key k2.*caching off"):
        Inputs(store, "area").find(plan, "cube")


def test_a_cell_that_the_plan_does_not_have_is_refused(store, plan, cubes):
    with pytest.raises(SettingsError, match="has no such cell"):
        Inputs(store, "area", "north", "k").find(plan, "cube")
