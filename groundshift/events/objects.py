"""Objects: connected pixels that many windows support, with all that an event is described from.

An object that touches the edge of a map may go on in the next cell. Such parts are kept whatever
their size, so that they can be joined over a whole area (see `merging`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import shapes
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from groundshift.domain.cells import pixel_area
from groundshift.events.series import LookSums, ReadSums
from groundshift.events.windows import Course, Support, support
from groundshift.settings import EventSettings

APART = 0.75
"""Neighbours whose dates lie this share of a window's length apart belong to different events."""


@dataclass(frozen=True)
class EventRule:
    """What counts as an event.

    Attributes:
        threshold: support from which a pixel makes an event, and score that raises an alarm.
        low: support from which pixels belong to an event that has such a pixel, and score that
            keeps an alarm up.
        min_pixels: smaller events are dropped.
        smooth: windows of a running median over each pixel's scores; 1 is none.
        confirm: an event is confirmed by so many windows in a row.
    """

    threshold: float
    low: float
    min_pixels: int
    smooth: int = 1
    confirm: int = 1

    @classmethod
    def of(cls, settings: EventSettings, threshold: float) -> "EventRule":
        """The rule of some settings, at a model's threshold."""
        low = settings.hysteresis * threshold
        return cls(threshold, low, settings.min_event, settings.smooth, settings.confirm)


@dataclass(frozen=True)
class ScoredWindows:
    """Score maps of windows on one grid.

    Attributes:
        scores: [window, y, x], NaN where a pixel has none.
        starts: [window] first instant in seconds since 1970.
        ends: [window] first instant after it.
        grid: pixel grid of the maps.
        layers: [window, y, x] of what else they say, by name.
    """

    scores: NDArray[np.float32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    grid: GeoBox
    layers: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def apart(self) -> float:
        """Seconds from which on two dates are different ones."""
        return APART * float(np.median(self.ends - self.starts))


@dataclass(frozen=True)
class Part:
    """A group of connected pixels: an event, or the part of one in a cell.

    Attributes:
        geometry: outline.
        corner: x and y of the centre of its first pixel in rows from the top left.
        pixels: how many.
        area_m2: of all.
        peak: greatest support of a pixel.
        support: sum of the support of its pixels.
        course: scores window by window.
        sums: looks of every sensor.
        cells: ids of the cells it lies in.
    """

    geometry: BaseGeometry
    corner: tuple[float, float]
    pixels: int
    area_m2: float
    peak: float
    support: float
    course: Course
    sums: tuple[LookSums, ...]
    cells: tuple[str, ...]

    def counts(self, rule: EventRule) -> bool:
        """Whether it is an event by itself."""
        return self.pixels >= rule.min_pixels and self.peak >= rule.threshold


@dataclass(frozen=True)
class Edge:
    """Pixels of parts along a map's edge.

    Attributes:
        places: [pixel, 2] column and row, counted from the origin of the reference system.
        dates: [pixel] in seconds.
        numbers: [pixel] index of the part.
    """

    places: NDArray[np.int64]
    dates: NDArray[np.int64]
    numbers: NDArray[np.int64]


@dataclass(frozen=True)
class Objects:
    """What was found on one map.

    Attributes:
        parts: by their first pixel in rows from the top left.
        edge: their pixels along the map's edge.
        apart: seconds from which on two dates are different ones.
        rule: what counts.
    """

    parts: tuple[Part, ...]
    edge: Edge
    apart: float
    rule: EventRule


def label_objects(
    found: Support, rule: EventRule, apart: float, *, open_edges: bool = False
) -> NDArray[np.int32]:
    """Number the connected groups of supported pixels.

    Pixels that share an edge are connected if their dates are near enough: two fields side by side
    that are built over half a year apart are two events. A group needs a pixel that reaches the
    threshold, and may then spread over pixels of low support.

    Args:
        found: support and date of every pixel.
        rule: what counts.
        apart: seconds from which on two dates are different ones.
        open_edges: keep whatever touches the map's edge.

    Returns:
        [y, x], 1, 2, ... by their first pixel in rows from the top left, 0 elsewhere.
    """
    inside = found.value >= rule.low
    places = np.arange(inside.size).reshape(inside.shape)
    pairs = [
        _near(inside, found.date, places, np.s_[:, :-1], np.s_[:, 1:], apart),
        _near(inside, found.date, places, np.s_[:-1, :], np.s_[1:, :], apart),
    ]
    first, second = np.concatenate(pairs, axis=1)
    edges = coo_matrix((np.ones(len(first), bool), (first, second)), shape=(inside.size,) * 2)
    groups = connected_components(edges, directed=False)[1].reshape(inside.shape)
    count = int(groups.max(initial=0)) + 1
    large = np.bincount(groups[inside], minlength=count) >= rule.min_pixels
    sure = np.zeros(count, bool)
    sure[groups[found.value >= rule.threshold]] = True
    wanted = large & sure
    if open_edges:
        for side in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            wanted[groups[side][inside[side]]] = True
    kept = inside & wanted[groups]
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


def find_objects(
    windows: ScoredWindows,
    rule: EventRule,
    *,
    read: ReadSums | None = None,
    cell: str = "",
    open_edges: bool = False,
) -> Objects:
    """The objects of some score maps.

    Args:
        windows: the maps.
        rule: what counts.
        read: series of the objects, for dates to the look.
        cell: id of the cell.
        open_edges: keep whatever touches the maps' edge.
    """
    found = support(windows.scores, windows.starts, windows.ends, rule.smooth)
    labels = label_objects(found, rule, windows.apart, open_edges=open_edges)
    courses = _courses(windows, labels)
    sums: Sequence[Sequence[LookSums]] = read(labels) if read is not None else [()] * len(courses)
    count = len(courses) + 1
    flat, value = labels.ravel(), np.nan_to_num(found.value).ravel()
    pixels = np.bincount(flat, minlength=count)
    total = np.bincount(flat, value, minlength=count)
    peaks = np.zeros(count, np.float32)
    np.maximum.at(peaks, flat, value)
    _, firsts = np.unique(flat, return_index=True)
    pixel, transform = pixel_area(windows.grid), windows.grid.transform
    firsts = firsts[-len(courses) :] if courses else firsts[:0]
    parts = []
    for number, geometry in enumerate(_polygons(labels, windows.grid), start=1):
        row, column = divmod(int(firsts[number - 1]), labels.shape[1])
        parts.append(
            Part(
                geometry,
                transform @ (column + 0.5, row + 0.5),
                int(pixels[number]),
                float(pixels[number] * pixel),
                float(peaks[number]),
                float(total[number]),
                courses[number - 1],
                tuple(sums[number - 1]),
                (cell,) if cell else (),
            )
        )
    return Objects(tuple(parts), _edge(labels, found.date, windows.grid), windows.apart, rule)


def join_parts(parts: Sequence[Part]) -> Part:
    """One part of several that belong together."""
    first, *others = sorted(parts, key=lambda part: (-part.corner[1], part.corner[0]))
    for part in others:
        sums = {own.sensor: own for own in first.sums}
        for own in part.sums:
            sums[own.sensor] = sums[own.sensor] + own if own.sensor in sums else own
        first = replace(
            first,
            geometry=first.geometry.union(part.geometry),
            pixels=first.pixels + part.pixels,
            area_m2=first.area_m2 + part.area_m2,
            peak=max(first.peak, part.peak),
            support=first.support + part.support,
            course=first.course + part.course,
            sums=tuple(sums.values()),
            cells=tuple(sorted({*first.cells, *part.cells})),
        )
    return first


def _courses(windows: ScoredWindows, labels: NDArray[np.int32]) -> list[Course]:
    """Scores of each object window by window."""
    pixels = np.flatnonzero(labels)
    numbers = labels.ravel()[pixels] - 1
    count = int(labels.max(initial=0))
    maps = {"": windows.scores, **windows.layers}
    totals = {name: np.zeros((len(windows.scores), count)) for name in maps}
    known = np.zeros((len(windows.scores), count), np.int64)
    for window, scores in enumerate(windows.scores):
        there = ~np.isnan(np.asarray(scores).ravel()[pixels])
        known[window] = np.bincount(numbers[there], minlength=count)
        for name, values in maps.items():
            seen = np.asarray(values[window]).ravel()[pixels][there]
            totals[name][window] = np.bincount(numbers[there], seen, minlength=count)
    score = totals.pop("")
    return [
        Course(
            windows.starts,
            windows.ends,
            score[:, number],
            known[:, number],
            {name: total[:, number] for name, total in totals.items()},
        )
        for number in range(count)
    ]


def _edge(labels: NDArray[np.int32], dates: NDArray[np.int64], grid: GeoBox) -> Edge:
    rim = np.zeros(labels.shape, bool)
    rim[[0, -1], :] = rim[:, [0, -1]] = True
    rows, columns = np.nonzero(rim & (labels > 0))
    transform = grid.transform
    left, top = round(transform.c / transform.a), round(transform.f / transform.e)
    places = np.stack([columns + left, rows + top], axis=1)
    return Edge(places, dates[rows, columns], labels[rows, columns].astype(np.int64) - 1)


def _polygons(labels: NDArray[np.int32], grid: GeoBox) -> list[BaseGeometry]:
    """Outline of each object, in the order of their numbers."""
    outlines = shapes(labels, mask=labels > 0, connectivity=4, transform=grid.transform)
    numbered = sorted(((int(number), outline) for outline, number in outlines), key=lambda o: o[0])
    return [shape(outline) for _, outline in numbered]
