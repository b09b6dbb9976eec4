"""Two models are judged, one is promoted and rolled back, on MLflow servers that get killed."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from components.evaluate import stage
from components.evaluate.__main__ import app
from groundshift.artifacts import ArtifactStore, Champion, read_manifest
from groundshift.errors import SourceError
from groundshift.services import mlflow_store
from groundshift.services.registry import Registry
from pipelines.cli import app as command_line
from tests.artifacts.stores import in_store
from tests.components.made_up import artifacts, make_model, settings_of, truth_table
from tests.services.mlflow_servers import MlflowServer, databases

NAME = "groundshift-made-up"
QUICK = {"baselines": False, "bootstrap": 20}
AHEAD = {"minimum_lift": 1, "minimum_blocks": 2, "minimum_events": 1, "margin": -1}
AHEAD |= {"stratum_margin": 1}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Artifacts of an area, with two models."""
    folder = tmp_path_factory.mktemp("area")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        made = artifacts(folder, truth_table())
        other = make_model(folder / "other", made["cube"], made["samples"], seed=8)
    return made | {"other": other}


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, tmp_path, monkeypatch):
    """A server, and the environment of whoever uses it."""
    with databases[request.param](tmp_path) as database:
        yield from _served(database, tmp_path, monkeypatch)


def _served(database, folder, monkeypatch):
    for name in ("GROUNDSHIFT_TRACKING", "MLFLOW_RUN_ID", "GROUNDSHIFT_RUN", "GROUNDSHIFT_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    server = MlflowServer(database, folder)
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    server.start()
    yield server
    server.kill()


def test_from_two_trainings_to_a_rollback(server, inputs, tmp_path, monkeypatch):
    store = ArtifactStore.open(str(tmp_path / "store"))
    models = [store.folder(in_store(store, inputs[name], "model")) for name in ("model", "other")]
    first, second = (read_manifest(model, "model").content_hash for model in models)
    folders = [f"--cube={inputs['cube']}", f"--samples={inputs['samples']}"]
    folders += [f"--evaluation={tmp_path / 'evaluation'}", f"--store={store.root}", "--promote"]
    client = MlflowClient(server.uri)

    def judge(model, **gate):
        settings = settings_of(**QUICK, gate={"minimum_lift": 1} | gate).model_dump_json()
        return CliRunner().invoke(app, ["--settings", settings, f"--model={model}", *folders])

    def champion():
        """What the store and MLflow say, which is the same."""
        version = client.get_model_version_by_alias(NAME, "champion")
        assert version.tags["groundshift.content_hash"] == store.champion_hash("made-up")
        return store.champion_hash("made-up")

    def aliases():
        found = client.get_registered_model(NAME).aliases
        return {alias: str(version) for alias, version in found.items()}

    if server.database.startswith("sqlite"):  # once is enough: it is the same server
        _strike(server, partial(judge, models[0]), monkeypatch)
        assert store.champion("made-up") is None
        assert not client.search_registered_models()
    # Neither model was logged when it was trained, as if MLflow had been away at the end of that.
    result = judge(models[0])
    assert result.exit_code == 0, result.output
    assert champion() == first
    [version] = client.search_model_versions(f"name = '{NAME}'")
    assert version.description.startswith(f"# {NAME}-{first[:12]}")
    assert version.tags["groundshift.verdict"] in ("passed", "inconclusive")

    # The second decides nothing at first, then it is ahead.
    assert judge(models[1]).exit_code == 0
    assert (champion(), aliases()) == (first, {"champion": "1", "challenger": "2"})
    assert judge(models[1], **AHEAD).exit_code == 0
    assert (champion(), aliases()) == (second, {"champion": "2"})
    place = ["--area", "made-up", "--store", str(store.root)]
    listed = CliRunner().invoke(command_line, ["models", "list", *place]).output
    assert "v2 @champion" in listed
    assert CliRunner().invoke(command_line, ["models", "rollback", *place]).exit_code == 0
    assert (champion(), aliases()) == (first, {"champion": "1"})
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 2

    _race(store, Registry(mlflow_store.open_store(), "made-up"), (first, second))
    champion()


def _strike(server, judge, monkeypatch):
    """Take MLflow away at the start, where nothing begins, and in the middle of the work."""
    server.kill()
    assert judge().exit_code == 4
    server.start()
    real = stage.run

    def struck(*arguments, **options):
        summary = real(*arguments, **options)
        server.kill()
        return summary

    with monkeypatch.context() as patch:
        patch.setattr("components.evaluate.__main__.run", struck)
        assert judge().exit_code == 4
    server.start()


def _race(store, registry, hashes):
    """Twenty times two promotions at once: one wins each, and the alias ends where the store is."""
    references = {h: store.champion("made-up", h) for h in hashes}

    def promote(content_hash, before):
        chosen = references[content_hash]
        try:
            store.promote("made-up", Champion(chosen.model, chosen.evaluation, before))
        except SourceError:
            return 0
        finally:
            registry.follow(lambda: store.champion_hash("made-up"))
        return 1

    with ThreadPoolExecutor(2) as pool:
        for _ in range(20):
            before = store.champion_hash("made-up")
            [other] = set(hashes) - {before}
            wins = list(pool.map(partial(promote, before=before), (other, other)))
            assert sum(wins) == 1
            versions = registry.versions()
            assert "champion" in versions[store.champion_hash("made-up")][1]
