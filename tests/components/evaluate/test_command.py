"""The command line: what it needs, what it refuses, and drift instead of an evaluation."""

import json

from groundshift.artifacts import ArtifactStore, Champion
from tests.artifacts.stores import in_store
from tests.components.evaluate.commands import invoke
from tests.components.made_up import settings_of


def test_drift_is_measured_against_a_model_or_the_champion(inputs, done, tmp_path):
    store = ArtifactStore.open(str(tmp_path / "store"))
    model = store.folder(in_store(store, inputs["model"], "model"))
    evaluation = store.folder(in_store(store, done[1], "evaluation"))
    references = (store.reference(model, "model"), store.reference(evaluation, "evaluation"))
    store.promote("made-up", Champion(*references))
    cube = f"--cube={inputs['cube']}"
    given = invoke(settings_of(), cube, f"--model={model}", f"--drift={tmp_path / 'drift'}")
    assert given.exit_code == 0, given.output
    found = json.loads(given.stdout.splitlines()[-1])
    document = json.loads((tmp_path / "drift" / "drift.json").read_text())
    assert found["metrics"] == {"drift": document["drift"], "new_windows": 0}
    assert document["retrain"] is False, "nothing came after the training"
    assert document["until"].startswith("2017-07-1")
    champion = [f"--store={store.root}", f"--champion={references[0].content_hash}"]
    again = invoke(settings_of(), cube, *champion, f"--drift={tmp_path / 'again'}")
    assert json.loads(again.stdout.splitlines()[-1])["content_hash"] == found["content_hash"]


def test_an_evaluation_needs_all_its_inputs_and_promotion_a_store(inputs, tmp_path):
    target = f"--evaluation={tmp_path / 'evaluation'}"
    folders = [f"--{name}={path}" for name, path in inputs.items()]
    for arguments in (folders[:1], [*folders, "--promote"]):
        assert invoke(settings_of(), *arguments, target).exit_code == 2
    assert not (tmp_path / "evaluation").exists()


def test_the_command_line_refuses_what_is_no_artifact(tmp_path):
    folders = [f"--{name}={tmp_path}" for name in ("cube", "samples", "model")]
    target = f"--evaluation={tmp_path / 'evaluation'}"
    assert invoke(settings_of(), *folders, target).exit_code == 2
