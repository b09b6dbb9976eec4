"""Manifests for clusters: valid by Kubernetes' and KServe's types, understood by our server."""

import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from groundshift.services import server
from tests.docker.openapi import inference_service, kubernetes_models, schema_of

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "docker" / "kserve.yaml"


@pytest.fixture
def manifest():
    return yaml.safe_load(MANIFEST.read_text())


@cache
def service():
    return Draft202012Validator(inference_service())


def test_the_types_of_kserve_and_kubernetes_are_met(manifest):
    service().validate(manifest)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("readynessProbe",), {}, "readynessProbe"),
        (("readinessProbe", "httpGet", "port"), None, "port"),
        (("readinessProbe", "periodSeconds"), "5", "integer"),
        (("securityContext", "capabilities", "drop"), "ALL", "array"),
        (("name",), None, "name"),
    ],
)
def test_what_they_do_not_know_is_found(manifest, place, value, said):
    changed = deepcopy(manifest)
    *above, last = ("spec", "predictor", "containers", 0, *place)
    part = changed
    for key in above:
        part = part[key]
    part[last] = value
    if value is None:
        del part[last]
    with pytest.raises(ValidationError, match=said):
        service().validate(changed)


def test_the_manifests_of_the_docs_are_valid():
    text = (ROOT / "docs" / "kubeflow.md").read_text()
    models, kinds = kubernetes_models(), []
    for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL):
        for document in yaml.safe_load_all(block):
            if "kind" in document:
                kinds.append(document["kind"])
                Draft202012Validator(schema_of(f"V1{kinds[-1]}", models)).validate(document)
    assert kinds == ["PersistentVolumeClaim", "Pod"]


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
