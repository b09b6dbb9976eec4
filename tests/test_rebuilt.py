"""Two trainings, gate, promotion, rollback; then a machine that has nothing rebuilds the maps.

On a real S3 server and a real MLflow server whose runs lie in SQLite or PostgreSQL and whose
files lie in S3. The tasks are those of the training pipeline, one after the other.
"""

import shutil

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from groundshift.artifacts import REFERENCE, ArtifactStore, Reference
from groundshift.artifacts.fan_out import read_cells
from groundshift.services.run_tree import PARENT, RUN_ID
from pipelines.cli import app as groundshift
from tests.faults.world import app, make_world
from tests.s3 import BUCKET, seaweed
from tests.services.mlflow_servers import MlflowServer, databases

__all__ = ["seaweed"]

NAME = "groundshift-tiny"
GATE = ["minimum_lift=1", "minimum_positives=1", "minimum_blocks=2", "minimum_events=1"]
AHEAD = ["margin=-1", "stratum_margin=1"]


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, seaweed, tmp_path, monkeypatch):
    """The MLflow server; the environment leads to it and to S3."""
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GROUNDSHIFT_STORE", f"s3://{BUCKET}/rebuilt-{request.param}")
    for name in ("GROUNDSHIFT_TRACKING", "MLFLOW_RUN_ID", "GROUNDSHIFT_RUN"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "mlflow").mkdir()
    with databases[request.param](tmp_path / "mlflow") as database:
        files = f"s3://{BUCKET}/mlflow-{request.param}"
        server = MlflowServer(database, tmp_path / "mlflow", artifacts=files)
        server.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        yield server
        server.kill()


class Machine:
    """A machine that runs the pipeline's tasks: images, settings, references, work folder."""

    def __init__(self, folder, store, monkeypatch):
        self.folder, self.store, self._patch = folder, store, monkeypatch
        monkeypatch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        monkeypatch.chdir(folder)

    def task(self, stage, *options, **folders):
        """Run one; the last folder is its output. Gives the reference of what it made."""
        places = {name: self.folder / place for name, place in folders.items()}
        words = [word for name, place in places.items() for word in (f"--{name}", str(place))]
        place = ["--params", str(self.folder / "params.yaml"), "--area", "tiny"]
        done = CliRunner().invoke(app(stage), [*place, *words, *options, "--store", self.store])
        assert done.exit_code == 0, done.output
        return Reference.read([*places.values()][-1] / REFERENCE)

    def images_to_samples(self):
        """The tasks before a training; gives the options of a task of the one cell."""
        plan = self.task("fetch", plan="plan")
        [cell] = read_cells(ArtifactStore.open(self.store).folder(plan))
        on = ["--cell", cell.cell, "--key", cell.key]
        self.task("fetch", *on, observations="observations")
        self.task("stack", *on, observations="plan", cube="cube")
        self.task("window", *on, observations="plan", cube="plan", samples="samples")
        return on

    def training(self, run, on, gate, *options):
        """Train, judge, map and publish, as one run: references of model and maps."""
        self._patch.setenv(RUN_ID, run)
        model, evaluation = f"{run}-model", f"{run}-evaluation"
        made = self.task("train", *options, cube="plan", samples="plan", model=model)
        rules = [word for rule in gate for word in ("--set", f"evaluate.gate.{rule}")]
        inputs = {"cube": "plan", "samples": "plan", "model": model}
        self.task("evaluate", "--promote", *rules, **inputs, evaluation=evaluation)
        inputs["evaluation"] = evaluation
        self.task("infer", *on, **inputs, scores="scores")
        maps = self.task("infer", **inputs, scores="plan", maps=f"{run}-maps")
        self._patch.delenv(RUN_ID)
        return made, maps


def command(*words):
    done = CliRunner().invoke(groundshift, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


def test_from_two_trainings_to_the_champions_maps_from_s3_alone(server, tmp_path, monkeypatch):
    address = f"s3://{BUCKET}/rebuilt-{'sqlite' if 'sqlite' in server.database else 'postgresql'}"
    store, client = ArtifactStore.open(address), MlflowClient(server.uri)
    machine = Machine(make_world(tmp_path / "machine"), address, monkeypatch)
    on = machine.images_to_samples()
    first, maps = machine.training("first", on, GATE)
    assert store.champion_hash("tiny") == first.content_hash
    second, later = machine.training("second", on, [*GATE, *AHEAD], "--set", "train.seed=1")
    assert store.champion_hash("tiny") == second.content_hash
    assert (store.published("tiny"), maps.value_hash) != (maps, later.value_hash)
    assert aliases(client) == {"champion": "2"}
    assert trees(client) == {"groundshift first": STAGES, "groundshift second": STAGES}

    command("models", "rollback", "--area", "tiny", "--store", address)
    assert store.champion_hash("tiny") == first.content_hash
    assert aliases(client) == {"champion": "1"}
    versions = client.search_model_versions(f"name = '{NAME}'")
    assert {v.version: v.tags["groundshift.content_hash"] for v in versions} == {
        "1": first.content_hash,
        "2": second.content_hash,
    }

    shutil.rmtree(machine.folder)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "elsewhere" / "work"))
    assert "v1 @champion" in command("models", "list", "--area", "tiny", "--store", address)
    said = command("reproduce", maps.content_hash, "--stages", "train,infer")
    repeated = {kind: verdict for kind, _, *verdict in map(str.split, said.splitlines())}
    assert set(repeated) == {"model", "scores", "maps"}
    assert {*map(tuple, repeated.values())} == {("equal", "values")}


STAGES = {"train", "evaluate", "infer"}


def aliases(client):
    found = client.get_registered_model(NAME).aliases
    return {alias: str(version) for alias, version in found.items()}


def trees(client):
    """The stages of every pipeline run, by its name; all of them have ended well."""
    experiment = client.get_experiment_by_name("groundshift")
    runs = {run.info.run_id: run for run in client.search_runs([experiment.experiment_id])}
    found = {}
    for run in runs.values():
        if PARENT in run.data.tags:
            assert run.info.status == "FINISHED"
            parent = runs[run.data.tags[PARENT]].info.run_name
            found.setdefault(parent, set()).add(run.info.run_name)
    return found
