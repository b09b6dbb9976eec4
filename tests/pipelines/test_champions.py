"""Promoting and rolling back by hand, and twenty races that only one can win each."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from groundshift.artifacts import ArtifactStore, Champion, writing
from groundshift.artifacts.decisions import Decision
from groundshift.assessment.model_card import CARD
from groundshift.errors import SettingsError, SourceError
from pipelines.champions import Champions
from pipelines.cli import app

AREA = "demo"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("GROUNDSHIFT_TRACKING", "off")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore.open(str(tmp_path / "store"))


def kept(store, contract, text):
    with store.incoming() as incoming:
        with writing(incoming / "x", contract, area="a", settings={}, inputs={}) as draft:
            (draft.folder / CARD).write_text(f"# {text}\n")
        return store.adopt(incoming / "x", contract)


def judged(store, name, *, promoted, before=""):
    """A model that the gate judged, and promoted or not; its content hash."""
    model, evaluation = kept(store, "model", name), kept(store, "evaluation", f"of {name}")
    if promoted:
        store.promote(AREA, Champion(model, evaluation, before))
    action = "promoted" if promoted else "kept out"
    store.decide(
        AREA,
        Decision(
            action,
            model.content_hash,
            evaluation.content_hash,
            before,
            "passed" if promoted else "inconclusive",
            () if promoted else ("4 test blocks, expected at least 20",),
            {"pr_auc": 0.5},
        ),
    )
    return model.content_hash


def test_a_person_may_promote_what_was_kept_out_and_go_back(store):
    first = judged(store, "first", promoted=True)
    second = judged(store, "second", promoted=False, before=first)
    models = Champions.open(str(store.root), AREA)
    assert [(line.decision.model, line.champion) for line in models.lines()] == [
        (second, False),
        (first, True),
    ]
    assert models.promote(second[:8]).verdict == "by hand"
    assert store.champion_hash(AREA) == second
    with pytest.raises(SettingsError, match="is the champion of demo already"):
        models.promote("champion")
    back = models.roll_back()
    assert (back.action, back.model, back.champion) == ("rolled back to", first, second)
    assert store.champion_hash(AREA) == first
    assert [made.action for made in store.decisions(AREA)] == [
        *("promoted", "kept out", "promoted", "rolled back to")
    ]
    with pytest.raises(SettingsError, match="no earlier champion"):
        models.roll_back()
    with pytest.raises(SettingsError, match="found 0 among"):
        models.promote("ffff")


def test_going_back_twice_goes_two_champions_back(store):
    first = judged(store, "first", promoted=True)
    second = judged(store, "second", promoted=True, before=first)
    judged(store, "third", promoted=True, before=second)
    models = Champions.open(str(store.root), AREA)
    assert [models.roll_back().model for _ in range(2)] == [second, first]


def test_the_command_line_says_what_happened(store):
    first = judged(store, "first", promoted=True)
    second = judged(store, "second", promoted=True, before=first)
    place = ["--area", AREA, "--store", str(store.root)]

    def said(*command, code=0):
        result = CliRunner().invoke(app, ["models", *command, *place])
        assert result.exit_code == code, result.output
        return result.output

    listed = said("list").splitlines()
    assert listed[1].split()[:3] == ["*", second[:12], "promoted"]
    assert said("rollback") == f"champion of demo: {first[:12]}, was {second[:12]}\n"
    shown = said("show", "champion")
    assert shown.startswith("# of first")
    assert "rolled back to (by hand)" in shown
    assert said("promote", second[:6]).startswith(f"champion of demo: {second[:12]}")
    said("promote", "nothing", code=2)
    place[-1] = "no such folder"
    said("list", code=2)


def _race(root, name, champion, barrier, wins):
    store = ArtifactStore.open(root)
    barrier.wait()
    try:
        store.promote(AREA, champion)
        wins.put(name)
    except SourceError as error:
        if not error.transient:
            raise


def test_of_two_promotions_that_race_one_wins_twenty_times(store):
    context = multiprocessing.get_context("fork")
    before = judged(store, "first", promoted=True)
    for number in range(20):
        rivals = [
            Champion(
                kept(store, "model", f"{number} {name}"),
                kept(store, "evaluation", f"of {number} {name}"),
                before,
            )
            for name in "ab"
        ]
        barrier, wins = context.Barrier(2), context.SimpleQueue()
        racers = [
            context.Process(target=_race, args=(str(store.root), n, rival, barrier, wins))
            for n, rival in enumerate(rivals)
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
            assert racer.exitcode == 0
        winner = wins.get()
        assert wins.empty()
        # Whole: model and evaluation are one racer's, under its name and the champion's.
        assert store.champion(AREA) == rivals[winner]
        assert store.champion(AREA, rivals[winner].model.content_hash) == rivals[winner]
        loser = rivals[1 - winner].model.content_hash
        assert store.champion(AREA, loser) is None
        before = store.champion_hash(AREA)


def test_threads_of_one_process_race_as_fairly(store):
    rivals = [
        Champion(kept(store, "model", f"{n}"), kept(store, "evaluation", f"of {n}"))
        for n in range(8)
    ]

    def attempt(champion):
        try:
            store.promote(AREA, champion)
        except SourceError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, rivals)) == 1
