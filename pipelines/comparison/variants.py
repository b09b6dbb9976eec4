"""Variants: settings that are varied, and the repetitions of each."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import yaml

from groundshift.errors import SettingsError


@dataclass(frozen=True)
class Axis:
    """One setting with the values that it takes, e.g. `stack.step=2d,6d`."""

    key: str
    values: tuple[Any, ...]

    @classmethod
    def parse(cls, text: str, option: str = "--vary") -> "Axis":
        """Read `key=value,value`; values are YAML, lists in brackets.

        Raises:
            SettingsError: no key, no value, or one value twice.
        """
        key, _, listed = text.partition("=")
        try:
            values = yaml.safe_load(f"[{listed}]")
        except yaml.YAMLError as error:
            raise SettingsError(f"{option} {text!r}: no valid list of values: {error}") from error
        if not key.strip() or not values:
            raise SettingsError(
                f"{option} {text!r}: expected key=value,value, e.g. stack.step=2d,6d"
            )
        axis = cls(key.strip(), tuple(values))
        shown = [axis.shown(value) for value in values]
        if len(set(shown)) < len(shown):
            raise SettingsError(f"{option} {text!r}: a value stands there twice. Name each once")
        return axis

    def override(self, value: Any) -> str:
        """The setting at one of its values, as `--set` takes it."""
        return f"{self.key}={json.dumps(value, default=str)}"

    @staticmethod
    def shown(value: Any) -> str:
        """A value as people write it."""
        return value if isinstance(value, str) else json.dumps(value, default=str)


@dataclass(frozen=True)
class Variant:
    """One value of every axis.

    Attributes:
        values: by key, as people write them.
        overrides: likewise, as `--set` takes them.
    """

    values: dict[str, str]
    overrides: tuple[str, ...]

    @property
    def title(self) -> str:
        """Keys and values in one line."""
        return ", ".join(f"{key}={value}" for key, value in self.values.items()) or "as set"


def variants(axes: Sequence[Axis]) -> list[Variant]:
    """All combinations of the axes' values, the last axis changing fastest.

    Raises:
        SettingsError: a setting is varied twice.
    """
    keys = [axis.key for axis in axes]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SettingsError(f"{twice} is varied twice: name all of its values at one place")
    return [_variant(axes, chosen) for chosen in product(*(axis.values for axis in axes))]


def replicates(axes: Sequence[Axis]) -> list[Variant]:
    """The repetitions of every variant: the axes step side by side, not in all combinations.

    `fetch.synthetic.seed=1,2,3` with `train.seed=0,100,200` are three repetitions: another city and
    another network each time.

    Raises:
        SettingsError: axes of different lengths.
    """
    if len({len(axis.values) for axis in axes}) > 1:
        lengths = ", ".join(f"{axis.key} has {len(axis.values)}" for axis in axes)
        raise SettingsError(f"--repeat: expected equally many values of each setting, {lengths}")
    if not axes:
        return [Variant({}, ())]
    return [_variant(axes, chosen) for chosen in zip(*(axis.values for axis in axes), strict=True)]


def _variant(axes: Sequence[Axis], chosen: Sequence[Any]) -> Variant:
    pairs = list(zip(axes, chosen, strict=True))
    return Variant(
        {axis.key: axis.shown(value) for axis, value in pairs},
        tuple(axis.override(value) for axis, value in pairs),
    )
