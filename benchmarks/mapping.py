"""Maps of a place from its cube, and Keras' `predict` on windows that are cut from TFRecords.

Used by `benchmarks.bench`: inference from end to end, reading included, and what one observation
more costs.
"""

import dataclasses
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.network import TILE, assign, keras_network, padded
from benchmarks.plain_windows import Cut, singles
from benchmarks.samples import mapped_windows
from groundshift.artifacts import link_tree
from groundshift.cube.revise import revise
from groundshift.cube.source import Amended, Place
from groundshift.cube.store import CellCube, Cube
from groundshift.models.inference import score_place, shown_digests
from groundshift.models.networks import NetworkSpec, weights
from groundshift.models.store import Detector
from groundshift.observations.store import Observations
from groundshift.reference import published_detector
from groundshift.settings import StackStage

SPEC = NetworkSpec.of_era("s12")
CONTEXT = 32
"""Pixels around what is compared with Keras; further than any influence that shows."""

Maps = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Task:
    """What is mapped: the first windows of a cube, on a square at its corner."""

    cube: Path
    cut: Cut
    stride: int
    windows: int
    block: int

    def open(self) -> tuple[CellCube, pd.DataFrame, Detector]:
        """Cell, windows, published network."""
        (cell,) = Cube.open(self.cube).cells.values()
        windows = mapped_windows(cell.times, self.cut, self.stride).iloc[: self.windows]
        detector = published_detector("s12")
        return cell, windows, dataclasses.replace(detector, signature=cell.signature)

    def place(self, cell: CellCube) -> tuple[slice, slice]:
        """Rows and columns."""
        rows, columns = (slice(0, min(self.block, size)) for size in cell.shape)
        return rows, columns


def our_maps(task: Task) -> Callable[[], Maps]:
    """All windows, [window, y, x]."""
    cell, windows, detector = task.open()
    return lambda: score_place(detector, cell, windows, *task.place(cell))


def keras_maps(task: Task, tiles: list[str]) -> Callable[[], Maps]:
    """All windows on some tiles; gives the first window near the corner, which is not timed."""
    cell, windows, detector = task.open()
    arrays = weights(detector.networks[0])
    network = keras_network(SPEC, task.cut.most, (TILE, TILE))
    assign(network, arrays)
    corner = _corner(cell, slice(*windows[["first", "stop"]].to_numpy()[0]), arrays)

    def run() -> Maps:
        for tile in tiles:
            found = islice(singles(Path(tile), task.cut, task.stride), len(windows))
            given, steps = padded([window["values"] for window in found], task.cut.most)
            network.predict({"values": given, "steps": steps}, verbose=0)
        return corner

    return run


def updated_maps(task: Task, before: Path) -> Callable[[], tuple[NDArray[np.int64], Maps]]:
    """Windows that show something else than in the cube before: their numbers and maps."""
    cell, windows, detector = task.open()
    old, then, _ = dataclasses.replace(task, cube=before).open()
    earlier = shown_digests(detector, old, then)

    def run() -> tuple[NDArray[np.int64], Maps]:
        now = shown_digests(detector, cell, windows)
        changed = np.flatnonzero([mine != other for mine, other in zip(now, earlier, strict=True)])
        maps = score_place(detector, cell, windows.iloc[changed], *task.place(cell))
        return changed, maps

    return run


def late_look(task: Task, source: Observations, holding: int) -> Place:
    """An observation that only the last windows hold, and without which steps keep their times."""
    cell, windows, _ = task.open()
    first, stop = (windows[name].to_numpy() for name in ("first", "stop"))
    for row in source.table.sort_values("time", ascending=False).itertuples():
        step = int(np.searchsorted(cell.times, row.time))
        if row.time not in cell.times and ((first <= step) & (step < stop)).sum() == holding:
            return row.cell, row.sensor, row.time
    raise SystemExit(f"no observation is held by {holding} of {len(windows)} windows alone")


def without(task: Task, source: Observations, look: Place, settings: StackStage, to: Path) -> Path:
    """The cube as it was before that observation came."""
    link_tree(task.cube, to)
    revise(to, Amended(source, drop=[look]), settings)
    return to


def _corner(cell: CellCube, span: slice, arrays: dict[str, Maps]) -> Maps:
    """Scores of the cell's corner by Keras, from a larger one, [y, x]."""
    rows, columns = (slice(0, min(TILE + 2 * CONTEXT, size)) for size in cell.shape)
    roles = ("radar_a", "radar_b", "optical")
    parts = [
        cell.read(cell.roles[role], span.start, span.stop, rows, columns).values for role in roles
    ]
    values, steps = padded([np.concatenate(parts, axis=-1)], span.stop - span.start)
    network = keras_network(SPEC, values.shape[1], values.shape[2:4])
    assign(network, arrays)
    found = np.asarray(network.predict({"values": values, "steps": steps}, verbose=0)[0])
    return found[: TILE + CONTEXT, : TILE + CONTEXT]
