"""What was found in an area: its cells' findings put together for files and a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.domain.cells import Cell
from groundshift.products.canvas import Canvas, coarsen
from groundshift.products.findings import CellFindings
from groundshift.products.maps import (
    DATE_OF_MAXIMUM,
    MAXIMUM,
    NO_DATE,
    MapWindow,
    aggregate_path,
    read_map,
    score_path,
)


def window_scores(
    folder: Path, cells: Mapping[Cell, Sequence[MapWindow]], canvas: Canvas, window: MapWindow
) -> NDArray[np.float32]:
    """Scores of a window on a picture grid, [y, x], NaN where there are none.

    Args:
        folder: of the artifact that holds the maps.
        cells: the windows mapped in each; of a cell without this one the nearest in time is taken.
        canvas: the picture grid.
        window: which.
    """
    image = canvas.blank()
    for cell, own in cells.items():
        if own:
            nearest = min(own, key=lambda w: (abs(w.middle - window.middle), w))
            scores = read_map(score_path(folder, cell, nearest))
            coarse, _ = coarsen(scores, np.zeros(scores.shape, np.int32), canvas.factor)
            canvas.paste(image, cell, coarse)
    return image


@dataclass(frozen=True)
class Course:
    """Score of an event through time.

    Attributes:
        windows: the windows.
        scores: [window] mean over the event's pixels.
    """

    windows: tuple[MapWindow, ...]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Survey:
    """What was found in an area.

    Attributes:
        folder: of the artifact that holds the maps of all cells.
        findings: of every cell.
        canvas: the picture grid.
        threshold: score from which a pixel counts as changed.
    """

    folder: Path
    findings: Sequence[CellFindings]
    canvas: Canvas
    threshold: float

    @cached_property
    def windows(self) -> dict[Cell, tuple[MapWindow, ...]]:
        """The windows mapped in each cell."""
        return {found.cell: found.windows for found in self.findings}

    @cached_property
    def hectares(self) -> dict[MapWindow, float]:
        """Area at or above the threshold by window, over all cells."""
        total: dict[MapWindow, float] = {}
        for found in self.findings:
            for window, area in zip(found.windows, found.hectares.tolist(), strict=True):
                total[window] = total.get(window, 0.0) + area
        return total

    @cached_property
    def courses(self) -> dict[str, Course]:
        """Score through time of the cells' strongest events, by id."""
        return {
            event: Course(found.windows, scores)
            for found in self.findings
            for event, scores in found.courses.items()
        }

    @cached_property
    def events(self) -> gpd.GeoDataFrame:
        """All events, in the order of the cells."""
        tables = [found.events for found in self.findings]
        filled = [table for table in tables if len(table)] or tables[:1]
        return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs=filled[0].crs)

    @property
    def score(self) -> NDArray[np.float32]:
        """Greatest score on the picture grid, [y, x]."""
        return self._pictures[0]

    @property
    def day(self) -> NDArray[np.int32]:
        """Days since 1970 of that score, [y, x]."""
        return self._pictures[1]

    @cached_property
    def _pictures(self) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        score, day = self.canvas.blank(), self.canvas.blank(dtype=np.int32, fill=NO_DATE)
        for found in self.findings:
            maximum, its_day = (
                read_map(aggregate_path(self.folder, found.cell, name))
                for name in (MAXIMUM, DATE_OF_MAXIMUM)
            )
            maximum, its_day = coarsen(maximum, its_day, self.canvas.factor)
            self.canvas.paste(score, found.cell, maximum)
            self.canvas.paste(day, found.cell, its_day)
        return score, day
