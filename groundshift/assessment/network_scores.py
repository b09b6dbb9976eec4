"""Scores of the network on blocks, read with the context that it needs around them."""

from collections.abc import Sequence

from groundshift.assessment.protocol import Block, Panel
from groundshift.cube.store import CellCube, Cube
from groundshift.models.inference import PlaceScores, score_place
from groundshift.models.store import Detector

WHOLE_VALUES = 1 << 26
"""Most scores of a whole cell that are held at once (256 MiB)."""


def score_network(
    detector: Detector, cube: Cube, panels: Sequence[Panel], *, memory: int | None = None
) -> list[PlaceScores]:
    """The network's scores of every panel.

    Context comes from the images around a block, also where these belong to another split: labels
    are kept apart, looking at the surroundings is what the network does on every map.

    Args:
        detector: the network.
        cube: the images.
        panels: the blocks with their windows.
        memory: bytes that scoring may take, roughly; it does not change the scores.
    """
    groups: dict[tuple[str, tuple[int, ...]], list[int]] = {}
    for number, panel in enumerate(panels):
        key = (panel.block.cell.id, tuple(panel.windows["id"]))
        groups.setdefault(key, []).append(number)
    scores: dict[int, PlaceScores] = {}
    for (cell, _), numbers in groups.items():
        mine = [panels[number] for number in numbers]
        found = _score_cell(detector, cube.cells[cell], mine, memory)
        scores.update(zip(numbers, found, strict=True))
    return [scores[number] for number in range(len(panels))]


def _score_cell(
    detector: Detector, cube: CellCube, panels: Sequence[Panel], memory: int | None
) -> list[PlaceScores]:
    """Scores of blocks of one cell, all for the same windows."""
    windows = panels[0].windows
    apart = sum(_pixels_read(panel.block, cube, detector.radius) for panel in panels)
    whole = cube.shape[0] * cube.shape[1]
    if whole <= apart and whole * len(windows) <= WHOLE_VALUES:
        # Small blocks in wide context are read many times over: cheaper to map the cell once.
        rows, columns = (slice(0, size) for size in cube.shape)
        everywhere = score_place(detector, cube, windows, rows, columns, memory=memory)
        return [everywhere.part(panel.block.rows, panel.block.columns) for panel in panels]
    return [
        score_place(detector, cube, windows, panel.block.rows, panel.block.columns, memory=memory)
        for panel in panels
    ]


def _pixels_read(block: Block, cube: CellCube, radius: int) -> int:
    """Pixels of a block and its context."""
    height, width = (
        min(int(size) + 2 * radius, total)
        for size, total in zip(block.inside.shape, cube.shape, strict=True)
    )
    return height * width
