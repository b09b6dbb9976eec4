"""Maps of a cell from its cube, and Keras' `predict` on tiles read from GZIP files.

Used by `benchmarks.bench`: inference from end to end, reading included.
"""

import dataclasses
import gzip
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.network import TILE, assign, keras_network, padded
from benchmarks.samples import tiles_of
from groundshift.cube.store import CellCube, Cube
from groundshift.models.inference import map_cell
from groundshift.models.networks import NetworkSpec, weights
from groundshift.models.store import Detector
from groundshift.reference import published_detector
from groundshift.samples.store import Samples

SPEC = NetworkSpec.of_era("s12")


def our_maps(
    cube: str, samples: str, series: str, windows: int, tiles: int
) -> Callable[[], NDArray[np.float32]]:
    """All windows on the whole cell; the first one's map."""
    cell, chosen, detector = _opened(cube, samples, windows)

    def run() -> NDArray[np.float32]:
        maps = dict(map_cell(detector, cell, chosen))
        return maps[int(chosen["id"].iloc[0])]

    return run


def keras_maps(
    cube: str, samples: str, series: str, windows: int, tiles: int
) -> Callable[[], NDArray[np.float32]]:
    """All windows on some tiles; the first window on the whole cell, which is not timed."""
    cell, chosen, detector = _opened(cube, samples, windows)
    arrays = weights(detector.networks[0])
    spans = [slice(*span) for span in chosen[["first", "stop"]].to_numpy()]
    longest = max(span.stop - span.start for span in spans)
    network = keras_network(SPEC, longest, (TILE, TILE))
    assign(network, arrays)
    whole = _whole(cell, spans[0], arrays)

    def run() -> NDArray[np.float32]:
        for rows, columns in tiles_of(Cube.open(Path(cube)))[:tiles]:
            name = f"{rows.start // TILE}_{columns.start // TILE}.gz"
            with gzip.open(Path(series) / name, "rb") as file:
                flat = np.frombuffer(file.read(), np.float32).reshape(len(cell.times), -1)
            values = _channels_last(flat)
            given, steps = padded([values[span] for span in spans], longest)
            network.predict({"values": given, "steps": steps}, verbose=0)
        return whole

    return run


def _opened(cube: str, samples: str, windows: int) -> tuple[CellCube, pd.DataFrame, Detector]:
    (cell,) = Cube.open(Path(cube)).cells.values()
    found = Samples.open(Path(samples)).windows
    detector = dataclasses.replace(published_detector("s12"), signature=cell.signature)
    return cell, found[found["complete"]].iloc[:windows], detector


def _whole(
    cell: CellCube, span: slice, arrays: dict[str, NDArray[np.float32]]
) -> NDArray[np.float32]:
    rows, columns = (slice(0, size) for size in cell.shape)
    roles = ("radar_a", "radar_b", "optical")
    parts = [
        cell.read(cell.roles[role], span.start, span.stop, rows, columns).values for role in roles
    ]
    values, steps = padded([np.concatenate(parts, axis=-1)], span.stop - span.start)
    network: keras.Model = keras_network(SPEC, values.shape[1], cell.shape)
    assign(network, arrays)
    return np.asarray(network.predict({"values": values, "steps": steps}, verbose=0)[0])


def _channels_last(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each step one sensor's tile after the other, as `benchmarks.stack` writes them."""
    parts = np.split(flat, np.cumsum([2 * TILE**2, 2 * TILE**2]), axis=1)
    return np.concatenate([part.reshape(len(flat), TILE, TILE, -1) for part in parts], axis=-1)
