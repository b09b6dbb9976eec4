import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from groundshift.artifacts import ValueHash, link_tree, read_manifest, writing
from groundshift.artifacts.manifest import FILE_NAME, check_files
from groundshift.artifacts.writing import write_text
from groundshift.errors import ContractError, SettingsError, SourceError


def write(target: Path, text: str = "one", **settings):
    with writing(target, "cube", area="a", settings=settings, inputs={"x": "1"}) as draft:
        (draft.folder / "sub").mkdir()
        (draft.folder / "sub" / "file.txt").write_text(text)
        draft.values.add("v", np.arange(3))
        draft.licences.add("CC0")
    return draft.finished


def test_an_artifact_reads_back_as_written(tmp_path):
    written = write(tmp_path / "cube", step=2)
    manifest = read_manifest(tmp_path / "cube", "cube")
    assert manifest == written
    assert manifest.settings == {"step": 2}
    assert [f.path for f in manifest.files] == ["sub/file.txt"]
    check_files(tmp_path / "cube", manifest)


def test_content_hash_ignores_the_record_and_follows_the_content(tmp_path):
    first, again = write(tmp_path / "a"), write(tmp_path / "b")
    assert first.record["started"] != again.record["started"]
    assert first.content_hash == again.content_hash
    assert write(tmp_path / "c", text="two").content_hash != first.content_hash


def fail_while_writing(target: Path) -> None:
    with writing(target, "cube", area="a", settings={}, inputs={}) as draft:
        (draft.folder / "half.txt").write_text("half")
        _ = 1 / 0


def test_a_failed_stage_leaves_the_old_artifact(tmp_path):
    write(tmp_path / "cube", text="old")
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(tmp_path / "cube")
    assert (tmp_path / "cube" / "sub" / "file.txt").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cube", "work"]


def killed_while_writing(target: Path) -> None:
    with writing(target, "cube", area="a", settings={}, inputs={}, resume=True) as draft:
        (draft.folder / "first.txt").write_text("kept")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_stage_leaves_nothing_whole_and_resumes(tmp_path):
    target = tmp_path / "cube"
    child = multiprocessing.get_context("fork").Process(target=killed_while_writing, args=(target,))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not target.exists()
    with writing(target, "cube", area="a", settings={}, inputs={}, resume=True) as draft:
        assert (draft.folder / "first.txt").read_text() == "kept"
    assert (target / "first.txt").exists()


def test_two_writers_of_one_artifact_are_refused(tmp_path):
    with (
        writing(tmp_path / "cube", "cube", area="a", settings={}, inputs={"x": "1"}),
        pytest.raises(ContractError, match="being written by another run"),
    ):
        write(tmp_path / "cube")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["content"].update(contract="maps"), "expected the artifact cube, found maps"),
        (lambda d: d["content"].update(version=99), "expected cube version 1 to 2, found 99"),
        (lambda d: d["content"].update(value_hash="0"), "was changed after it was written"),
        (lambda d: d.pop("content"), "can't be read"),
    ],
)
def test_a_manifest_that_breaks_its_contract_is_refused(tmp_path, change, message):
    write(tmp_path / "cube")
    path = tmp_path / "cube" / FILE_NAME
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ContractError, match=message):
        read_manifest(tmp_path / "cube", "cube")


def test_missing_and_cut_files_are_named(tmp_path):
    manifest = write(tmp_path / "cube")
    (tmp_path / "cube" / "sub" / "file.txt").write_text("x")
    with pytest.raises(ContractError, match="expected 3 bytes, found 1 bytes"):
        check_files(tmp_path / "cube", manifest)
    with pytest.raises(ContractError, match=r"components\.stack"):
        read_manifest(tmp_path / "nothing", "cube")


def test_scores_hash_alike_up_to_a_thousandth():
    def of(scores):
        values = ValueHash()
        values.add_scores("s", np.array(scores, np.float32))
        return values.hexdigest()

    assert of([0.1234, np.nan]) == of([0.12341, np.nan])
    assert of([0.1234, np.nan]) != of([0.125, np.nan])
    assert of([0.0]) != of([np.nan])


def test_a_small_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_text(path, "old")

    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space left"):
            write_text(path, "new")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_linking_a_folder_keeps_what_the_other_has(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    for folder, name, text in ((source, "a", "1"), (source, "sub/b", "2"), (target, "a", "own")):
        write_text(folder / name, text)
    link_tree(source, target)
    assert (target / "a").read_text() == "own"
    assert (target / "sub" / "b").samefile(source / "sub" / "b")


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (SettingsError("no"), False),
        (SourceError("damaged"), False),
        (SourceError("later", transient=True), True),
        (SourceError("quota", refused=True), True),
        (KeyboardInterrupt(), True),
    ],
)
def test_work_is_kept_where_the_next_run_can_go_on(tmp_path, error, kept):
    fails = pytest.raises(type(error))
    with fails, writing(tmp_path / "cube", "cube", area="t", settings={}, inputs={}) as draft:
        (draft.folder / "half").touch()
        raise error
    assert (draft.folder / "half").exists() == kept
    assert not (tmp_path / "cube").exists()
