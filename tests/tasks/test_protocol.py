"""Stages take any task: a toy that they have never heard of passes through all of them."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from components.evaluate import drift
from components.evaluate.stage import run as evaluate
from components.infer.stage import run as infer
from components.infer.stage import run_cell, run_report
from components.train.stage import run as train
from components.window.regional import run_betas, run_coefficients
from components.window.stage import run as window
from components.window.stage import run_index
from groundshift.artifacts import read_manifest, writing
from groundshift.errors import ContractError, SettingsError
from groundshift.settings import StageSettings, load, parse
from groundshift.settings.base import Frozen
from groundshift.settings.sections import STAGE_SETTINGS
from groundshift.settings.tasks import TASK_SETTINGS
from groundshift.tasks import TASKS, task_of
from groundshift.tasks.protocol import Account, Chain

ROOT = Path(__file__).parents[2]


class ToySettings(Frozen):
    """One number."""

    number: int = 7


class ToyWindow(StageSettings):
    window: ToySettings


@dataclass(frozen=True)
class ToyWork:
    """An artifact that holds the names of what it was made from."""

    contract: str
    inputs: dict
    resumes: bool = False

    @classmethod
    def of(cls, contract, **folders):
        given = {name: folder for name, folder in folders.items() if folder is not None}
        return cls(contract, {n: read_manifest(f, n).content_hash for n, f in given.items()})

    def write(self, draft):
        (draft.folder / "made.txt").write_text(" ".join(self.inputs))
        draft.summary["inputs"] = list(self.inputs)
        return Account(metrics={"inputs": len(self.inputs)}, pages={"report": "made.txt"})


class ToyTask:
    """A task of nothing."""

    opener = "toy:open"

    def example(self, model):
        return {"nothing": np.zeros(1)}

    def samples(self, settings, *, observations, cube, betas):
        assert isinstance(settings, ToyWindow)
        return ToyWork.of("samples", observations=observations, cube=cube, betas=betas)

    def index(self, settings, *, cube):
        return ToyWork.of("samples", cube=cube)

    def indexed(self, manifest):
        return Account(metrics={"known": 1.0})

    def coefficients(self, settings, *, cube):
        return ToyWork.of("coefficients", cube=cube)

    def betas(self, settings, *, coefficients):
        return ToyWork.of("betas", coefficients=coefficients)

    def model(self, settings, *, cube, samples):
        return ToyWork.of("model", cube=cube, samples=samples)

    def evaluation(self, settings, *, cube, samples, model, champion):
        assert champion is None
        return ToyWork.of("evaluation", cube=cube, samples=samples, model=model)

    def drift(self, settings, *, cube, model):
        return ToyWork.of("drift", cube=cube, model=model)

    def past(self, settings, *, chain, earlier, store):
        return None

    def maps(self, settings, *, chain: Chain, past):
        return ToyWork.of("maps", **chain.folders())

    def scores(self, settings, *, chain: Chain, cell, previous):
        return ToyWork.of("scores", **chain.folders())

    def report(self, settings, *, chain: Chain, scores, past):
        return ToyWork.of("maps", **chain.folders(), scores=scores)


@pytest.fixture(autouse=True)
def toy(monkeypatch, tmp_path):
    monkeypatch.setitem(TASKS, "toy", ToyTask)
    monkeypatch.setitem(TASK_SETTINGS, "toy", STAGE_SETTINGS | {"window": ToyWindow})
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")


def settings_of(stage, task="toy"):
    return parse(stage, {
        "name": "toys",
        "task": task,
        "area": {"bounds": [0, 0, 1, 1]},
        "period": {"start": "2017-01-01", "end": "2018-01-01"},
        stage: {},
    })  # fmt: skip


def bare(folder, contract, task):
    with writing(folder, contract, area="toys", settings={"task": task}, inputs={}):
        pass
    return folder


def test_a_task_that_no_stage_has_heard_of_passes_through_all_of_them(tmp_path):
    observations, cube = (
        bare(tmp_path / name, name, "change") for name in ("observations", "cube")
    )
    at = {n: tmp_path / n for n in ("samples", "model", "evaluation")}
    coefficients, betas = tmp_path / "coefficients", tmp_path / "betas"
    run_coefficients(settings_of("window"), cube=cube, coefficients=coefficients)
    run_betas(settings_of("window"), coefficients=coefficients, betas=betas)
    window(
        settings_of("window"),
        observations=observations,
        cube=cube,
        betas=betas,
        samples=at["samples"],
    )
    train(settings_of("train"), cube=cube, samples=at["samples"], model=at["model"])
    judged = {"cube": cube, "samples": at["samples"], "model": at["model"]}
    evaluate(settings_of("evaluate"), **judged, evaluation=at["evaluation"])
    drift.run(settings_of("evaluate"), cube=cube, model=at["model"], drift=tmp_path / "drift")
    chain = judged | {"evaluation": at["evaluation"]}
    summary = infer(settings_of("infer"), **chain, maps=tmp_path / "maps")
    assert summary.metrics == {"inputs": 4}
    assert summary.notes == (f"report: {tmp_path / 'maps' / 'made.txt'}",)
    run_cell(settings_of("infer"), cell="c", **chain, scores=tmp_path / "scores")
    told = run_report(
        settings_of("infer"), **chain, scores=tmp_path / "scores", maps=tmp_path / "joined"
    )
    assert told.metrics == {"inputs": 5}
    assert read_manifest(tmp_path / "joined", "maps").settings["task"] == "toy"


def test_samples_that_are_there_are_taken_as_they_are(tmp_path):
    cube, settings = bare(tmp_path / "cube", "cube", "toy"), settings_of("window")
    run_index(settings, cube=cube, samples=tmp_path / "first")
    again = run_index(settings, cube=cube, samples=tmp_path / "again", known=tmp_path / "first")
    assert again.metrics == {"known": 1.0}
    made = [read_manifest(tmp_path / name, "samples") for name in ("first", "again")]
    assert made[0].content_hash == made[1].content_hash


def test_artifacts_of_another_task_are_refused_and_its_champion_is_no_rival(tmp_path):
    cube = bare(tmp_path / "cube", "cube", "change")
    mine, theirs = (
        {n: bare(tmp_path / task / n, n, task) for n in ("samples", "model")}
        for task in ("toy", "change")
    )
    with pytest.raises(ContractError, match="expected samples of the task toy, found change"):
        train(settings_of("train"), cube=cube, samples=theirs["samples"], model=tmp_path / "m")
    evaluate(
        settings_of("evaluate"),
        cube=cube,
        **mine,
        champion=theirs["model"],
        evaluation=tmp_path / "evaluation",
    )


def test_an_unknown_task_is_named_with_those_there_are():
    with pytest.raises(SettingsError, match=r"expected one of change, landcover, toy.*mean"):
        settings_of("window", task="landcove")
    with pytest.raises(SettingsError, match="expected one of change"):
        task_of(settings_of("window").model_copy(update={"task": "none"}))


def test_an_area_takes_over_no_section_of_another_task(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(
        "task: change\nstack: {step: 3d}\nwindow: {kind: single}\n"
        "areas: {a: {task: toy, area: {bounds: [0, 0, 1, 1]}, window: {number: 3}, stack: {},\n"
        "            period: {start: 2017-01-01, end: 2018-01-01}}}\n"
    )
    assert load("window", path).window.number == 3
    assert load("stack", path).stack.step.days == 3


def test_no_stage_names_a_task():
    named = re.compile(r"tasks\.(change|landcover)|[\"'](change|landcover)[\"']")
    for path in sorted((ROOT / "components").rglob("*.py")):
        found = [line for line in path.read_text().splitlines() if named.search(line)]
        assert not found, (path, found)
