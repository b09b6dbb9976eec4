import pytest

from groundshift.artifacts import parts_of, read_manifest, read_parts, write_collection
from groundshift.artifacts.hashing import digest
from groundshift.artifacts.manifest import check_files
from groundshift.errors import ContractError


@pytest.fixture
def collect(tmp_path):
    """Write a collection of cells' artifacts."""

    def collect(name="collection", contract="cube", **parts):
        folder = tmp_path / name
        folder.mkdir()
        write_collection(folder, contract, parts)
        return folder

    return collect


def test_a_collection_is_read_as_one_artifact(collect, make):
    parts = {
        cell: make(
            cell,
            settings={"step": 2},
            summary={
                "cells": [{"id": cell}],
                "sensors": {"s2": {"bands": ["B02"]}},
                "counts": {"s2": {"seen": ord(cell[0]), "kind": "optical"}},
            },
            licences=("CC0", cell),
        )
        for cell in ("west", "east")
    }
    joined = read_manifest(collect(**parts), "cube")
    assert joined.settings == {"step": 2}
    assert joined.licences == ("CC0", "east", "west")
    assert joined.summary == {
        "cells": [{"id": "east"}, {"id": "west"}],
        "sensors": {"s2": {"bands": ["B02"]}},
        "counts": {"s2": {"kind": "optical"}},
    }
    hashes = {cell: read_manifest(folder, "cube").content_hash for cell, folder in parts.items()}
    assert joined.content_hash == digest([["east", hashes["east"]], ["west", hashes["west"]]])


def test_joined_results_name_the_hash_of_what_they_were_made_from(collect, make):
    cubes = {cell: make(cell) for cell in ("east", "west")}
    samples = {
        cell: make(
            cell,
            "samples",
            inputs={"cube": read_manifest(cube, "cube").content_hash, "betas": "b" * 64},
        )
        for cell, cube in cubes.items()
    }
    joined = read_manifest(collect("samples", "samples", **samples), "samples")
    assert joined.inputs["cube"] == read_manifest(collect("cubes", **cubes), "cube").content_hash
    assert joined.inputs["betas"] == "b" * 64


def test_hashes_follow_every_part_and_no_order(collect, make):
    def of(name, **texts):
        parts = {cell: make(text) for cell, text in texts.items()}
        manifest = read_manifest(collect(name, **parts), "cube")
        return manifest.content_hash, manifest.value_hash

    first = of("first", east="1", west="2")
    assert of("again", west="2", east="1") == first
    for hashes in (of("other", east="1", west="3"), of("swapped", east="2", west="1")):
        assert all(one != two for one, two in zip(hashes, first, strict=True))


def test_one_part_hashes_as_itself(collect, make):
    part = make(inputs={"x": "1"})
    joined, alone = read_manifest(collect(east=part), "cube"), read_manifest(part, "cube")
    assert joined.content_hash == alone.content_hash
    assert joined.value_hash == alone.value_hash
    assert joined.inputs == alone.inputs


def test_files_of_every_part_are_checked(collect, make):
    parts = {"east": make("1"), "west": make("22")}
    folder = collect(**parts)
    check_files(folder, read_manifest(folder, "cube"))
    (parts["west"] / "file.txt").write_text("cut")
    with pytest.raises(ContractError, match="expected 2 bytes, found 3 bytes"):
        check_files(folder, read_manifest(folder, "cube"))


def test_each_cell_lies_in_its_own_part(collect, make):
    parts = {"east": make("1"), "west": make("2")}
    folder = collect(**parts)
    assert parts_of(folder, "cube", ["east", "west"]) == parts
    assert list(read_parts(folder, "cube")) == ["east", "west"]
    assert parts_of(parts["east"], "cube", ["a", "b"]) == dict.fromkeys("ab", parts["east"])


def test_parts_may_end_on_different_days_of_a_schedule(collect, make):
    old = {"period": {"start": "2020-01-01", "end": "2021-01-01T00:00:00Z"}, "step": 1}
    new = {**old, "period": {**old["period"], "end": "2021-02-01T00:00:00Z"}}
    folder = collect(east=make(settings=old), west=make(settings=new))
    assert read_manifest(folder, "cube").settings == new
    other = {**old, "period": {**old["period"], "start": "2019-01-01"}}
    folder = collect("others", east=make(settings=old), west=make(settings=other))
    with pytest.raises(ContractError, match="same"):
        read_manifest(folder, "cube")


def test_parts_by_different_settings_are_refused(collect, make):
    folder = collect(east=make(settings={"step": 1}), west=make(settings={"step": 2}))
    with pytest.raises(ContractError, match="found others in cell west than in east"):
        read_manifest(folder, "cube")


def test_a_collection_of_another_contract_is_refused(collect, make):
    with pytest.raises(ContractError, match="expected artifacts samples, found cube"):
        read_manifest(collect(east=make()), "samples")


def test_a_damaged_collection_is_refused(collect, make):
    folder = collect(east=make())
    (folder / "collection.json").write_text("{")
    with pytest.raises(ContractError, match="can't be read"):
        read_manifest(folder, "cube")
