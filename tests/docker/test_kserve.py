"""The InferenceService: valid by the fields that KServe knows, and what our server understands."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from groundshift.services import server

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "docker" / "kserve.yaml"
SCHEMA = ROOT / "tests" / "data" / "kserve" / "inferenceservice.schema.json"


@pytest.fixture
def manifest():
    return yaml.safe_load(MANIFEST.read_text())


def test_the_schema_is_met(manifest):
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(manifest)
    manifest["spec"]["predictor"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(jsonschema.ValidationError, match="readynessProbe"):
        jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(manifest)


def test_the_command_is_understood_and_fits_the_rest(manifest, monkeypatch):
    seen = {}
    monkeypatch.setattr(server, "make_app", lambda model, limits: seen.update(m=model, l=limits))
    monkeypatch.setattr("uvicorn.run", lambda app, **options: seen.update(options))
    predictor = manifest["spec"]["predictor"]
    [container] = predictor["containers"]
    assert container["command"] == ["python3", "-m", "groundshift.services.server"]
    assert server.main(container["args"]) == 0
    assert seen["m"] == f"models:/{manifest['metadata']['name']}@champion"
    [port] = [each["containerPort"] for each in container["ports"]]
    assert (seen["host"], seen["port"]) == ("0.0.0.0", port)
    assert seen["l"].seconds < predictor["timeout"], "the server says first that it took too long"
    probes = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness")}
    assert probes == {"/ping", "/ready"}
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in predictor["volumes"]}
