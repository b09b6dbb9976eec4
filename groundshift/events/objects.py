"""Change events: connected pixels that many windows support, as polygons with a date."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import shapes
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from shapely.geometry import shape

from groundshift.cube.store import CellCube
from groundshift.domain.cells import pixel_area
from groundshift.events.dating import (
    MeanSeries,
    Support,
    fit_transition,
    high_span,
    support,
    window_dates,
)

Place = tuple[slice, slice]
"""Rows and columns."""

ReadSeries = Callable[[Place, NDArray[np.bool_]], Sequence[MeanSeries]]
"""Gives the mean radar series of some pixels [y, x] of a place on the scores' grid."""

APART = 0.75
"""Neighbours whose dates lie this share of a window's length apart belong to different events."""

COLUMNS = ("id", "score", "start", "date", "end", "area_m2", "pixels")
EVENT_TYPES = {
    "id": "object",
    "score": "float64",
    **dict.fromkeys(("start", "date", "end"), "datetime64[s]"),
    "area_m2": "float64",
    "pixels": "int64",
}
"""Of the columns, also where there is no event."""


@dataclass(frozen=True)
class ScoredWindows:
    """Score maps of windows on one grid.

    Attributes:
        scores: [window, y, x], NaN where a pixel has none.
        starts: [window] first instant in seconds since 1970.
        ends: [window] first instant after it.
        grid: pixel grid of the maps.
    """

    scores: NDArray[np.float32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    grid: GeoBox


def label_objects(
    supported: Support, threshold: float, *, min_pixels: int, apart: float
) -> NDArray[np.int32]:
    """Number the connected groups of supported pixels.

    Pixels that share an edge are connected if their dates are near enough: two fields side by side
    that are built over half a year apart are two events.

    Args:
        supported: support and date of every pixel.
        threshold: a pixel belongs to an event from this support on.
        min_pixels: smaller groups are dropped.
        apart: seconds from which on two dates are different ones.

    Returns:
        [y, x], 1, 2, ... by their first pixel in rows from the top left, 0 elsewhere.
    """
    inside = supported.value >= threshold
    places = np.arange(inside.size).reshape(inside.shape)
    pairs = [
        _near(inside, supported.date, places, np.s_[:, :-1], np.s_[:, 1:], apart),
        _near(inside, supported.date, places, np.s_[:-1, :], np.s_[1:, :], apart),
    ]
    first, second = np.concatenate(pairs, axis=1)
    edges = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(inside.size,) * 2)
    groups = connected_components(edges, directed=False)[1].reshape(inside.shape)
    sizes = np.bincount(groups[inside], minlength=int(groups.max(initial=0)) + 1)
    kept = inside & (sizes[groups] >= min_pixels)
    labels = np.zeros(inside.shape, np.int32)
    numbers, begins, members = np.unique(groups[kept], return_index=True, return_inverse=True)
    rank = np.empty(len(numbers), np.int32)
    rank[np.argsort(begins)] = np.arange(1, len(numbers) + 1)
    labels[kept] = rank[members]
    return labels


def _near(
    inside: NDArray[np.bool_],
    dates: NDArray[np.int64],
    places: NDArray[np.int64],
    one: tuple[slice, slice],
    other: tuple[slice, slice],
    apart: float,
) -> NDArray[np.int64]:
    """Pairs of neighbours that belong together: [2, pair] places."""
    together = inside[one] & inside[other] & (np.abs(dates[one] - dates[other]) < apart)
    return np.stack([places[one][together], places[other][together]])


def find_events(
    windows: ScoredWindows,
    *,
    threshold: float,
    min_pixels: int,
    read: ReadSeries | None = None,
    prefix: str = "",
) -> gpd.GeoDataFrame:
    """Dated events of some score maps.

    Args:
        windows: the maps.
        threshold: a pixel belongs to an event if its `dating.support` is so high.
        min_pixels: smaller events are dropped.
        read: the radar series, for dates to the day; without it, or where it says nothing, the
            date is that of the windows, and start and end are those of the high windows together.
        prefix: before the number in each id, to tell areas or cells apart.

    Returns:
        A row per event with geometry, id, score (mean support of its pixels), start, date,
        end (of the transition, UTC), area_m2, pixels.
    """
    supported = support(windows.scores, windows.starts, windows.ends)
    apart = APART * float(np.median(windows.ends - windows.starts))
    labels = label_objects(supported, threshold, min_pixels=min_pixels, apart=apart)
    geometries = _polygons(labels, windows.grid)
    boxes = ndimage.find_objects(labels)
    pixel = pixel_area(windows.grid)
    rows = []
    for number, geometry in enumerate(geometries, start=1):
        place = boxes[number - 1]
        inside = labels[place] == number
        start, date, end = _dates(windows, place, inside, read)
        rows.append(
            {
                "id": f"{prefix}{number:04d}",
                "geometry": geometry,
                "score": float(supported.value[place][inside].mean()),
                "start": _instant(start),
                "date": _instant(date),
                "end": _instant(end),
                "area_m2": float(inside.sum() * pixel),
                "pixels": int(inside.sum()),
            }
        )
    table = gpd.GeoDataFrame(
        rows, columns=[*COLUMNS, "geometry"], geometry="geometry", crs=str(windows.grid.crs)
    )
    return table.astype(EVENT_TYPES)


def cube_series(cube: CellCube, origin: tuple[int, int] = (0, 0)) -> ReadSeries:
    """Mean radar series from a cell of a cube.

    A frame counts where most of the pixels got a new look; the mean is over those that did.

    Args:
        cube: the cell.
        origin: row and column of the scores' first pixel on the cell's grid.
    """
    sensors = [name for role, name in sorted(cube.roles.items()) if role.startswith("radar")]

    def read(place: Place, inside: NDArray[np.bool_]) -> list[MeanSeries]:
        rows, columns = (
            slice(part.start + first, part.stop + first)
            for part, first in zip(place, origin, strict=True)
        )
        series = []
        for sensor in sensors:
            frames, frame_of_step = cube.frames(sensor, 0, len(cube.times), rows, columns)
            _, first_steps = np.unique(frame_of_step, return_index=True)
            fresh = frames.fresh[:, inside]
            looks = np.flatnonzero(fresh.mean(axis=1) > 0.5)
            weights = fresh[looks][..., None].astype(np.float64)
            total = (frames.values[looks][:, inside] * weights).sum(axis=1)
            times = cube.times[first_steps[looks]]
            series.append(MeanSeries(times, total / weights.sum(axis=1)))
        return series

    return read


def _dates(
    windows: ScoredWindows,
    place: Place,
    inside: NDArray[np.bool_],
    read: ReadSeries | None,
) -> tuple[float, float, float]:
    """Start, date and end of an event in seconds since 1970."""
    scores = np.nanmean(windows.scores[:, *place][:, inside], axis=1)
    start, end = high_span(scores, windows.starts, windows.ends)
    if read is not None:
        transition = fit_transition(read(place, inside), start, end)
        if transition is not None:
            return transition.start, transition.middle, transition.end
    return start, float(window_dates(scores, windows.starts, windows.ends)), end


def _polygons(labels: NDArray[np.int32], grid: GeoBox) -> list:  # type: ignore[type-arg]
    """Outline of each object, in the order of their numbers."""
    outlines = shapes(labels, mask=labels > 0, connectivity=4, transform=grid.transform)
    numbered = sorted(((int(number), outline) for outline, number in outlines), key=lambda o: o[0])
    return [shape(outline) for _, outline in numbered]


def _instant(seconds: float) -> pd.Timestamp:
    return pd.Timestamp(round(seconds), unit="s")
