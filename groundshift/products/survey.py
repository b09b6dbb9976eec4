"""One pass over a cell's scores: maps on disk, events, and what a page needs to show them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rasterio.features import geometry_mask
from rasterio.windows import from_bounds
from rasterio.windows import transform as window_transform
from shapely.geometry.base import BaseGeometry

from groundshift.cube.store import CellCube
from groundshift.domain.cells import Cell, pixel_area
from groundshift.errors import ContractError
from groundshift.events.objects import ScoredWindows, cube_series, find_events
from groundshift.products.canvas import Canvas, coarsen
from groundshift.products.maps import NO_DATE, CellMaps, MapWindow

LISTED = 60
"""Most events that a page lists; the files hold all."""


@dataclass(frozen=True)
class Course:
    """Score of an event through time.

    Attributes:
        windows: the windows.
        scores: [window] mean over the event's pixels.
    """

    windows: tuple[MapWindow, ...]
    scores: NDArray[np.float32]


@dataclass
class Survey:
    """What was found in an area, cell after cell.

    Attributes:
        canvas: the picture grid.
        threshold: score from which a pixel counts as changed.
        min_pixels: smallest event.
        windows: those mapped in each cell.
        hectares: area at or above the threshold by window, over all cells.
        courses: score through time of the strongest events, by id.
        score: [y, x] greatest score on the picture grid.
        day: [y, x] days since 1970 of that score.
    """

    canvas: Canvas
    threshold: float
    min_pixels: int
    windows: dict[Cell, tuple[MapWindow, ...]] = field(default_factory=dict)
    hectares: dict[MapWindow, float] = field(default_factory=dict)
    courses: dict[str, Course] = field(default_factory=dict)
    score: NDArray[np.float32] = field(init=False)
    day: NDArray[np.int32] = field(init=False)
    _events: list[gpd.GeoDataFrame] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        """Start with an empty picture."""
        self.score = self.canvas.blank()
        self.day = self.canvas.blank(dtype=np.int32, fill=NO_DATE)

    @property
    def events(self) -> gpd.GeoDataFrame:
        """All events, in the order of the cells."""
        found = [table for table in self._events if len(table)] or self._events[:1]
        return gpd.GeoDataFrame(pd.concat(found, ignore_index=True), crs=found[0].crs)

    def add(
        self,
        cell_cube: CellCube,
        scores: Iterable[tuple[int, NDArray[np.float32]]],
        windows: Mapping[int, MapWindow],
        writer: CellMaps,
        scratch: Path,
    ) -> None:
        """Write a cell's maps as its scores come, and find its events.

        All scores of a cell are needed to outline and date events; they lie in a file meanwhile.

        Args:
            cell_cube: for the dates, by its radar series.
            scores: window id and score [y, x] on the cell's core, in order of time.
            windows: by id, exactly those that `scores` gives.
            writer: of the cell's maps.
            scratch: folder for the file, which is removed again.

        Raises:
            ContractError: scores of other windows than expected.
        """
        cell = cell_cube.cell
        path = scratch / f"{cell.id}.npy"
        shape = (len(windows), *cell.core.shape)
        held = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        pixel = pixel_area(cell.core)
        expected = list(windows)
        found = []
        for number, (window_id, score) in enumerate(scores):
            found.append(window_id)
            if found != expected[: number + 1]:
                break
            window = windows[window_id]
            writer.add(window, score)
            held[number] = score
            changed = float((score >= self.threshold).sum() * pixel / 1e4)
            self.hectares[window] = self.hectares.get(window, 0.0) + changed
        if found != expected:
            raise ContractError(
                f"cell {cell.id}: expected scores of windows {expected[:3]}... ({len(expected)}), "
                f"found {found[-3:]} at the end of {len(found)}"
            )
        self.windows[cell] = tuple(writer.windows)
        maximum, day = writer.finish()
        score, its_day = coarsen(maximum, day, self.canvas.factor)
        self.canvas.paste(self.score, cell, score)
        self.canvas.paste(self.day, cell, its_day)
        self._find(cell_cube, held)
        del held
        path.unlink()

    def _find(self, cell_cube: CellCube, scores: NDArray[np.float32]) -> None:
        cell = cell_cube.cell
        windows = self.windows[cell]
        scored = ScoredWindows(
            scores,
            np.array([window.start for window in windows]),
            np.array([window.end for window in windows]),
            cell.core,
        )
        rows, columns = cell.inner
        events = find_events(
            scored,
            threshold=self.threshold,
            min_pixels=self.min_pixels,
            read=cube_series(cell_cube, (rows.start, columns.start)),
            prefix=f"{cell.id}-",
        )
        self._events.append(events)
        for _, event in strongest(events).iterrows():
            inside = course(cell, scores, event.geometry)
            self.courses[event["id"]] = Course(windows, inside)


def strongest(events: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """At most `LISTED` events, by score times size."""
    weight = (events["score"] * events["pixels"]).to_numpy(np.float64)
    order = np.lexsort((events["id"].to_numpy(str), -weight))
    return events.iloc[order[:LISTED]].reset_index(drop=True)


def course(cell: Cell, scores: NDArray[np.float32], geometry: BaseGeometry) -> NDArray[np.float32]:
    """Mean score inside a polygon, [window], from scores [window, y, x] on a cell's core."""
    grid = cell.core.transform
    place = from_bounds(*geometry.bounds, transform=grid).round_offsets().round_lengths()
    rows, columns = place.toslices()
    mask = geometry_mask(
        [geometry], (place.height, place.width), window_transform(place, grid), invert=True
    )
    mean: NDArray[np.float32] = np.nanmean(scores[:, rows, columns][:, mask], axis=1)
    return mean
