"""Rasters of the map page: the ground before and after, scores of every window, greatest, dates.

Below the page's folder `data`, where `<where>` is `area` (all cells, coarse enough for one
picture) or `cells/<cell>` (every pixel of one cell, only where `area` is coarser):

    <where>/before.webp, after.webp     pictures
    <where>/greatest.js                 greatest score, a byte per pixel
    <where>/date.js                     its day since the period's start, two bytes per pixel
    <where>/spread.js                   of an ensemble, the spread of that score, a byte per pixel
    <where>/score/<window>.js           a byte per pixel
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from groundshift.domain.cells import Cell
from groundshift.domain.time import DAY
from groundshift.events.windows import SPREAD
from groundshift.products import pictures
from groundshift.products.canvas import Backdrop, Canvas, backdrops, coarsen
from groundshift.products.maps import (
    DATE_OF_MAXIMUM,
    MAXIMUM,
    NO_DATE,
    MapWindow,
    aggregate_path,
    band_names,
    read_layers,
    read_map,
)
from groundshift.products.page.chunks import quantise, write_chunk
from groundshift.products.survey import window_scores

if TYPE_CHECKING:
    from groundshift.cube.store import CellCube

LONGEST = 1024
"""Most pixels along the longer edge of the pictures of the whole area."""
NO_DAY = 65535

MOST_SPREAD = 0.5
"""Greatest standard deviation that numbers between 0 and 1 can have."""

_QUALITY = 82
_SMALL = 1 << 17
"""Pixels up to which a picture is kept exactly: it is shown so large that losses would show."""


@dataclass(frozen=True)
class Rasters:
    """What is drawn on.

    Attributes:
        maps: folder of the artifact.
        data: the page's folder `data`.
        cells: the windows mapped in each cell.
        windows: of all cells, in order.
        cubes: the cells' cubes.
        first_day: days since 1970 from which dates count.
    """

    maps: Path
    data: Path
    cells: Mapping[Cell, Sequence[MapWindow]]
    windows: Sequence[MapWindow]
    cubes: Mapping[str, "CellCube"]
    first_day: int

    @property
    def spread(self) -> bool:
        """Whether the maps know the spread of an ensemble."""
        return all(
            SPREAD in band_names(aggregate_path(self.maps, cell, MAXIMUM)) for cell in self.cells
        )

    def write(self) -> tuple[Canvas, tuple[Backdrop, Backdrop] | None]:
        """Write all rasters.

        Returns:
            The canvas of the whole area, and its images of the ground, if there are any.
        """
        views = list(views_of(self.data, list(self.cells), self.cubes))
        for view in views:
            self._layers(view.where, view.canvas, view.cells)
        return views[0].canvas, views[0].grounds

    def _layers(self, where: str, canvas: Canvas, cells: Sequence[Cell]) -> None:
        greatest, day = canvas.blank(), canvas.blank(dtype=np.int32, fill=NO_DATE)
        for cell in cells:
            values, its_day = (
                read_map(aggregate_path(self.maps, cell, name))
                for name in (MAXIMUM, DATE_OF_MAXIMUM)
            )
            values, its_day = coarsen(values, its_day, canvas.factor)
            canvas.paste(greatest, cell, values)
            canvas.paste(day, cell, its_day)
        self._scores(f"{where}/greatest", greatest)
        days = np.where(day == NO_DATE, NO_DAY, np.clip(day - self.first_day, 0, NO_DAY - 1))
        write_chunk(self.data, f"{where}/date", days.astype("<u2").tobytes())
        if self.spread:
            self._spread(where, canvas, cells)
        own = {cell: self.cells[cell] for cell in cells}
        for number, window in enumerate(self.windows):
            scores = window_scores(self.maps, own, canvas, window)
            self._scores(f"{where}/score/{number}", scores)

    def _spread(self, where: str, canvas: Canvas, cells: Sequence[Cell]) -> None:
        spread = canvas.blank()
        for cell in cells:
            path = aggregate_path(self.maps, cell, MAXIMUM)
            _, its_spread = coarsen(read_map(path), read_layers(path)[SPREAD], canvas.factor)
            canvas.paste(spread, cell, its_spread)
        values = quantise(spread, 0, MOST_SPREAD)
        write_chunk(self.data, f"{where}/spread", values.tobytes())

    def _scores(self, key: str, scores: NDArray[np.float32]) -> None:
        write_chunk(self.data, key, quantise(scores, 0, 1).tobytes())


class View(NamedTuple):
    """A picture that others lie on: of the whole area, or of one cell in detail.

    Attributes:
        where: `area` or `cells/<cell>`.
        canvas: its pixels.
        cells: on it.
        grounds: images of the ground before and after, if there are any.
    """

    where: str
    canvas: Canvas
    cells: Sequence[Cell]
    grounds: tuple[Backdrop, Backdrop] | None


def views_of(data: Path, cells: Sequence[Cell], cubes: Mapping[str, "CellCube"]) -> Iterator[View]:
    """The whole area, then every cell where the area is coarser; writes their images of the ground.

    Args:
        data: the page's folder `data`.
        cells: of the area.
        cubes: the cells' cubes.
    """
    canvas = Canvas.over(cells, LONGEST)
    grounds = backdrops(cubes, canvas)
    _write_grounds(data / "area", grounds)
    yield View("area", canvas, cells, grounds)
    if canvas.factor == 1:
        return
    for cell in cells:
        whole = Canvas.over([cell], max(cell.core.shape))
        limits = grounds[0].limits if grounds else None
        detail = backdrops({cell.id: cubes[cell.id]}, whole, limits) if limits else None
        _write_grounds(data / "cells" / cell.id, detail)
        yield View(f"cells/{cell.id}", whole, [cell], detail)


def _write_grounds(folder: Path, grounds: tuple[Backdrop, Backdrop] | None) -> None:
    for name, ground in zip(("before", "after"), grounds or (), strict=False):
        path = folder / f"{name}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(pictures.paint_ground(ground.image))
        exact = picture.width * picture.height <= _SMALL
        picture.save(path, "WEBP", quality=_QUALITY, method=6, lossless=exact)


def first_day(period: tuple[int, int]) -> int:
    """Day since 1970 on which a period of seconds begins."""
    return period[0] // DAY
