"""What was found in an area: its cells' findings put together for files and a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.domain.cells import Cell
from groundshift.events.merging import merge
from groundshift.events.objects import APART, Part
from groundshift.events.reviews import empty_reviews
from groundshift.events.table import WITHDRAWN, events_of
from groundshift.events.tracking import follow, quieten
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
from groundshift.products.sampling import JudgedSample


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
class Past:
    """What is known of an area's events from before.

    Attributes:
        events: as they were published last; None if they never were.
        reviews: what analysts said.
        sample: the true area of change, if a sample was judged.
    """

    events: gpd.GeoDataFrame | None = None
    reviews: gpd.GeoDataFrame = field(default_factory=empty_reviews)
    sample: JudgedSample | None = None


@dataclass(frozen=True)
class Survey:
    """What was found in an area.

    Attributes:
        folder: of the artifact that holds the maps of all cells.
        findings: of every cell.
        canvas: the picture grid.
        threshold: score from which a pixel counts as changed.
        past: what is known of its events from before.
    """

    folder: Path
    findings: Sequence[CellFindings]
    canvas: Canvas
    threshold: float
    past: Past = field(default_factory=Past)

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
        """Score of the events through time, by id."""
        ids = self.table["id"][: len(self._parts)]
        return {
            event: Course(
                tuple(MapWindow(*span) for span in zip(*self._spans(part), strict=True)),
                part.course.mean.astype(np.float32),
            )
            for event, part in zip(ids, self._parts, strict=True)
        }

    @cached_property
    def table(self) -> gpd.GeoDataFrame:
        """All events, those found now first, then those that were withdrawn."""
        windows = [window for found in self.findings for window in found.windows]
        apart = APART * float(np.median([w.end - w.start for w in windows])) if windows else 0.0
        events = self._found
        if self.past.events is not None:
            since = min((window.start for window in windows), default=0)
            events = follow(events, self.past.events, since=since, apart=apart)
        return quieten(events, self.past.reviews, apart)

    @property
    def events(self) -> gpd.GeoDataFrame:
        """The events that stand."""
        return self.table[self.table["state"] != WITHDRAWN]

    @cached_property
    def _parts(self) -> list[Part]:
        """What the events are made of, joined over the cells; none where a cell has none."""
        cells = [found.objects for found in self.findings if found.objects is not None]
        return merge(cells) if len(cells) == len(self.findings) else []

    @property
    def _found(self) -> gpd.GeoDataFrame:
        first = self.findings[0]
        if first.objects is not None:
            return events_of(self._parts, first.objects.rule, str(first.cell.core.crs))
        tables = [found.events for found in self.findings]
        filled = [table for table in tables if len(table)] or tables[:1]
        return gpd.GeoDataFrame(pd.concat(filled, ignore_index=True), crs=filled[0].crs)

    @staticmethod
    def _spans(part: Part) -> tuple[list[int], list[int]]:
        return part.course.starts.tolist(), part.course.ends.tolist()

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
