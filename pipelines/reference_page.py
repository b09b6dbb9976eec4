"""The reference page of all settings, made from the settings themselves."""

from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from groundshift.settings import (
    STAGE_SETTINGS,
    TASK_SETTINGS,
    AreaSettings,
    PeriodSettings,
    StageSettings,
    own_sections,
)

_HEAD = """# Settings

All settings stand in `params.yaml`: shared defaults at the top level, an area's own values under
`areas.<name>`. `task` says what an area is mapped for: `change` (the default) or `landcover`. The
sections from window on belong to the task; an area of another task than the top level's takes over
no such section from there. This page is made by `groundshift settings`.
"""


def settings_page() -> str:
    """A Markdown page with a table per section: setting, default, meaning."""
    memory = _row("memory", StageSettings.model_fields["memory"])
    parts = [_HEAD, *_table("area", AreaSettings), *_table("period", PeriodSettings)]
    parts += _section("memory", "Of every stage.", [memory])
    for stage, settings in STAGE_SETTINGS.items():
        parts += _table(stage, _settings(settings, stage))
    for task, stages in TASK_SETTINGS.items():
        for stage in sorted(own_sections(task), key=list(stages).index):
            parts += _table(stage, _settings(stages[stage], stage), f" of `task: {task}`")
    return "\n".join(parts)


def _settings(settings: type[StageSettings], stage: str) -> type[BaseModel]:
    annotation = settings.model_fields[stage].annotation
    assert isinstance(annotation, type)
    return annotation


def _table(name: str, model: type[BaseModel], of: str = "") -> list[str]:
    """A section's heading, what it is about, and its settings."""
    return _section(name + of, (model.__doc__ or "").strip(), _rows(model, name))


def _section(title: str, meaning: str, rows: list[str]) -> list[str]:
    head = ["| setting | default | meaning |", "| --- | --- | --- |"]
    return [f"## {title}\n", f"{meaning}\n", *head, *rows, ""]


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        nested = _nested(field)
        key = f"{prefix}.{name}"
        if nested is None:
            rows.append(_row(key, field))
        else:
            inner, suffix = nested
            rows += _rows(inner, key + suffix)
    return rows


def _row(key: str, field: FieldInfo) -> str:
    return f"| `{key}` | {_default(field)} | {_cell(field.description or '')} |"


def _nested(field: FieldInfo) -> tuple[type[BaseModel], str] | None:
    """The model a field holds, and how its key goes on (`[]` in lists, `.<name>` in maps)."""
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            text = str(field.annotation)
            suffix = ".<name>" if text.startswith("dict") else "[]" if "tuple" in text else ""
            return candidate, suffix
    return None


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is PydanticUndefined:
        return "required" if field.default_factory is None else "none"
    return "none" if value is None else f"`{_cell(str(value))}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
