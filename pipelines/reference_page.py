"""The reference page of all settings, made from the settings themselves."""

from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from groundshift.settings import STAGE_SETTINGS, AreaSettings, PeriodSettings, StageSettings

_HEAD = """# Settings

All settings stand in `params.yaml`: shared defaults at the top level, an area's own values under
`areas.<name>`. This page is made by `groundshift settings`.
"""


def settings_page() -> str:
    """A Markdown page with a table per section: setting, default, meaning."""
    sections: dict[str, type[BaseModel]] = {"area": AreaSettings, "period": PeriodSettings}
    for stage, settings in STAGE_SETTINGS.items():
        annotation = settings.model_fields[stage].annotation
        assert isinstance(annotation, type)
        sections[stage] = annotation
    parts = [_HEAD]
    for name, model in sections.items():
        parts += _section(name, (model.__doc__ or "").strip(), _rows(model, name))
    memory = StageSettings.model_fields["memory"]
    parts += _section("memory", "Of every stage.", [_row("memory", memory)])
    return "\n".join(parts)


def _section(name: str, meaning: str, rows: list[str]) -> list[str]:
    head = ["| setting | default | meaning |", "| --- | --- | --- |"]
    return [f"## {name}\n", f"{meaning}\n", *head, *rows, ""]


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
