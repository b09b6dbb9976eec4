"""Planning: which cells an area has, by which keys their results are found, and what is new.

Only the catalogue is read, no pixels. A key holds the content of every source file, so that no
cache can hide a new scene. It holds all of them, also those of images that don't reach the cell:
an acquisition anywhere in the area is a step of the time line of all of its cells.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.fetch.stage import bought_first, open_source, planted
from groundshift import __version__
from groundshift.artifacts import ArtifactStore, Summary, digest, writing
from groundshift.artifacts.fan_out import CONTRACT, PlannedCell, State, write_cells
from groundshift.domain.cells import Cell
from groundshift.observations.areas import cells_of
from groundshift.observations.costs import in_words, write_costs
from groundshift.observations.intake import costs_of
from groundshift.observations.sources.base import Compared
from groundshift.observations.ways import ways_in_words, write_ways
from groundshift.settings import FetchStage

PUBLISHED = "scores"
"""The result by whose key a cell counts as done: the last one that is made for a cell."""


def run(
    settings: FetchStage,
    *,
    plan: Path,
    variant: str = "",
    changed_only: bool = False,
    store: ArtifactStore | None = None,
) -> Summary:
    """List the cells of the area with the keys of their results.

    Args:
        settings: The fetch stage's settings.
        plan: Folder of the artifact to write.
        variant: Digest of the other stages' settings, which the results depend on too.
        changed_only: Name as cells to work on only those whose results are not published yet.
        store: Where results are published; without one every cell is new.
    """
    cells = cells_of(settings.area)
    source = open_source(settings, cells, store.file_digests(settings.name) if store else None)
    inputs = {**source.inputs, **planted(settings)}
    champion = store.champion(settings.name) if store else None
    model = champion.model.content_hash if champion else ""
    keys = {cell.id: _key(cell, inputs, settings, variant) for cell in cells}
    found = [
        PlannedCell(cell, keys[cell], _state(store, settings.name, cell, keys[cell], model))
        for cell in sorted(keys)
    ]
    with writing(
        plan, CONTRACT, area=settings.name, settings=settings.affecting(), inputs=inputs
    ) as draft:
        draft.values.add_text("cell", write_cells(draft.folder, found))
        bought = bought_first(source, settings, cells)
        costs = costs_of(source, source.acquisitions, cells)
        costs = bought.travelling(costs) if bought else costs
        ways = source.alternatives(costs) if isinstance(source, Compared) else []
        if costs:
            write_costs(draft.folder, costs)
        if ways:
            write_ways(draft.folder, ways)
        draft.licences.update(source.licences)
    wanted = [planned for planned in found if planned.state != "same" or not changed_only]
    return Summary(
        stage="fetch",
        artifact=plan,
        content_hash=draft.finished.content_hash,
        value_hash=draft.finished.value_hash,
        metrics={"cells": float(len(found)), **_counts(found)},
        notes=(
            f"{len(wanted)} of {len(found)} cells to work on",
            *in_words(costs),
            *ways_in_words(ways),
        ),
        parameters=_parameters(found, wanted, model),
        outcome="done" if wanted else "nothing new",
    )


def _key(cell: Cell, inputs: dict[str, str], settings: FetchStage, variant: str) -> str:
    """Digest of all that a cell's results depend on.

    The period's end is not in it: it says which scenes count, and those are in `inputs`. A
    schedule that moves it from day to day changes nothing where no scene came.
    """
    affecting = settings.affecting()
    affecting["period"] = {"start": affecting["period"]["start"]}
    known = {
        "cell": cell.to_dict(),
        "inputs": inputs,
        "settings": affecting,
        "code": __version__,
        "variant": variant,
    }
    return digest(known)[:16]


def _state(store: ArtifactStore | None, area: str, cell: str, key: str, champion: str) -> State:
    """How a cell stands against what was published of it last, which the champion must have made.

    Args:
        store: where results are published, if anywhere.
        area: name.
        cell: id.
        key: of the cell's results now.
        champion: content hash of the model that monitoring maps with; empty if there is none.
    """
    published = store.current(area, cell, PUBLISHED) if store else None
    if store is None or published is None:
        return "new"
    if store.current_key(area, cell, PUBLISHED) != key:
        return "changed"
    made_with = store.manifest(published).inputs["model"]
    return "same" if champion in ("", made_with) else "changed"


def _counts(found: Sequence[PlannedCell]) -> dict[str, float]:
    states = [planned.state for planned in found]
    return {state: float(states.count(state)) for state in ("new", "changed", "same")}


def _parameters(
    found: Sequence[PlannedCell], wanted: Sequence[PlannedCell], champion: str
) -> dict[str, Any]:
    """What a pipeline goes on by."""
    keys = [[planned.cell, planned.key] for planned in found]
    return {
        "cells": [{"cell": planned.cell, "key": planned.key} for planned in wanted],
        "count": len(wanted),
        "digest": digest(keys),
        "champion": champion,
    }
