"""Structural JSON schemas of Kubernetes' and KServe's objects, from their own generated clients.

Both clients are generated from the OpenAPI of the Go types that the custom resource definitions
are generated from too. Their classes say of every field its name and type, and which are
required; other rules (patterns, limits) are not in them. Kubernetes' are read as they are
installed; of KServe's, which need not be, `tests/data/kserve/models.json` holds them:

    pip download --no-deps kserve==0.21.0
    unzip kserve-0.21.0-py3-none-any.whl 'kserve/models/*'
    python -m tests.docker.openapi kserve/models > tests/data/kserve/models.json
"""

import ast
import json
import re
import sys
from pathlib import Path

import kubernetes.client.models

KSERVE = Path(__file__).parents[1] / "data" / "kserve" / "models.json"
_SERVICE = "V1beta1InferenceService"

_PLAIN = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_PLAIN |= {"datetime": "string", "file": "string"}
_ANY = {"object"}
_NEWER = {"V1PodSchedulingGroup", "V1ContainerRestartRule"}
"""What KServe's pods may have that the Kubernetes client is too old for: not looked into."""
_QUANTITIES = {"ResourceQuantity", "V1beta1MetricQuantity"}
_LONG = re.compile(r"K8sIoApi[A-Z][a-z]+(V\d.*)")
_REQUIRED = re.compile(r"Invalid value for `(\w+)`, must not be `None`")
_LIST = re.compile(r"list\[(.*)\]")
_MAP = re.compile(r"dict[(\[]str, ?(.*)[)\]]")


def models_in(folder):
    """What the classes of a client's `models` say: types by field, and the required ones."""
    return dict(filter(None, map(_model, sorted(Path(folder).glob("*.py")))))


def schema_of(name, models):
    """The schema of an object, in which no field may stand that its class doesn't have."""
    found, missing = {}, [name]
    while missing:
        if (model := missing.pop()) not in found:
            found[model] = {
                "type": "object",
                "properties": {k: _schema(t, missing) for k, t in models[model]["types"].items()},
                "required": models[model]["required"],
                "additionalProperties": False,
            }
    return {"$ref": f"#/$defs/{name}", "$defs": found}


def kubernetes_models():
    """Of the client that is installed."""
    return models_in(Path(kubernetes.client.models.__file__).parent)


def inference_service():
    """The schema of KServe's InferenceService."""
    return schema_of(_SERVICE, kubernetes_models() | json.loads(KSERVE.read_text()))


def _model(path):
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            said = {
                each.targets[0].id: ast.literal_eval(each.value)
                for each in node.body
                if isinstance(each, ast.Assign)
                and each.targets[0].id in ("openapi_types", "attribute_map")
            }
            if len(said) == 2:
                names = said["attribute_map"]
                types = {names[n]: kind for n, kind in said["openapi_types"].items()}
                required = sorted({names[n] for n in _REQUIRED.findall(text)})
                return node.name, {"types": types, "required": required}
    return None


def _schema(kind, missing):
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if kind in _ANY | _NEWER:
        return {}
    if kind in _QUANTITIES:
        return {"type": ["string", "number"]}
    if match := _LIST.fullmatch(kind):
        return {"type": "array", "items": _schema(match[1], missing)}
    if match := _MAP.fullmatch(kind):
        return {"type": "object", "additionalProperties": _schema(match[1], missing)}
    kind = _LONG.sub(r"\1", kind)
    missing.append(kind)
    return {"$ref": f"#/$defs/{kind}"}


def _kserve_only(folder):
    """KServe's own models that an InferenceService is made of, without its status."""
    models = models_in(folder)
    del models[_SERVICE]["types"]["status"]
    used = schema_of(_SERVICE, kubernetes_models() | models)["$defs"]
    return {name: model for name, model in models.items() if name in used}


if __name__ == "__main__":
    print(json.dumps(_kserve_only(sys.argv[1]), indent=1, sort_keys=True))
