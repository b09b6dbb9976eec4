"""Series of one cell for the map page: score, vegetation index and backscatter through time.

Pixels of large cells are averaged over small blocks, so that a cell's series stay a small part of
the cube; averaging also calms speckle. In the folder of the page's data lie

    series/<cell>/about.js              blocks, and each series' name, unit, range and times
    series/<cell>/<row>_<column>.js     of EDGE x EDGE blocks: [series and time, y, x] as bytes
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.store import CellCube
from groundshift.domain.bands import role_index
from groundshift.domain.signature import Sensor
from groundshift.errors import SettingsError
from groundshift.products.maps import MapWindow, read_map, score_path
from groundshift.products.page.chunks import DATA, quantise, write_chunk, write_json

SERIES = "series"

EDGE = 24
"""Blocks along the edge of a file."""
BUDGET = 64 << 20
"""Most bytes of a cell's series before deflating; more pixels are averaged together."""

_DECIBELS, _INDEX = (-32.0, 6.0), (-0.4, 1)
_VALUE_BYTES = 1 << 25
"""Most bytes of a sensor's values held at once."""


@dataclass(frozen=True)
class Line:
    """One series of a block.

    Attributes:
        name: what it is, for people.
        group: series of one group share a chart: `score`, `index` or `backscatter`.
        unit: of its values.
        span: values of bytes 1 and 255.
        times: [t] seconds since 1970.
        values: [t, block y, block x] bytes.
    """

    name: str
    group: str
    unit: str
    span: tuple[float, float]
    times: NDArray[np.int64]
    values: NDArray[np.uint8]


def write_series(folder: Path, cell_cube: CellCube, windows: Sequence[MapWindow]) -> None:
    """Write a cell's series.

    Args:
        folder: of the artifact that holds the cell's maps.
        cell_cube: the cell.
        windows: those that were mapped.
    """
    factor = _block(cell_cube, len(windows))
    lines = [_scores(folder, cell_cube, windows, factor), *_looks(cell_cube, factor)]
    data, cell = folder / DATA, f"{SERIES}/{cell_cube.cell.id}"
    height, width = lines[0].values.shape[1:]
    about = {
        "block": factor,
        "edge": EDGE,
        "shape": [height, width],
        "series": [
            {
                "name": line.name,
                "group": line.group,
                "unit": line.unit,
                "span": line.span,
                "times": line.times.tolist(),
            }
            for line in lines
        ],
    }
    write_json(data, f"{cell}/about", about)
    for row in range(-(-height // EDGE)):
        for column in range(-(-width // EDGE)):
            y, x = (slice(n * EDGE, (n + 1) * EDGE) for n in (row, column))
            together = np.concatenate([line.values[:, y, x] for line in lines])
            write_chunk(data, f"{cell}/{row}_{column}", together.tobytes())


def block_mean(values: NDArray[np.floating[Any]], factor: int) -> NDArray[np.float32]:
    """Mean over blocks of `factor` x `factor` pixels of what is not NaN, [..., y, x]."""
    *leading, rows, columns = values.shape
    pad = [(0, 0)] * len(leading) + [(0, -rows % factor), (0, -columns % factor)]
    known = np.isfinite(values)
    total, count = (
        np.pad(part, pad)
        .reshape(*leading, -(-rows // factor), factor, -(-columns // factor), factor)
        .sum(axis=(-3, -1), dtype=np.float64)
        for part in (np.where(known, values, 0), known)
    )
    mean: NDArray[np.float32] = np.divide(
        total, count, out=np.full(total.shape, np.nan), where=count > 0
    ).astype(np.float32)
    return mean


def _block(cell_cube: CellCube, windows: int) -> int:
    """Edge of the blocks in pixels, by what a cell's series may take."""
    rows, columns = cell_cube.cell.core.shape
    counts = [windows]
    for sensor in _sensors(cell_cube):
        # No pixels: only the times are wanted.
        _, _, steps = cell_cube.looks(sensor.name, slice(0, 0), slice(0, 0), (0,))
        counts.append(len(steps) * (len(sensor.bands) if sensor.kind == "radar" else 1))
    return max(1, math.ceil(math.sqrt(rows * columns * sum(counts) / BUDGET)))


def _sensors(cell_cube: CellCube) -> Iterator[Sensor]:
    for role in sorted(cell_cube.roles):
        yield cell_cube.sensors[cell_cube.roles[role]]


def _scores(folder: Path, cell_cube: CellCube, windows: Sequence[MapWindow], factor: int) -> Line:
    cell = cell_cube.cell
    rows, columns = (-(-size // factor) for size in cell.core.shape)
    values = np.zeros((len(windows), rows, columns), np.uint8)
    for number, window in enumerate(windows):
        scores = read_map(score_path(folder, cell, window))
        values[number] = quantise(block_mean(scores, factor), 0, 1)
    middles = np.array([window.middle for window in windows], np.int64)
    return Line("score", "score", "", (0, 1), middles, values)


def _looks(cell_cube: CellCube, factor: int) -> Iterator[Line]:
    """Series of every sensor that has a role."""
    for sensor in _sensors(cell_cube):
        if sensor.kind == "radar":
            yield from _backscatter(cell_cube, sensor, factor)
            continue
        try:
            bands = tuple(role_index(sensor.mission, sensor.bands, role) for role in ("nir", "red"))
        except SettingsError:  # no such band: then there is no index to show
            continue
        yield _vegetation(cell_cube, sensor, bands, factor)


def _backscatter(cell_cube: CellCube, sensor: Sensor, factor: int) -> Iterator[Line]:
    def shown(power: NDArray[np.float32]) -> NDArray[np.uint8]:
        return quantise(10 * np.log10(np.maximum(power, 1e-9)), *_DECIBELS)

    every = tuple(range(len(sensor.bands)))
    values, times = _bytes(cell_cube, sensor, every, factor, shown)
    for band, of_band in zip(sensor.bands, values, strict=True):
        yield Line(f"{band} {sensor.name}", "backscatter", "dB", _DECIBELS, times, of_band)


def _vegetation(cell_cube: CellCube, sensor: Sensor, bands: tuple[int, ...], factor: int) -> Line:
    def shown(means: NDArray[np.float32]) -> NDArray[np.uint8]:
        nir, red = means
        total = nir + red
        index = np.divide(nir - red, total, out=np.full(total.shape, np.nan), where=total > 0)
        return quantise(index[None], *_INDEX)

    (values,), times = _bytes(cell_cube, sensor, bands, factor, shown)
    return Line(f"NDVI {sensor.name}", "index", "", _INDEX, times, values)


def _bytes(
    cell_cube: CellCube,
    sensor: Sensor,
    bands: tuple[int, ...],
    factor: int,
    shown: Callable[[NDArray[np.float32]], NDArray[np.uint8]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """What is shown of a sensor, [series, look, y, x], and the looks' times.

    Args:
        cell_cube: the cell.
        sensor: of it.
        bands: those that are read.
        factor: edge of the blocks in pixels.
        shown: makes bytes [series, look, y, x] of means of the blocks' fresh pixels,
            [band, look, y, x]: strip by strip, since numbers take four times what bytes do.
    """
    inner_rows, inner_columns = cell_cube.cell.inner
    height, width = cell_cube.cell.core.shape
    _, _, steps = cell_cube.looks(sensor.name, slice(0, 0), slice(0, 0), (0,))
    row_bytes = max(1, len(steps) * width * len(bands) * 4)
    rows = max(1, _VALUE_BYTES // row_bytes // factor) * factor
    strips = []
    for top in range(0, height, rows):
        y = slice(inner_rows.start + top, inner_rows.start + min(top + rows, height))
        values, fresh, _ = cell_cube.looks(sensor.name, y, inner_columns, bands)
        values[~fresh] = np.nan
        strips.append(shown(block_mean(np.moveaxis(values, -1, 0), factor)))
    return np.concatenate(strips, axis=2), cell_cube.times[steps]
