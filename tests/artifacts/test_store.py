import json
import multiprocessing
from dataclasses import replace

import pytest

from groundshift.artifacts import ArtifactStore, Champion, Outcome, read_manifest
from groundshift.artifacts.decisions import Decision
from groundshift.artifacts.hashing import file_digest
from groundshift.artifacts.references import REFERENCE, Reference
from groundshift.errors import ContractError, SettingsError, SourceError


def make_file(folder):
    (folder / "image").write_text("image")
    return folder / "image"


def kept(store, folder, contract="cube"):
    with store.incoming() as incoming:
        folder.rename(incoming / contract)
        return store.adopt(incoming / contract, contract)


def test_an_artifact_is_found_by_its_reference_and_nothing_is_left_incoming(store, make):
    folder = make("text")
    manifest = read_manifest(folder, "cube")
    reference = kept(store, folder)
    found = store.folder(reference)
    assert (found / "file.txt").read_text() == "text"
    assert reference.value_hash == manifest.value_hash
    assert found == store.root / "objects" / "cube" / manifest.content_hash
    assert list((store.root / "incoming").iterdir()) == []
    assert store.reference(found, "cube") == reference


def test_of_two_equal_artifacts_the_first_stays(store, make):
    first, second = make("same"), make("same")
    reference = kept(store, first)
    before = (store.folder(reference) / "file.txt").stat().st_ino
    assert kept(store, second) == reference
    assert (store.folder(reference) / "file.txt").stat().st_ino == before


def keep_in_a_process(root, folder, results):
    store = ArtifactStore.open(root)
    results.put(kept(store, folder).location)


def test_tasks_that_make_the_same_at_once_agree(store, make):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    tasks = [
        context.Process(target=keep_in_a_process, args=(str(store.root), make("same"), results))
        for _ in range(6)
    ]
    for task in tasks:
        task.start()
    found = {results.get(timeout=60) for _ in tasks}
    for task in tasks:
        task.join()
    assert [task.exitcode for task in tasks] == [0] * 6
    (location,) = found
    assert (store.root / location / "file.txt").read_text() == "same"


def test_what_is_no_whole_artifact_is_not_adopted(store, tmp_path):
    (tmp_path / "half").mkdir()
    with pytest.raises(ContractError, match="expected a whole cube artifact"):
        store.adopt(tmp_path / "half", "cube")


def test_the_results_of_a_cell_are_found_by_its_key(store, make):
    reference = kept(store, make())
    store.put_ref("area", "cell", "k1", reference)
    assert store.ref("area", "cell", "k1", "cube") == reference
    assert store.ref("area", "cell", "k2", "cube") is None
    with pytest.raises(ContractError, match=r"the cube of cell cell for key k2.*caching off"):
        store.require_ref("area", "cell", "k2", "cube")


def test_publishing_moves_what_is_current_all_or_nothing(store, make):
    one, two = kept(store, make("1")), kept(store, make("2"))
    store.put_ref("area", "east", "k1", one)
    assert store.current("area", "east", "cube") is None
    assert store.current_key("area", "east", "cube") == ""
    with pytest.raises(ContractError, match="cell west for key k2"):
        store.publish("area", {"east": "k1", "west": "k2"}, ["cube"])
    assert store.current("area", "east", "cube") is None
    store.put_ref("area", "west", "k2", two)
    store.publish("area", {"east": "k1", "west": "k2"}, ["cube"])
    assert store.current("area", "east", "cube") == one
    assert store.current("area", "west", "cube") == two
    assert store.current_key("area", "west", "cube") == "k2"


def test_an_earlier_champion_can_still_be_asked_for(store, make):
    champions = [
        Champion(
            kept(store, make(f"model {n}", "model"), "model"),
            kept(store, make(f"evaluation {n}", "evaluation"), "evaluation"),
        )
        for n in (1, 2)
    ]
    assert store.champion("area") is None
    first = champions[0]
    second = replace(champions[1], replaced=first.model.content_hash)
    store.promote("area", first)
    with pytest.raises(SourceError, match="another run was faster") as caught:
        store.promote("area", champions[1])
    assert caught.value.transient
    assert store.champion("area") == first
    store.promote("area", second)
    assert store.champion("area") == second
    assert store.champion("area", first.model.content_hash) == first
    assert store.champion("area", "0" * 64) is None
    store.promote("area", first, replacing=second.model.content_hash)
    assert store.champion("area") == first
    assert store.champion_hash("area") == first.model.content_hash
    assert store.champion_hash("elsewhere") == ""


def test_decisions_are_kept_in_order_also_those_of_newer_versions(store):
    made = [Decision("promoted", str(n) * 64, "e", "", "passed", ("why",)) for n in (2, 1)]
    for decision in made:
        store.decide("area", decision)
    path = sorted((store.root / "decisions" / "area").iterdir())[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": "good"}))
    assert list(store.decisions("area")) == made
    assert store.decisions("elsewhere") == ()


def test_outcomes_of_a_run_are_kept_by_task(store):
    outcomes = (
        Outcome("fetch", "plan", exit=0, kind="nothing new", message="all done"),
        Outcome("stack", cell="east", exit=2, kind="broken", metrics={"steps": 3.0}),
        Outcome("stack", cell="west"),
    )
    for outcome in outcomes:
        store.runs.record("run-1", outcome)
    assert store.runs.of("run-1") == outcomes
    assert store.runs.recorded("run-1", "stack-east") == outcomes[1]
    assert store.runs.recorded("run-1", "train") is None
    assert store.runs.of("run-2") == ()


def test_an_outcome_by_a_newer_version_is_still_read(store):
    store.runs.record("run", Outcome("train", exit=0, kind="done"))
    path = store.root / "runs" / "run" / "train.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seconds": 3}))
    assert store.runs.recorded("run", "train") == Outcome("train", exit=0, kind="done")


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "", ".hidden", "a\n", "a b"])
def test_no_name_leads_out_of_the_store(store, make, name):
    reference = kept(store, make())
    for parts in ((name, "c", "k"), ("a", name, "k"), ("a", "c", name)):
        with pytest.raises(SettingsError, match="expected a name"):
            store.put_ref(*parts, reference)
    with pytest.raises(SettingsError, match="expected a name"):
        store.runs.of(name)
    with pytest.raises(ContractError, match="one of the contracts"):
        store.ref("a", "c", "k", name)


@pytest.mark.parametrize("location", ["../outside", "objects/../../outside", "refs", "/tmp"])
def test_no_reference_leads_out_of_the_store(store, make, location):
    make("x").rename(store.root.parent / "outside")
    with pytest.raises(ContractError, match="expected an artifact in the store"):
        store.folder(Reference("cube", "", "", location))


def test_a_reference_whose_artifact_is_gone_says_so(store):
    with pytest.raises(ContractError, match=r"expected a whole cube artifact.*components\.stack"):
        store.folder(Reference("cube", "", "", "objects/cube/gone"))


def test_an_artifact_elsewhere_has_no_reference(store, make):
    with pytest.raises(ContractError, match="found it elsewhere"):
        store.reference(make(), "cube")


def test_a_reference_replaces_the_artifact_of_an_earlier_run(store, make, tmp_path):
    folder = make("old")
    reference = kept(store, make("new"))
    reference.write(folder)
    assert not (folder / "manifest.json").exists()
    assert Reference.read(folder / REFERENCE) == reference
    (folder / REFERENCE).write_text("{}")
    with pytest.raises(ContractError, match="found no 'contract'"):
        Reference.read(folder / REFERENCE)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("gs://bucket", "not supported: give a folder, a shared volume or s3://bucket/folder"),
        ("s3://", "expected an address like s3://bucket/folder"),
        ("s3://bucket/../other", "expected an address like s3://bucket/folder"),
        ("s3://key:secret@bucket", "expected an address like s3://bucket/folder"),
    ],
)
def test_an_address_of_another_kind_is_refused(address, message):
    with pytest.raises(SettingsError, match=message):
        ArtifactStore.open(address)


def test_a_damaged_memory_of_source_files_costs_time_only(store, tmp_path):
    (store.root / "catalogue").mkdir()
    (store.root / "catalogue" / "area.json").write_text("{")
    assert store.file_digests("area").of(make_file(tmp_path)) == file_digest(make_file(tmp_path))


def test_a_store_at_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="expected a folder, found a file"):
        ArtifactStore.open(str(tmp_path / "file"))


def test_an_address_may_be_a_file_address(tmp_path):
    assert ArtifactStore.open(f"file://{tmp_path}/store").root == tmp_path / "store"
