"""Reading settings: a file or JSON text becomes one stage's settings, or an error that helps."""

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from groundshift.errors import SettingsError
from groundshift.settings.sections import STAGE_SETTINGS, STAGES, StageSettings

INPUTS = "inputs"
"""Key of an area that names the folder of the user's own files, which `dvc.yaml` watches."""


def load(
    stage: str, path: Path, *, area: str | None = None, overrides: Iterable[str] = ()
) -> StageSettings:
    """Read one stage's settings from a settings file.

    Args:
        stage: one of `STAGES`.
        path: the file (`params.yaml`).
        area: which of `areas`; may be left out where there is one only.
        overrides: `window.length=90d`, applied last.

    Raises:
        SettingsError: unreadable file, unknown area, key or value.
    """
    document = _read_yaml(path)
    areas = document.pop("areas", None) or {}
    if area is None and len(areas) == 1:
        area = next(iter(areas))
    if area is None or area not in areas:
        raise SettingsError(
            f"{path}: area {area!r} is not there; expected one of {', '.join(areas) or 'none'}. "
            "Name it with --area, or add it under `areas`"
        )
    own = {key: value for key, value in (areas[area] or {}).items() if key != INPUTS}
    merged = merge(document, own)
    unknown = set(merged) - {"task", "area", "period", *STAGES}
    if unknown:
        raise SettingsError(f"{path}: {_unknown(sorted(unknown)[0], ['task', 'area', *STAGES])}")
    for override in overrides:
        merged = merge(merged, _override(override))
    wanted = {key: merged[key] for key in ("task", "area", "period", stage) if key in merged}
    return parse(stage, {"name": area, **wanted}, where=str(path))


def parse(stage: str, values: dict[str, Any] | str, *, where: str = "--settings") -> StageSettings:
    """Turn one stage's settings (a dict or JSON text) into their type.

    Raises:
        SettingsError: the first thing that is wrong, and its place.
    """
    model = STAGE_SETTINGS[stage]
    try:
        document = json.loads(values) if isinstance(values, str) else values
        return model.model_validate(document)
    except ValidationError as error:
        raise SettingsError(f"{where}: {_first_problem(model, error)}") from None
    except ValueError as error:
        raise SettingsError(f"{where}: expected JSON, found {error}") from error


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, key by key down the tree."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: no valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected sections (task, area, ...), found {document!r}")
    return document


def _override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise SettingsError(f"--set {text!r}: expected key=value, e.g. window.length=90d")
    tree: Any = yaml.safe_load(value)
    for part in reversed(key.strip().split(".")):
        tree = {part: tree}
    result: dict[str, Any] = tree
    return result


def _first_problem(model: type[BaseModel], error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *parents, key = problem["loc"]
        return _unknown(str(key), _known_keys(model, parents), place=place)
    found = problem.get("input")
    shown = "" if isinstance(found, dict) else f", found {found!r}"
    return f"{place or 'settings'}: {problem['msg']}{shown}"


def _unknown(key: str, known: Iterable[str], *, place: str | None = None) -> str:
    names = list(known)
    near = difflib.get_close_matches(key, names, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(names)}"
    return f"unknown setting {(place or key)!r}: {advice}"


def _known_keys(model: type[BaseModel], parents: Iterable[Any]) -> list[str]:
    """Names of the fields at a place of the settings tree, through tuples and dicts too."""
    schema = model.model_json_schema()
    node = schema
    for part in parents:
        node = _resolve(schema, node)
        if part in node.get("properties", {}):
            node = node["properties"][part]
        else:
            node = node.get("items", node.get("additionalProperties", {}))
    return list(_resolve(schema, node).get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", ()):
        if "$ref" in option:
            node = option
    if "$ref" in node:
        resolved: dict[str, Any] = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        return resolved
    return node
