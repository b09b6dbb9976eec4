"""The ground of a window of pixels: how much of each kind every pixel holds, at any instant."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.errors import SettingsError
from groundshift.observations.synthetic.events import Events, PresetName, Span
from groundshift.observations.synthetic.plan import (
    CityPlan,
    Classes,
    Metres,
    Numbers,
    city_axes,
    river_distance,
)
from groundshift.observations.synthetic.surfaces import CLASSES, NUMBER

_SAMPLE = 2.5  # metres between the points that a pixel is looked at
_MOST_SAMPLES = 15  # along a pixel's edge: their number must fit into a byte
_STRIP = 32  # rows of pixels at a time
_SHARE_UNITS = 1024  # shares of events are whole numbers of its inverse: sums stay exact
_FLOOD_REACH = 70.0  # metres that the highest flood goes beyond the banks
_TABLE_UNITS = 1e-7


@dataclass(frozen=True)
class Window:
    """Pixels of the map, by their place counted from the origin of the reference system.

    Attributes:
        resolution: Edge of a pixel in metres.
        top: Number of the first row; rows count southwards.
        left: Number of the first column.
        rows: How many.
        columns: How many.
    """

    resolution: float
    top: int
    left: int
    rows: int
    columns: int

    @classmethod
    def of(cls, grid: GeoBox) -> "Window":
        """The pixels of a grid.

        Raises:
            SettingsError: a grid in degrees, turned, or off the lattice of its own pixel size.
        """
        step = grid.transform
        size = float(step.a)
        top, left = -step.f / size, step.c / size
        aligned = max(abs(top - round(top)), abs(left - round(left))) < 1e-6
        square = step.b == step.d == 0 and step.e == -step.a and step.a > 0
        if not (grid.crs is not None and grid.crs.projected and square and aligned):
            raise SettingsError(
                "fetch.source: the synthetic city has square pixels in metres, north up, whose "
                f"corners are multiples of their size; found {step!r} in {grid.crs}. Give "
                "area.bounds or area.geometry with a projected area.crs"
            )
        rows, columns = grid.shape
        return cls(size, round(top), round(left), rows, columns)

    def grown(self, margin: int, multiple: int = 1) -> "Window":
        """With so many more pixels around, out to rows and columns that are such multiples."""
        top, left = ((edge - margin) // multiple * multiple for edge in (self.top, self.left))
        bottom = -(-(self.top + self.rows + margin) // multiple) * multiple
        right = -(-(self.left + self.columns + margin) // multiple) * multiple
        return Window(self.resolution, top, left, bottom - top, right - left)

    def inside(self, larger: "Window") -> tuple[slice, slice]:
        """Where it lies in a larger window."""
        row, column = self.top - larger.top, self.left - larger.left
        return slice(row, row + self.rows), slice(column, column + self.columns)

    @property
    def places(self) -> tuple[Numbers, Numbers]:
        """Numbers of its rows [y, 1] and columns [1, x]."""
        rows = np.arange(self.top, self.top + self.rows)
        return rows[:, None], np.arange(self.left, self.left + self.columns)[None, :]

    @property
    def centres(self) -> tuple[Metres, Metres]:
        """Northings of its rows' and eastings of its columns' centres, [y] and [x]."""
        rows, columns = self.places
        north, east = -(rows[:, 0] + 0.5), columns[0] + 0.5
        return np.asarray(north * self.resolution), np.asarray(east * self.resolution)

    def strips(self) -> Iterator["Window"]:
        """It, a few rows at a time."""
        for first in range(0, self.rows, _STRIP):
            count = min(_STRIP, self.rows - first)
            yield Window(self.resolution, self.top + first, self.left, count, self.columns)


@dataclass(frozen=True)
class _Changing:
    """Pixels that change within the period, one entry per pixel and event.

    Attributes:
        pixel: [entry], ascending.
        event: [entry].
        before: [entry, class] points of each kind that change.
        after: [entry, class] what they become.
    """

    pixel: Numbers
    event: Numbers
    before: Classes
    after: Classes


class Ground:
    """The ground of a window over a period.

    Attributes:
        window: The pixels.
    """

    def __init__(
        self,
        window: Window,
        *,
        seed: int,
        preset: PresetName,
        span: Span,
        during: Span,
    ) -> None:
        """Look at every point of the window once.

        Args:
            window: The pixels.
            seed: Of the city.
            preset: How hard its changes are to find.
            span: When its changes begin.
            during: What part of time will be asked for.
        """
        self.window, self._seed = window, seed
        self._side = min(max(round(window.resolution / _SAMPLE), 2), _MOST_SAMPLES)
        self._plan = plan_of(window, seed)
        self.events = Events.of(self._plan, preset, span)
        self._during = during
        strips = [self._look(strip) for strip in window.strips()]
        self._counts = np.concatenate([counts for counts, _, _ in strips])
        self._bank = np.concatenate([bank for _, bank, _ in strips])
        self._changing = [changing for _, _, changing in strips]

    def strips(self, time: int, flood: float) -> Iterator["GroundStrip"]:
        """The ground at an instant, a few rows at a time.

        Args:
            time: Seconds since 1970, within the period.
            flood: How far rivers stand above their level, 0 to 1.
        """
        bare, done = (np.rint(s * _SHARE_UNITS) for s in self.events.shares(time))
        begun = bare + done > 0
        columns, points = self.window.columns, self._side**2
        first = 0
        for window, changing in zip(self.window.strips(), self._changing, strict=True):
            pixels = slice(first * columns, (first + window.rows) * columns)
            counts = self._counts[pixels] * float(_SHARE_UNITS)
            active = begun[changing.event]
            event, pixel = changing.event[active], changing.pixel[active]
            before, after = changing.before[active], changing.after[active].astype(np.float64)
            change = done[event, None] * after - (bare + done)[event, None] * before
            change[:, NUMBER["bare"]] += bare[event] * before.sum(axis=1, dtype=np.float64)
            np.add.at(counts, pixel, change)
            if flood > 0:
                under = self._bank[pixels] < flood * _FLOOD_REACH
                counts[under] = 0
                counts[under, NUMBER["water"]] = points * _SHARE_UNITS
            yield GroundStrip(window, counts, points * _SHARE_UNITS)
            first += window.rows

    def _look(self, strip: Window) -> tuple[Classes, NDArray[np.float16], _Changing]:
        """Points of each kind per pixel, metres to the river, and what changes, of a strip."""
        side, kinds = self._side, len(CLASSES)
        fine = Window(
            strip.resolution / side, strip.top * side, strip.left * side,
            strip.rows * side, strip.columns * side,
        )  # fmt: skip
        y, x = fine.centres
        u, v = (axis.ravel() for axis in city_axes(x[None, :], y[:, None]))
        rows, columns = np.indices((fine.rows, fine.columns)) // side
        pixel = (rows * strip.columns + columns).ravel()
        distance = river_distance(self._seed, u, v)
        ground = self._plan.classes(u, v)
        event = self.events.at(self._plan, u, v)
        changed = np.flatnonzero(event >= 0)
        number = event[changed]
        first, last = self._during
        ended, begins = self.events.end <= first, self.events.start < last
        after = self.events.classes(number, u[changed], v[changed])
        over = ended[number]
        within = begins[number] & ~over
        changing = _changing(
            pixel[changed][within], number[within], ground[changed][within], after[within]
        )
        ground[changed[over]] = after[over]
        ground[distance < 0] = NUMBER["water"]
        count = strip.rows * strip.columns
        counts = np.bincount(pixel * kinds + ground, minlength=count * kinds)
        bank = np.bincount(pixel, distance, minlength=count) / side**2
        return counts.reshape(-1, kinds).astype(np.uint8), bank.astype(np.float16), changing


@dataclass(frozen=True)
class GroundStrip:
    """A few rows of ground at an instant.

    Attributes:
        window: Its pixels.
        counts: [pixel, class] whole numbers.
        total: Sum of every pixel's counts.
    """

    window: Window
    counts: NDArray[np.float64]
    total: int

    def mixed(self, table: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean of a property over the ground of each pixel.

        Args:
            table: [class, property].

        Returns:
            [y, x, property].
        """
        # Whole numbers again: sums of fractions round by how a library adds them, these don't.
        whole = np.ascontiguousarray(np.rint(table / _TABLE_UNITS).T)
        mixed = np.einsum("pk,vk->pv", self.counts, whole) * (_TABLE_UNITS / self.total)
        shape = (self.window.rows, self.window.columns, table.shape[1])
        return np.asarray(mixed.reshape(shape), np.float32)

    def share(self, kinds: tuple[int, ...]) -> NDArray[np.float32]:
        """Share of some kinds of ground, [y, x]."""
        chosen = np.isin(np.arange(len(CLASSES)), kinds)
        return self.mixed(chosen[:, None].astype(np.float32))[..., 0]


def plan_of(window: Window, seed: int) -> CityPlan:
    """The blocks that a window touches."""
    y, x = window.grown(1).centres
    corners = [city_axes(np.array(e), np.array(n)) for e in x[[0, -1]] for n in y[[0, -1]]]
    (u_low, v_low), (u_high, v_high) = np.min(corners, axis=0), np.max(corners, axis=0)
    return CityPlan.around(seed, (u_low, u_high), (v_low, v_high))


def _changing(pixel: Numbers, event: Numbers, before: Classes, after: Classes) -> _Changing:
    """Points as entries per pixel and event."""
    kinds = len(CLASSES)
    most = int(event.max(initial=0)) + 1
    places, entry = np.unique(pixel * most + event, return_inverse=True)
    tables = [
        np.bincount(entry * kinds + kind, minlength=len(places) * kinds)
        .reshape(-1, kinds)
        .astype(np.uint8)
        for kind in (before, after)
    ]
    return _Changing(places // most, places % most, *tables)
