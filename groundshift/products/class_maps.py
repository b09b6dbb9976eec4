"""Maps of land cover as Cloud Optimized GeoTIFFs.

classes/<cell>.tif        number of the class, from 1, with its colours; 0 where nothing is known
probability/<cell>.tif    probability of that class, as the trees give it
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.artifacts import ValueHash
from groundshift.cube.store import CellCube
from groundshift.domain.cells import Cell, pixel_area
from groundshift.models.pixel_trees import LandClass, PixelTrees
from groundshift.products.maps import write_cog
from groundshift.samples.reference import NO_CLASS

CLASSES, PROBABILITY = "classes", "probability"


@dataclass(frozen=True)
class ClassMap:
    """One cell's map.

    Attributes:
        cell: whose core is mapped.
        hectares: of every class.
        unknown: hectares of which nothing is known.
        value_hash: of class and probability of every pixel.
    """

    cell: Cell
    hectares: tuple[float, ...]
    unknown: float
    value_hash: str

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {
            "cell": self.cell.to_dict(),
            "hectares": list(self.hectares),
            "unknown": self.unknown,
            "value_hash": self.value_hash,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ClassMap":
        """The map that `to_dict` described."""
        cell, hectares = Cell.from_dict(values["cell"]), tuple(values["hectares"])
        return cls(cell, hectares, values["unknown"], values["value_hash"])


def map_cell(
    trees: PixelTrees,
    cell_cube: CellCube,
    start: int,
    *,
    block: int,
    folder: Path,
    tags: Mapping[str, str],
) -> ClassMap:
    """Map the core of a cell, block by block, and write both files.

    Args:
        trees: the model.
        cell_cube: the cell.
        start: first instant in seconds since 1970.
        block: pixels along the edge of what is held at once.
        folder: of the artifact.
        tags: GeoTIFF tags.
    """
    cell = cell_cube.cell
    classes = np.full(tuple(cell.core.shape), NO_CLASS, np.uint8)
    probability = np.full(classes.shape, np.nan, np.float32)
    rows, columns = cell.inner
    for top in range(0, classes.shape[0], block):
        for left in range(0, classes.shape[1], block):
            place = (slice(top, top + block), slice(left, left + block))
            high, wide = classes[place].shape
            inside = (
                slice(rows.start + top, rows.start + top + high),
                slice(columns.start + left, columns.start + left + wide),
            )
            classes[place], probability[place] = _classify(trees, cell_cube, start, *inside)
    _write(folder, cell, classes, probability, trees.classes, tags)
    values = ValueHash()
    values.add(CLASSES, classes)
    values.add_scores(PROBABILITY, probability)
    counts = np.bincount(classes.ravel(), minlength=len(trees.classes) + 1)
    hectares = [round(float(count) * pixel_area(cell.core) / 1e4, 4) for count in counts]
    return ClassMap(cell, tuple(hectares[1:]), hectares[0], values.hexdigest())


def class_path(folder: Path, cell: Cell) -> Path:
    """Where a cell's map of classes lies."""
    return folder / CLASSES / f"{cell.id}.tif"


def probability_path(folder: Path, cell: Cell) -> Path:
    """Where the probabilities of a cell's map lie."""
    return folder / PROBABILITY / f"{cell.id}.tif"


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of #rrggbb."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _classify(
    trees: PixelTrees, cell_cube: CellCube, start: int, rows: slice, columns: slice
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Class and its probability; none where no number of the pixel's series is known."""
    features = trees.series.read(cell_cube, start, rows, columns)
    height, width, channels = features.shape
    table = features.reshape(-1, channels)
    seen = np.isfinite(table).any(axis=1)
    classes = np.full(len(table), NO_CLASS, np.uint8)
    probability = np.full(len(table), np.nan, np.float32)
    found = trees.probabilities(table[seen])
    if len(found):
        classes[seen], probability[seen] = found.argmax(axis=1) + 1, found.max(axis=1)
    return classes.reshape(height, width), probability.reshape(height, width)


def _write(
    folder: Path,
    cell: Cell,
    classes: NDArray[np.uint8],
    probability: NDArray[np.float32],
    names: Sequence[LandClass],
    tags: Mapping[str, str],
) -> None:
    legend = {f"CLASS_{number}": one.name for number, one in enumerate(names, start=1)}
    colours = {number: (*rgb(one.colour), 255) for number, one in enumerate(names, start=1)}
    write_cog(
        class_path(folder, cell),
        {"class": classes},
        cell.core,
        nodata=NO_CLASS,
        tags=legend | dict(tags),
        colours=colours | {NO_CLASS: (0, 0, 0, 0)},
    )
    path = probability_path(folder, cell)
    write_cog(path, {"probability": probability}, cell.core, nodata=np.nan, tags=tags)
