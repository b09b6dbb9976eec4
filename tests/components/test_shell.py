"""What `shell.command` makes of a stage's function, with a stage small enough to see through."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from components import shell
from groundshift.artifacts import (
    ArtifactStore,
    Champion,
    Outcome,
    Reference,
    Summary,
    read_manifest,
    writing,
)
from groundshift.errors import BudgetError, ContractError, SettingsError, SourceError
from groundshift.settings import StackStage

SETTINGS = {
    "name": "area",
    "area": {"bounds": [0, 0, 1, 1]},
    "period": {"start": "2020-01-01", "end": "2021-01-01"},
    "stack": {},
}
app = shell.app("stack", "--observations DIR --cube DIR")
seen: list[shell.Task[StackStage]] = []


@shell.command(app, "stack")
def main(
    task: shell.Task[StackStage],
    observations: shell.OptionalInput = None,
    cube: shell.OptionalOutput = None,
    plan: shell.OptionalOutput = None,
    word: Annotated[str, typer.Option()] = "word",
    fail: Annotated[str, typer.Option()] = "",
) -> Summary:
    """Write a word."""
    seen.append(task)
    errors = {
        "settings": SettingsError("wrong setting"),
        "source": SourceError("try later", transient=True),
        "login": SourceError("no such user", refused=True),
        "budget": BudgetError("too dear"),
        "bug": ZeroDivisionError("by zero"),
    }
    if fail:
        raise errors[fail]
    folder = cube or plan
    contract = "cube" if cube else "plan"
    inputs = {}
    if observations is not None:
        inputs["observations"] = read_manifest(observations, "observations").content_hash
    with writing(folder, contract, area=task.area, settings={}, inputs=inputs) as draft:
        (draft.folder / "page.html").write_text(word)
        draft.values.add_text("word", [word])
    return Summary(
        "stack",
        folder,
        draft.finished.content_hash,
        draft.finished.value_hash,
        metrics={"letters": float(len(word))},
        notes=(f"wrote {word}",),
        pages={"report": folder / "page.html"},
    )


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    monkeypatch.delenv("GROUNDSHIFT_RUN_ID", raising=False)
    seen.clear()


@pytest.fixture
def store(tmp_path):
    return ArtifactStore.open(str(tmp_path / "store"))


def stack(*options, settings=SETTINGS):
    words = [str(option) for option in options]
    return CliRunner().invoke(app, ["--settings", json.dumps(settings), *words])


def summary_of(outcome):
    assert outcome.exit_code == 0, outcome.output
    return json.loads(outcome.stdout.splitlines()[-1])


def test_without_a_store_the_artifact_lies_where_it_was_asked_for(tmp_path):
    summary = summary_of(stack("--cube", tmp_path / "cube"))
    assert read_manifest(tmp_path / "cube", "cube").content_hash == summary["content_hash"]
    assert seen[0].store is None
    assert seen[0].settings.name == "area"


def test_with_a_store_a_reference_lies_there(tmp_path, store):
    summary = summary_of(stack("--cube", tmp_path / "cube", "--store", store.root))
    reference = Reference.read(tmp_path / "cube" / "reference.json")
    assert [path.name for path in (tmp_path / "cube").iterdir()] == ["reference.json"]
    assert reference.content_hash == summary["content_hash"]
    assert store.folder(reference) == Path(summary["artifact"])
    assert list(store.root.glob("refs/*")) == []


def test_the_hash_is_the_same_with_and_without_a_store(tmp_path, store):
    summaries = [
        summary_of(stack("--cube", tmp_path / name, *options))
        for name, options in (("one", ()), ("two", ("--store", store.root)))
    ]
    assert summaries[0]["content_hash"] == summaries[1]["content_hash"]


def test_a_cells_artifact_is_found_by_its_key(tmp_path, store):
    cell = ("--store", store.root, "--cell", "east", "--key", "k1")
    summary = summary_of(stack("--cube", tmp_path / "cube", *cell))
    assert store.ref("area", "east", "k1", "cube").content_hash == summary["content_hash"]
    assert seen[0].current("cube") is None
    store.publish("area", {"east": "k1"}, ["cube"])
    assert seen[0].current("cube") == Path(summary["artifact"])


@pytest.mark.parametrize("half", [("--cell", "east"), ("--key", "k1")])
def test_cell_and_key_belong_together(tmp_path, store, half, caplog):
    outcome = stack("--cube", tmp_path / "cube", "--store", store.root, *half)
    assert outcome.exit_code == 2
    assert "--cell and --key belong together" in caplog.text


def test_inputs_are_found_behind_references(tmp_path, store):
    with writing(tmp_path / "o", "observations", area="a", settings={}, inputs={}) as draft:
        pass
    with store.incoming() as folder:
        (tmp_path / "o").rename(folder / "o")
        store.adopt(folder / "o", "observations").write(tmp_path / "given")
    options = ("--observations", tmp_path / "given", "--store", store.root)
    summary = summary_of(stack("--cube", tmp_path / "cube", *options))
    inputs = read_manifest(Path(summary["artifact"]), "cube").inputs
    assert inputs == {"observations": draft.finished.content_hash}


def test_empty_text_counts_as_not_given(tmp_path):
    common = ("--store", "--cell", "--key", "--as-of", "--executor-output", "--area", "--plan")
    empty = [text for option in (*common, "--observations") for text in (option, "")]
    summary_of(stack("--cube", tmp_path / "cube", *empty))
    (task,) = seen
    assert task.store is None
    assert task.settings.period.end.year == 2021


@pytest.mark.parametrize(
    ("as_of", "end"),
    [
        ("2020-05-31", "2020-05-31T00:00:00+00:00"),
        ("2020-05-31T12:00:00Z", "2020-05-31T12:00:00+00:00"),
        ("2024-01-01", "2024-01-01T00:00:00+00:00"),
    ],
)
def test_as_of_is_where_the_period_ends(tmp_path, as_of, end):
    summary_of(stack("--cube", tmp_path / "cube", "--as-of", as_of))
    assert seen[0].settings.period.end.isoformat() == end


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--as-of", "yesterday"), "expected a date like 2024-05-31"),
        (("--as-of", "2019-01-01"), "expected a date after period.start"),
        (("--area", "other"), "expected the area that --settings names, found 'area'"),
        (("--set", "stack.step=1d"), "--set changes what --params holds"),
        (("--store", "gs://bucket"), "not supported: give"),
        (("--executor-output", "{}"), "expected what Kubeflow passes"),
        (("--plan", "plan"), "expected one of --cube, --plan"),
    ],
)
def test_options_that_can_not_be_are_refused(tmp_path, options, message, caplog):
    assert stack("--cube", tmp_path / "cube", *options).exit_code == 2
    assert message in caplog.text
    assert seen == []


def test_a_file_of_settings_can_be_overridden(tmp_path):
    params = tmp_path / "params.yaml"
    sections = {key: SETTINGS[key] for key in ("area", "period", "stack")}
    params.write_text(json.dumps({"areas": {"one": sections}}))
    options = ["--params", params, "--set", "stack.step=7d", "--cube", tmp_path / "cube"]
    assert CliRunner().invoke(app, [str(option) for option in options]).exit_code == 0
    assert seen[0].settings.stack.step.days == 7


@pytest.mark.parametrize(
    ("fail", "code", "kind"),
    [
        ("settings", 2, "broken"),
        ("budget", 2, "blocked"),
        ("login", 2, "blocked"),
        ("source", 4, "broken"),
        ("bug", 1, "broken"),
    ],
)
def test_a_failure_is_told_by_exit_code_and_outcome(
    tmp_path, store, monkeypatch, fail, code, kind, caplog
):
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-1")
    options = ("--store", store.root, "--cell", "east", "--key", "k1")
    outcome = stack("--cube", tmp_path / "cube", *options, "--fail", fail)
    assert outcome.exit_code == code
    (recorded,) = store.runs.of("run-1")
    assert (recorded.task, recorded.exit, recorded.kind) == ("stack-east", code, kind)
    assert recorded.message in caplog.text.replace("failed:", "")
    assert ("Traceback" in caplog.text) == (fail == "bug")
    assert not (tmp_path / "cube").exists()
    assert list((store.root / "incoming").iterdir()) == []


def test_success_is_told_with_numbers(tmp_path, store, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-1")
    summary = summary_of(stack("--plan", tmp_path / "plan", "--store", store.root))
    expected = Outcome(
        "stack",
        "plan",
        exit=0,
        kind="done",
        message="wrote word",
        metrics={"letters": 4.0},
        artifact=str(Path(summary["artifact"]).relative_to(store.root)),
    )
    assert store.runs.of("run-1") == (expected,)


def test_a_task_that_is_killed_leaves_its_beginning(tmp_path, store, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-1")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ArtifactStore, "adopt", killed)
    stack("--cube", tmp_path / "cube", "--store", store.root)
    (recorded,) = store.runs.of("run-1")
    assert (recorded.exit, recorded.kind) == (None, "running")


def test_a_second_attempt_at_what_failed_for_good_ends_at_once(
    tmp_path, store, monkeypatch, caplog
):
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-1")
    options = ("--cube", tmp_path / "cube", "--store", store.root)
    stack(*options, "--fail", "settings")
    seen.clear()
    caplog.clear()
    again = stack(*options)
    assert again.exit_code == 2
    assert "wrong setting" in caplog.text
    assert seen == []
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-2")
    assert stack(*options).exit_code == 0


def test_a_run_that_is_taken_up_again_after_its_end_tries_everything(tmp_path, store, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-1")
    options = ("--cube", tmp_path / "cube", "--store", store.root)
    assert stack(*options, "--fail", "login").exit_code == 2
    store.runs.end("run-1")
    assert [outcome.kind for outcome in store.runs.of("run-1")] == ["blocked"]
    assert stack(*options, "--fail", "login").exit_code == 2
    assert len(seen) == 2
    assert stack(*options).exit_code == 2
    assert len(seen) == 2  # the second end counts again
    store.runs.end("run-1")
    assert stack(*options).exit_code == 0


def test_a_second_attempt_at_what_may_work_later_is_made(tmp_path, store, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-1")
    options = ("--cube", tmp_path / "cube", "--store", store.root)
    for fail in ("source", "bug"):
        assert stack(*options, "--fail", fail).exit_code in (1, 4)
    assert stack(*options).exit_code == 0


def test_no_outcome_is_written_outside_of_runs(tmp_path, store):
    stack("--cube", tmp_path / "cube", "--store", store.root)
    assert not (store.root / "runs").exists()


def _promote(store, model, evaluation):
    store.promote("area", Champion(model, evaluation))


def test_what_is_done_afterwards_finds_the_artifact_in_the_store(tmp_path, store):
    folders = {}
    for contract in ("model", "evaluation"):
        with store.incoming() as folder:
            target = folder / contract
            with writing(target, contract, area="a", settings={}, inputs={}):
                pass
            if contract == "model":
                model = store.adopt(target, contract)
                continue
            task = shell.Task(StackStage.model_validate(SETTINGS), store)
            task.afterwards(partial(_promote, store, model))
            assert store.champion("area") is None
            folders["evaluation"] = task.keep(target, contract)
    assert store.champion("area") == Champion(model, folders["evaluation"])
    expected = (store.folder(model), store.folder(folders["evaluation"]))
    assert task.champion(model.content_hash) == expected
    with pytest.raises(ContractError, match="expected a champion 000000000000 of the area area"):
        task.champion("0" * 64)
    with pytest.raises(SettingsError, match="--promote needs the artifact store"):
        shell.Task(StackStage.model_validate(SETTINGS)).need_store("--promote")
