"""What changes in the city, where and when: the truth.

Every block has one lot or four, and on a lot at most one thing happens in the whole span of the
changes, in a rectangle of it. So what happens at a place depends on nothing but the place.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Literal

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from groundshift.domain.time import DAY, as_datetime64
from groundshift.observations.synthetic import chance
from groundshift.observations.synthetic.plan import (
    BLOCK,
    CityPlan,
    Classes,
    Metres,
    Numbers,
    Zone,
    built,
    map_axes,
    river_distance,
)
from groundshift.observations.synthetic.surfaces import MEAN_VV, NUMBER

PresetName = Literal["city", "hard"]

LONGEST = 548
"""Days that the slowest change takes: 18 months."""
_SHORTEST = 30  # days of the fastest change that is not sudden
_MARGIN = 8.0  # metres that a lot keeps from its block's edge
_ROAD_WIDTH = 12.0
_ONE_LOT = 0.12  # share of blocks that are one lot
_DRY = 150.0  # metres from the river at which anything may be built
_PATCH = 5.0  # metres: a partial change comes in patches of this size

Span = tuple[int, int]
"""First instant, and first instant after, in seconds."""


@dataclass(frozen=True)
class Preset:
    """How hard the changes of a city are to find.

    Attributes:
        gradual: Share of the events that take 30 to 548 days; all others are sudden.
        tiny: Share that is smaller than 0.1 ha.
        strengths: Shares of the ground in an event's rectangle that change, with their frequency.
    """

    gradual: float
    tiny: float
    strengths: tuple[tuple[float, float], ...]


PRESETS: dict[PresetName, Preset] = {
    "city": Preset(0.30, 0.08, ((1.0, 0.75), (0.6, 0.25))),
    "hard": Preset(0.42, 0.26, ((1.0, 0.44), (0.6, 0.11), (0.35, 0.12), (0.2, 0.33))),
}


class Cause(IntEnum):
    """What happens on a lot."""

    NOTHING = 0
    BUILDING = 1
    DEMOLITION = 2
    SOLAR = 3
    GREENHOUSE = 4
    QUARRY = 5
    ROAD = 6
    FELLING = 7


_OTHER = (Cause.QUARRY, Cause.FELLING)
"""Changes that are not urban."""

_FREQUENCY: dict[Zone, dict[Cause, float]] = {
    Zone.DENSE: {Cause.DEMOLITION: 0.4},
    Zone.RESIDENTIAL: {Cause.DEMOLITION: 0.35, Cause.BUILDING: 0.05},
    Zone.INDUSTRIAL: {Cause.DEMOLITION: 0.4},
    Zone.ARABLE: {
        Cause.BUILDING: 0.62,
        Cause.SOLAR: 0.05,
        Cause.GREENHOUSE: 0.06,
        Cause.QUARRY: 0.05,
        Cause.ROAD: 0.06,
    },
    Zone.MEADOW: {Cause.BUILDING: 0.7, Cause.SOLAR: 0.04, Cause.ROAD: 0.04},
    Zone.FOREST: {Cause.BUILDING: 0.4, Cause.FELLING: 0.2, Cause.QUARRY: 0.06, Cause.ROAD: 0.04},
}


@dataclass(frozen=True)
class Events:
    """All events of a plan's blocks, [event] each.

    Attributes:
        seed: Of the city.
        lots: [block, 4] number of the event on each lot, -1 where there is none.
        place: [event, 2] row and column of the lot on the lattice of half blocks.
        box: [event, 4] u0, v0, u1, v1 in metres.
        cause: `Cause`.
        zone: What the lot was before.
        look: What a building is built as.
        strength: Share of the rectangle's ground that changes.
        start: Seconds since 1970.
        end: Likewise; equal to the start for a sudden change.
    """

    seed: int
    lots: Numbers
    place: Numbers
    box: Metres
    cause: Numbers
    zone: Numbers
    look: Numbers
    strength: NDArray[np.float64]
    start: Numbers
    end: Numbers

    @classmethod
    def of(cls, plan: CityPlan, preset: PresetName, span: Span) -> "Events":
        """What happens on the lots of a plan; every event begins within the span."""
        rows, columns = plan.blocks
        whole = chance.uniform(chance.key(plan.seed, "one lot"), rows, columns) < _ONE_LOT
        block, lot = np.nonzero(~whole[:, None] | (np.arange(4) == 0))
        place = np.stack([2 * rows[block] + lot // 2, 2 * columns[block] + lot % 2], axis=1)
        drawn = _Drawn(plan.seed, place)
        zone, kind = plan.zones.ravel()[block], PRESETS[preset]
        cause = _causes(zone, drawn)
        box = _boxes(place, whole[block], cause, kind.tiny, drawn)
        middle = (box[:, 0] + box[:, 2]) / 2, (box[:, 1] + box[:, 3]) / 2
        cause[river_distance(plan.seed, *middle) < _DRY] = Cause.NOTHING
        start, end = _dates(span, kind.gradual, drawn)
        happens = cause != Cause.NOTHING
        lots = np.full((len(rows), 4), -1, np.int64)
        lots[block[happens], lot[happens]] = np.arange(happens.sum())
        lots[whole] = lots[whole, :1]
        large = (box[:, 2] - box[:, 0]) * (box[:, 3] - box[:, 1]) > 1500
        shed = drawn("look") < 0.5
        look = np.where(shed, Zone.INDUSTRIAL, Zone.DENSE)
        look = np.where(large & (zone != Zone.RESIDENTIAL), look, Zone.RESIDENTIAL)
        look = np.where(zone == Zone.RESIDENTIAL, Zone.DENSE, look)
        levels, shares = np.array(kind.strengths).T
        level = np.searchsorted(np.cumsum(shares)[:-1], drawn("strength"), side="right")
        chosen = (place, box, cause, zone, look, levels[level], start, end)
        return cls(plan.seed, lots, *(values[happens] for values in chosen))

    def at(self, plan: CityPlan, u: Metres, v: Metres) -> Numbers:
        """Number of the event that changes the ground at points, -1 where none does."""
        half = BLOCK / 2
        lot = (v // half % 2 * 2 + u // half % 2).astype(np.int64)
        found = self.lots[plan.block_at(u, v), lot]
        there = np.flatnonzero(found >= 0)
        event, u, v = found[there], u[there], v[there]
        u0, v0, u1, v1 = self.box[event].T
        inside = (u >= u0) & (u < u1) & (v >= v0) & (v < v1)
        patch = chance.uniform(
            chance.key(self.seed, "part"),
            np.floor(v / _PATCH).astype(np.int64),
            np.floor(u / _PATCH).astype(np.int64),
        )
        inside &= patch < self.strength[event]
        found[there[~inside]] = -1
        return found

    def classes(self, event: Numbers, u: Metres, v: Metres) -> Classes:
        """Kind of ground at points after their events."""
        cause = self.cause[event]
        return _after(self.seed, cause, self.look[event], u, v)

    def shares(self, time: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Shares of an event's ground that are laid bare, and that are finished, at an instant."""
        length = np.maximum(self.end - self.start, 1)
        passed = np.clip((time - self.start) / length, 0, 1)
        passed = np.where(self.end == self.start, time >= self.start, passed)
        finished = np.clip((passed - _CLEARED) / (1 - _CLEARED), 0, 1)
        return np.minimum(passed / _CLEARED, 1) - finished, finished

    def truth(self, crs: str, during: Span, within: shapely.Geometry) -> gpd.GeoDataFrame:
        """The events of a period and place as a table, as planted changes have it.

        Columns: geometry, id, kind (`urban` or `other`), start, end, strength, plot, and beside
        them cause and contrast (dB, VV, typical of the ground before and after).

        Args:
            crs: Of the map.
            during: What part of time.
            within: What the events must touch, in `crs`.
        """
        u0, v0, u1, v1 = self.box.T
        corners = [map_axes(u, v) for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1))]
        rings = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
        shapes = np.asarray(shapely.polygons(rings))
        known = (self.end >= during[0]) & (self.start < during[1])
        chosen = np.flatnonzero(known & shapely.intersects(shapes, within))
        names = [Cause(cause).name.lower() for cause in self.cause[chosen]]
        row, column = self.place[chosen].T
        table = {
            "id": [f"{n}_{r}_{c}" for n, r, c in zip(names, row, column, strict=True)],
            "kind": np.where(np.isin(self.cause[chosen], _OTHER), "other", "urban"),
            "start": as_datetime64(self.start[chosen]),
            "end": as_datetime64(self.end[chosen]),
            "strength": self.strength[chosen],
            "plot": (row << 24) + column,
            "cause": names,
            "contrast": self.contrast[chosen],
        }
        found = gpd.GeoDataFrame(table, geometry=shapes[chosen], crs=crs)
        return found.sort_values(["start", "id"], ignore_index=True)

    @property
    def contrast(self) -> NDArray[np.float64]:
        """Typical change of VV in decibels, of the whole rectangle."""
        before = _typical_before()[self.zone]
        after = _typical_after()[self.cause, self.look]
        mixed = (1 - self.strength) * before + self.strength * after
        return np.asarray(10 * np.log10(mixed / before))


_CLEARED = 0.3  # of a gradual change's time until its ground is bare


class _Drawn:
    """Uniform numbers per lot for a purpose."""

    def __init__(self, seed: int, place: Numbers) -> None:
        self._seed, self._place = seed, place

    def __call__(self, what: str) -> NDArray[np.float64]:
        return chance.uniform(chance.key(self._seed, "event", what), *self._place.T)


def _causes(zone: Numbers, drawn: _Drawn) -> Numbers:
    table = np.zeros((len(Zone), len(Cause)))
    for ground, causes in _FREQUENCY.items():
        table[ground, list(causes)] = list(causes.values())
    table[:, Cause.NOTHING] = 1 - table.sum(axis=1)
    return np.asarray((drawn("cause")[:, None] >= np.cumsum(table[zone], axis=1)[:, :-1]).sum(1))


def _boxes(
    place: Numbers, whole: NDArray[np.bool_], cause: Numbers, tiny: float, drawn: _Drawn
) -> Metres:
    """Rectangles inside the lots: u0, v0, u1, v1."""
    room = np.where(whole, BLOCK, BLOCK / 2) - 2 * _MARGIN
    small = drawn("tiny") < tiny
    sides = []
    for name in ("width", "depth"):
        share = drawn(name)
        sides.append(np.where(small, 18 + 12 * share, room * (0.75 + 0.25 * share)))
    width, depth = sides
    road = cause == Cause.ROAD
    width, depth = np.where(road, _ROAD_WIDTH, width), np.where(road, room, depth)
    v0, u0 = (place * (BLOCK / 2)).T + _MARGIN
    u0 = u0 + (room - width) * drawn("left")
    v0 = v0 + (room - depth) * drawn("below")
    return np.stack([u0, v0, u0 + width, v0 + depth], axis=1)


def _dates(span: Span, gradual: float, drawn: _Drawn) -> tuple[Numbers, Numbers]:
    first, last = (instant // DAY for instant in span)
    start = first + np.floor(drawn("start") * (last - first)).astype(np.int64)
    days = _SHORTEST + np.floor(drawn("days") * (LONGEST + 1 - _SHORTEST)).astype(np.int64)
    length = np.where(drawn("gradual") < gradual, days, 0)
    return start * DAY, (start + length) * DAY


def _after(seed: int, cause: Numbers, look: Numbers, u: Metres, v: Metres) -> Classes:
    """Kind of ground at points once their event is over."""
    found = np.full(u.shape, NUMBER["bare"], np.uint8)
    for kind, pattern in (
        (Cause.DEMOLITION, np.where(v % 20 < 13, NUMBER["bare"], NUMBER["garden"])),
        (Cause.SOLAR, np.where(v % 8 < 5.5, NUMBER["solar"], NUMBER["meadow_0"])),
        (Cause.GREENHOUSE, np.where(u % 40 < 34, NUMBER["greenhouse"], NUMBER["paved"])),
        (Cause.QUARRY, np.full(u.shape, NUMBER["rock"])),
        (Cause.ROAD, np.full(u.shape, NUMBER["asphalt"])),
        (Cause.FELLING, np.where(v % 10 < 6, NUMBER["meadow_1"], NUMBER["bare"])),
    ):
        mine = cause == kind
        found[mine] = pattern[mine]
    buildings = cause == Cause.BUILDING
    found[buildings] = built(seed, u[buildings], v[buildings], look[buildings])
    return found


@lru_cache(maxsize=1)
def _typical_before() -> NDArray[np.float64]:
    """Mean power of VV by zone."""
    u, v = _sampled()
    town = [built(0, u, v, np.full(u.shape, zone)) for zone in range(3)]
    country = [[NUMBER["field_0"]], [NUMBER["meadow_0"]], [NUMBER["deciduous"]]]
    return np.array([MEAN_VV[np.asarray(kinds)].mean() for kinds in (*town, *country)])


@lru_cache(maxsize=1)
def _typical_after() -> NDArray[np.float64]:
    """Mean power of VV by cause and look."""
    u, v = _sampled()
    return np.array(
        [
            [
                MEAN_VV[_after(0, np.full(u.shape, cause), np.full(u.shape, look), u, v)].mean()
                for look in range(3)
            ]
            for cause in Cause
        ]
    )


def _sampled() -> tuple[Metres, Metres]:
    """Points of a few blocks."""
    u, v = np.meshgrid(np.arange(0, 5 * BLOCK, 2.5), np.arange(0, 5 * BLOCK, 2.5))
    return u.ravel(), v.ravel()
