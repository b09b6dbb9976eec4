"""Two nested values beside each other, one line per leaf that differs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

_ABSENT = "nothing"


def differences(found: Mapping[str, Any], wished: Mapping[str, Any]) -> tuple[str, ...]:
    """Lines such as `arguments.infer_settings.infer.stride: 1 -> 5`, sorted.

    Text that is a JSON object counts as that object, so that one changed setting is one line. What
    is None in `wished` isn't known yet and not compared.
    """
    old = dict(_leaves("", {key: found.get(key) for key in wished if wished[key] is not None}))
    new = dict(_leaves("", {key: value for key, value in wished.items() if value is not None}))
    return tuple(
        f"{key}: {old.get(key, _ABSENT)} -> {new.get(key, _ABSENT)}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key, _ABSENT) != new.get(key, _ABSENT)
    )


def _leaves(place: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value.startswith("{"):
        with suppress(ValueError):
            value = json.loads(value)
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from _leaves(f"{place}.{key}" if place else str(key), part)
    else:
        yield place, value if isinstance(value, str) else json.dumps(value)
