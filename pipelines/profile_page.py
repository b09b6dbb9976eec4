"""The tables of docs/kubeflow.md, made from the settings of profiles and schedules themselves.

`python -m pipelines.profile_page` writes them into the page.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from pipelines.kubeflow.schedule_file import ScheduleFile
from pipelines.profile import Profile, TaskProfile

PAGE = Path(__file__).parents[1] / "docs" / "kubeflow.md"


def tables() -> dict[str, str]:
    """Every table of the page, by its name there."""
    return {
        "cluster": _table(Profile, leaves=("defaults", "tasks")),
        "task": _table(TaskProfile),
        "schedules": _table(ScheduleFile),
    }


def with_tables(page: str) -> str:
    """The page with its tables made anew, each between its two marks."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, after = re.split(f"{begin}.*?{end}", page, maxsplit=1, flags=re.DOTALL)
        page = f"{before}{begin}\n{table}\n{end}{after}"
    return page


def _table(model: type[BaseModel], leaves: tuple[str, ...] = ()) -> str:
    """A line per setting: its place, its default, what it means."""
    lines = [
        f"| `{key}` | {_default(field)} | {meaning} |"
        for key, field, meaning in _settings(model, "", leaves)
    ]
    return "\n".join(["| setting | default | meaning |", "| --- | --- | --- |", *lines])


def _settings(
    model: type[BaseModel], prefix: str, leaves: tuple[str, ...]
) -> Iterator[tuple[str, FieldInfo, str]]:
    """Every setting of a model with its place and meaning; `leaves` are not gone into."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        inner = _model_in(field.annotation)
        first_line = (inner.__doc__ or "").partition("\n")[0] if inner else ""
        yield key, field, field.description or first_line
        if inner is not None and key not in leaves:
            kind = get_origin(field.annotation)
            suffix = "[]" if kind is tuple else ".<name>" if kind is dict else ""
            yield from _settings(inner, f"{key}{suffix}.", leaves)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model that a field holds: alone, or none, or many of it."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"  # as YAML writes it
    return f"`{value}`" if value else "none"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
