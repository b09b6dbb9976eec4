"""The index of a fan-out: which cells an area has, and by which key their results are found.

`cells.jsonl` is the content of the artifact `plan`, one line per cell. It is the one thing that
later stages need to be handed, however many cells there are.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from groundshift.errors import ContractError

CONTRACT = "plan"
CELLS = "cells.jsonl"

State = Literal["new", "changed", "same"]
"""Against what was published last: never, under another key, under this key."""


@dataclass(frozen=True)
class PlannedCell:
    """A line of the plan."""

    cell: str
    key: str
    """Digest (16 hex) of all that the cell's results depend on."""
    state: State


def write_cells(folder: Path, cells: Iterable[PlannedCell]) -> tuple[str, ...]:
    """Write the plan's lines, ordered by cell id.

    Returns:
        The lines.
    """
    ordered = sorted(cells, key=lambda planned: planned.cell)
    lines = tuple(json.dumps(asdict(planned), sort_keys=True) for planned in ordered)
    (folder / CELLS).write_text("".join(f"{line}\n" for line in lines))
    return lines


def read_cells(folder: Path) -> tuple[PlannedCell, ...]:
    """The cells of a plan, ordered by id.

    Raises:
        ContractError: no plan there, or a damaged one.
    """
    path = folder / CELLS
    try:
        lines = path.read_text().splitlines()
        return tuple(PlannedCell(**json.loads(line)) for line in lines)
    except (OSError, ValueError, TypeError) as error:
        raise ContractError(
            f"{path} can't be read ({error}). Rerun: python -m components.fetch --plan"
        ) from error
