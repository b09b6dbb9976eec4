"""The plan of the city: which kind of ground lies at any point before anything changes.

The city is a grid of blocks, turned against the map so that its edges cut pixels. Coordinates along
its two axes are u and v in metres. Smooth fields decide which blocks are town, fields or forest;
a river meanders through every few kilometres.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from groundshift.observations.synthetic import chance
from groundshift.observations.synthetic.surfaces import FIELDS, MEADOWS, NUMBER

BLOCK = 160.0
"""Edge of a block in metres."""
_TURN = math.radians(17)
_COS, _SIN = math.cos(_TURN), math.sin(_TURN)

_TOWN_SCALE, _GREEN_SCALE = 3000.0, 1400.0
_TOWN, _CENTRE, _INDUSTRY = 0.75, 1.35, 0.9  # of fields with a deviation of 1
_FOREST, _MEADOW = 1.1, 0.35
_STREET, _LANE = 5.0, 3.5  # half widths in metres
_LANE_EVERY = 3  # blocks between the lanes of open country
_RIVERS, _RIVER_WIDTH, _MEANDER = 5000.0, 14.0, 450.0
_MEANDER_SCALE, _MEANDER_STEP = 2200.0, 20.0

Metres = NDArray[np.float64]
Numbers = NDArray[np.int64]
Classes = NDArray[np.uint8]


class Zone(IntEnum):
    """What a block is used for, or what is built on a lot."""

    DENSE = 0
    RESIDENTIAL = 1
    INDUSTRIAL = 2
    ARABLE = 3
    MEADOW = 4
    FOREST = 5


def city_axes(x: Metres, y: Metres) -> tuple[Metres, Metres]:
    """Coordinates u, v of points on the map; `x` and `y` broadcast."""
    return x * _COS + y * _SIN, y * _COS - x * _SIN


def map_axes(u: Metres, v: Metres) -> tuple[Metres, Metres]:
    """Coordinates x, y of points of the city."""
    return u * _COS - v * _SIN, u * _SIN + v * _COS


@dataclass(frozen=True)
class CityPlan:
    """The ground of a seed over a rectangle of blocks.

    Attributes:
        seed: Of the city.
        first: v and u number of the first block.
        zones: [v, u] `Zone` of every block.
    """

    seed: int
    first: tuple[int, int]
    zones: NDArray[np.int64]

    @classmethod
    def around(cls, seed: int, u: tuple[float, float], v: tuple[float, float]) -> "CityPlan":
        """The blocks that a range of u and v touches."""
        first_u, first_v = (math.floor(low / BLOCK) for low, _ in (u, v))
        columns = np.arange(first_u, math.floor(u[1] / BLOCK) + 1)
        rows = np.arange(first_v, math.floor(v[1] / BLOCK) + 1)
        return cls(seed, (first_v, first_u), _zones(seed, rows, columns))

    @property
    def blocks(self) -> tuple[Numbers, Numbers]:
        """Numbers of all blocks along v and u, [block] each, in rows."""
        rows, columns = np.indices(self.zones.shape)
        return (rows + self.first[0]).ravel(), (columns + self.first[1]).ravel()

    def block_at(self, u: Metres, v: Metres) -> Numbers:
        """Place of points' blocks in `blocks`."""
        rows = np.floor(v / BLOCK).astype(np.int64) - self.first[0]
        columns = np.floor(u / BLOCK).astype(np.int64) - self.first[1]
        return np.asarray(rows * self.zones.shape[1] + columns)

    def classes(self, u: Metres, v: Metres) -> Classes:
        """Kind of ground at points before any change, [point]."""
        zones = self.zones.ravel()[self.block_at(u, v)]
        found = self.open_ground(u, v, zones)
        town = zones <= Zone.INDUSTRIAL
        found[town] = built(self.seed, u[town], v[town], zones[town])
        found[_on_road(u, v, town)] = NUMBER["asphalt"]
        return found

    def open_ground(self, u: Metres, v: Metres, zones: Numbers) -> Classes:
        """Kind of ground at points that nothing is built on."""
        # A field is two blocks long, a meadow or wood one.
        row, column = np.floor(v / BLOCK).astype(np.int64), np.floor(u / BLOCK).astype(np.int64)
        parcel = chance.uniform(chance.key(self.seed, "parcel"), row, column)
        field = chance.uniform(chance.key(self.seed, "field"), row, column // 2)
        found = NUMBER["field_0"] + (field * FIELDS).astype(np.int64)
        meadow = NUMBER["meadow_0"] + (parcel * MEADOWS).astype(np.int64)
        wood = np.where(parcel < 0.65, NUMBER["deciduous"], NUMBER["conifer"])
        found = np.where(zones == Zone.MEADOW, meadow, found)
        return np.where(zones == Zone.FOREST, wood, found).astype(np.uint8)


def built(seed: int, u: Metres, v: Metres, zones: Numbers) -> Classes:
    """Kind of ground at points of built-up lots: roofs smaller than a pixel, yards, gardens.

    Args:
        seed: Of the city.
        u: [point].
        v: [point].
        zones: [point], one of the three built-up zones.
    """
    pitch = np.choose(zones, (25.0, 20.0, 80.0))
    along, across = u % pitch, v % pitch
    house = chance.uniform(
        chance.key(seed, "house"),
        np.floor(v / pitch).astype(np.int64),
        np.floor(u / pitch).astype(np.int64),
    )
    width, depth = np.choose(zones, (17.0, 9.0, 50.0)), np.choose(zones, (17.0, 10.0, 46.0))
    empty = house < np.choose(zones, (0.05, 0.1, 0.3))
    roof = (along < width) & (across < depth) & ~empty
    tiles = np.where(house < 0.5, NUMBER["roof_tile"], NUMBER["roof_dark"])
    sheds = np.where(house < 0.7, NUMBER["roof_metal"], NUMBER["roof_dark"])
    kind = np.where(zones == Zone.INDUSTRIAL, sheds, tiles)
    drive = (zones != Zone.RESIDENTIAL) | ((along > 15) & (across < 12))
    yard = np.where(drive, NUMBER["paved"], NUMBER["garden"])
    yard = np.where((zones == Zone.INDUSTRIAL) & (across > 62), NUMBER["asphalt"], yard)
    return np.where(roof, kind, yard).astype(np.uint8)


def river_distance(seed: int, u: Metres, v: Metres) -> NDArray[np.float32]:
    """Metres from points to the bank of the nearest river, negative on its water, [point]."""
    low, high = (math.floor(edge / _MEANDER_STEP) for edge in (v.min(), v.max()))
    lattice = np.arange(low, high + 2) * _MEANDER_STEP
    nearest = np.full(u.shape, np.inf, np.float32)
    for number in range(
        math.floor(u.min() / _RIVERS - 0.5), math.floor(u.max() / _RIVERS + 0.5) + 2
    ):
        name = chance.key(seed, "river", number)
        bends = chance.smooth(name, lattice, np.zeros(1), _MEANDER_SCALE)[:, 0]
        middle = number * _RIVERS + _MEANDER * np.interp(v, lattice, bends.astype(np.float64))
        nearest = np.minimum(nearest, np.abs(u - middle).astype(np.float32))
    return nearest - np.float32(_RIVER_WIDTH)


def _on_road(u: Metres, v: Metres, town: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether points lie on a street, or on one of the lanes of open country."""
    on = np.zeros(u.shape, bool)
    for along in (u, v):
        line = np.rint(along / BLOCK)
        distance = np.abs(along - line * BLOCK)
        on |= town & (distance < _STREET)
        on |= (line % _LANE_EVERY == 0) & (distance < _LANE)
    return on


def _zones(seed: int, rows: Numbers, columns: Numbers) -> Numbers:
    """Zones of blocks, [v, u]."""
    v, u = (np.asarray((places + 0.5) * BLOCK, np.float64) for places in (rows, columns))
    town = chance.smooth(chance.key(seed, "town"), v, u, _TOWN_SCALE)
    work = chance.smooth(chance.key(seed, "industry"), v, u, _GREEN_SCALE)
    green = chance.smooth(chance.key(seed, "green"), v, u, _GREEN_SCALE)
    country = np.where(green > _FOREST, Zone.FOREST, Zone.ARABLE)
    country = np.where(green < _MEADOW, Zone.MEADOW, country)
    urban = np.where(town > _CENTRE, Zone.DENSE, Zone.RESIDENTIAL)
    urban = np.where(work > _INDUSTRY, Zone.INDUSTRIAL, urban)
    return np.where(town > _TOWN, urban, country).astype(np.int64)
