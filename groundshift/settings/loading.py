"""Reading settings: a file or JSON text becomes one stage's settings, or an error that helps."""

import difflib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from groundshift.errors import SettingsError
from groundshift.settings.sections import STAGES, StageSettings
from groundshift.settings.tasks import DEFAULT_TASK, TASK_SETTINGS, settings_of

INPUTS = "inputs"
"""Key of an area that names the folder of the user's own files, which `dvc.yaml` watches."""

_SHARED = ("task", "area", "period", "memory")
"""What every stage is told beside its own section."""


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
    areas = _mapping(document.pop("areas", None), f"{path}: areas")
    if area is None and len(areas) == 1:
        area = next(iter(areas))
    if area is None or area not in areas:
        near = difflib.get_close_matches(str(area), map(str, areas), 1)
        advice = f"Did you mean {near[0]!r}?" if near else "Name it with --area"
        raise SettingsError(
            f"{path}: area {area!r} is not there; expected one of {', '.join(areas) or 'none'}. "
            f"{advice}, or add it under `areas`"
        )
    own = _mapping(areas[area], f"{path}: areas.{area}")
    shared = _shared_with(document, own.get("task"), str(path))
    merged = merge(shared, {key: value for key, value in own.items() if key != INPUTS})
    _require_sections(merged, str(path))
    for override in overrides:
        changed = _override(override)
        _require_sections(changed, f"--set {override!r}")
        merged = merge(merged, changed)
    wanted = {key: merged[key] for key in (*_SHARED, stage) if key in merged}
    return parse(stage, {"name": area, **wanted}, where=str(path))


def parse(stage: str, values: dict[str, Any] | str, *, where: str = "--settings") -> StageSettings:
    """Turn one stage's settings (a dict or JSON text) into their type.

    Raises:
        SettingsError: the first thing that is wrong, and its place.
    """
    model = TASK_SETTINGS[DEFAULT_TASK][stage]
    try:
        document = json.loads(values) if isinstance(values, str) else values
        if isinstance(document, dict) and "task" in document:
            model = settings_of(document["task"], where=where)[stage]
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


def _shared_with(document: dict[str, Any], task: object, where: str) -> dict[str, Any]:
    """The top level of a file as an area of a task takes it: without other tasks' sections."""
    shared_task = document.get("task", DEFAULT_TASK)
    if task is None or task == shared_task:
        return document
    own, theirs = (settings_of(name, where=where) for name in (task, shared_task))
    foreign = {stage for stage in STAGES if own[stage] is not theirs[stage]}
    return {key: value for key, value in document.items() if key not in foreign}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path}: expected text in UTF-8, found other bytes: {error}"
        ) from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: no valid YAML: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: expected sections (task, area, ...), found {document!r}")
    return document


def _override(text: str) -> dict[str, Any]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise SettingsError(f"--set {text!r}: expected key=value, e.g. window.length=90d")
    try:
        tree: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {text!r}: the value is no valid YAML: {error}") from error
    for part in reversed(key.strip().split(".")):
        tree = {part: tree}
    result: dict[str, Any] = tree
    return result


def _mapping(value: Any, where: str) -> dict[str, Any]:
    """A part of the file that holds names and values, which may be left empty."""
    if value is not None and not isinstance(value, dict):
        raise SettingsError(f"{where}: expected names with values below them, found {value!r}")
    return value or {}


def _require_sections(values: dict[str, Any], where: str) -> None:
    """Refuse a section that no stage knows, which would be passed over in silence."""
    known = (*_SHARED, *STAGES)
    unknown = sorted(str(key) for key in set(values) - set(known))
    if unknown:
        raise SettingsError(f"{where}: {_unknown(unknown[0], known)}")


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
            named: dict[str, Any] = next(iter(node.get("patternProperties", {}).values()), {})
            node = node.get("items", node.get("additionalProperties", named))
    return list(_resolve(schema, node).get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", ()):
        if "$ref" in option:
            node = option
    if "$ref" in node:
        resolved: dict[str, Any] = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        return resolved
    return node
