"""Where maps come from, and by which settings: the manifests' story in tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundshift.artifacts import Manifest
from groundshift.artifacts.manifest import WRITERS
from groundshift.products.report.page import Column, Row, Table

_HASH = 16
"""Digits of a content hash that tell artifacts apart for the eye."""


def lineage_table(chain: Sequence[Manifest]) -> Table:
    """One row per artifact, from the maps' inputs back to the first whose manifest is at hand.

    Args:
        chain: manifests, latest stage first. What they were made from but is not among them
            (observations, input files) is listed by its hash.
    """
    hashes = {manifest.content_hash: manifest.contract for manifest in chain}
    rows = []
    sources: dict[str, str] = {}
    for manifest in chain:
        names = sorted(manifest.inputs)
        sources |= {
            content: name for name, content in manifest.inputs.items() if content not in hashes
        }
        made_from = ", ".join(f"{name} {manifest.inputs[name][:_HASH]}" for name in names)
        writer = WRITERS[manifest.contract]
        rows.append(
            Row((manifest.contract, writer, manifest.content_hash[:_HASH], made_from or "files"))
        )
    for content, name in sorted(sources.items(), key=lambda item: item[1]):
        rows.append(Row((name, WRITERS.get(name, "outside"), content[:_HASH], "")))
    columns = (Column("artifact"), Column("stage"), Column("content hash"), Column("made from"))
    return Table("Lineage", columns, rows)


def settings_tables(
    chain: Sequence[Manifest], own: Mapping[str, Any], stage: str = "infer"
) -> tuple[Table, ...]:
    """The settings of a stage and of those behind it, one table each.

    Args:
        chain: manifests of the inputs, earliest stage last.
        own: settings of the stage itself.
        stage: its name.
    """
    columns = (Column("setting"), Column("value"))
    stages = [(WRITERS[m.contract], m.settings) for m in reversed(chain)] + [(stage, own)]
    tables = []
    for name, settings in stages:
        rows = [Row(entry) for entry in _flat(settings.get(name, {}))]
        if rows:
            tables.append(Table(name, columns, rows))
    return tuple(tables)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    flat = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            flat += _flat(
                {str(number): item for number, item in enumerate(value, 1)}, f"{prefix}{name}."
            )
        elif value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            flat.append((f"{prefix}{name}", text))
    return flat
