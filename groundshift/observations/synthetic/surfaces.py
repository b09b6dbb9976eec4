"""What every kind of ground looks like on a day: reflectance, temperature and radar backscatter.

Reflectance follows typical spectra of the ECOSTRESS library (Meerdink et al., Remote Sensing of
Environment 230, 2019) and, for roofs and roads, of Herold et al. (IEEE TGRS 42(9), 2004). C-band
backscatter at about 39 degrees: crops after Veloso et al. (Remote Sensing of Environment 199,
2017), forest after Frison et al. (Remote Sensing 10(12), 2018), built-up ground, water and bare
ground in the ranges that these papers and Ulaby and Dobson's Handbook of Radar Scattering
Statistics for Terrain (1989) give. A roof's value holds the double bounce at its walls.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.bands import SENTINEL2
from groundshift.observations.synthetic.weather import Weather, day_of_year

Floats = NDArray[np.float32]

FIELDS, MEADOWS = 12, 3
"""Groups of fields and of meadows that are worked alike."""

_Row = tuple[str, float, float, tuple[float, ...], float]
_Look = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Reflectance in all bands, and VV and VH in dB."""

_STEADY: tuple[_Row, ...] = (
    # name, VV and VH in dB, reflectance in the bands of `_KNOTS`, kelvin above the air at noon
    ("asphalt", -17.0, -25.0, (7, 8, 9, 9.5, 10, 10.5, 11, 11, 13, 12), 12),
    ("paved", -13.0, -21.0, (19, 21.5, 23.5, 24.5, 25, 25.5, 26, 26.5, 27.5, 25.5), 9),
    ("roof_tile", -1.5, -9.0, (9, 12, 18, 21, 23, 24, 25, 26, 28, 26), 12),
    ("roof_dark", -2.0, -9.5, (6, 6.5, 7, 7.5, 8, 8.5, 9, 9, 11, 11), 14),
    ("roof_metal", 0.5, -8.0, (35, 37, 39, 40, 41, 42, 43, 43, 44, 40), 5),
    ("solar", -8.0, -17.0, (5, 5, 5, 5.5, 6, 7, 8, 8.5, 10, 9), 12),
    ("greenhouse", -5.5, -14.0, (20, 23, 25, 27, 31, 33, 34, 35, 30, 24), 6),
    ("rock", -9.0, -18.5, (18, 23, 28, 31, 33, 34, 35, 36, 42, 38), 9),
    ("bare", -11.5, -20.5, (11, 15, 20, 22, 24, 25, 26.5, 28, 35, 31), 9),
    ("conifer", -8.0, -13.5, (2, 3.5, 2.5, 5.5, 14, 18, 19, 20, 10, 5), 0),
    ("water", -22.0, -29.0, (5, 5.5, 3.5, 3, 2.5, 2.2, 2, 1.8, 0.8, 0.5), -3),
)
_SEASONAL = ("garden", "deciduous")
CLASSES: tuple[str, ...] = (
    *(row[0] for row in _STEADY),
    *_SEASONAL,
    *(f"meadow_{i}" for i in range(MEADOWS)),
    *(f"field_{i}" for i in range(FIELDS)),
)
"""Names of the kinds of ground, in the order of every table here."""
NUMBER: dict[str, int] = {name: i for i, name in enumerate(CLASSES)}
ROOFS = tuple(NUMBER[name] for name in ("roof_tile", "roof_dark", "roof_metal", "greenhouse"))
"""Kinds that stand up: they lie over towards the radar."""

_KNOTS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
_GREEN = (3, 6, 3.5, 10, 32, 40, 43, 45, 22, 11)
_SOIL = (9, 12, 16, 18, 20, 21, 22.5, 24, 31, 27)
_STUBBLE = (10, 14, 19, 22, 25, 27, 29, 31, 37, 29)
_LEAVES = (2.5, 4.5, 2.5, 7.5, 25, 32, 34, 35, 18, 8)
_BRANCHES = (5, 6.5, 8, 10, 13, 15, 16, 17.5, 22, 16)
_SNOW = (90, 88, 86, 85, 84, 83, 82, 80, 12, 10)
_SNOW_COVER = {"roof_tile": 0.6, "asphalt": 0.3, "conifer": 0.4, "water": 0.0}
_SMOOTH, _PLOUGHED = (-13.5, -22.0), (-10.5, -19.5)
_STUBBLE_DB, _MEADOW_DB, _GARDEN_DB = (-12.0, -19.5), (-11.5, -18.5), (-9.5, -15.5)
_LEAVES_DB, _BRANCHES_DB = (-8.5, -14.0), (-9.3, -15.8)
_SAME_CROP = 0.7  # share of the years in which a field bears its usual crop
_WET_SOIL_DB, _WET_SNOW_DB = 2.0, -3.0


@dataclass(frozen=True)
class Crop:
    """How a crop's year runs: days of the year of half cover, half senescence and harvest."""

    up: int
    down: int
    harvest: int
    cover: float
    winter: bool
    """Sown in autumn, so that it is green in winter already."""
    db: tuple[float, float]
    """VV and VH of full cover."""


CROPS = (
    Crop(95, 192, 212, 0.92, True, (-13.5, -20.0)),  # winter wheat
    Crop(165, 262, 282, 0.90, False, (-9.5, -15.5)),  # maize
    Crop(80, 182, 202, 0.95, True, (-10.5, -14.5)),  # rapeseed
    Crop(152, 312, 315, 0.92, False, (-8.8, -14.5)),  # sugar beet
    Crop(157, 245, 265, 0.85, False, (-9.2, -14.8)),  # potatoes
)


@dataclass(frozen=True)
class Appearance:
    """All kinds of ground on one day.

    Attributes:
        reflectance: [class, band], bands of Sentinel-2 in their order, at the surface.
        kelvin: [class], brightness temperature in the morning.
        power: [class, 2], linear VV and VH.
    """

    reflectance: Floats
    kelvin: Floats
    power: Floats


def appearance(weather: Weather, time: int) -> Appearance:
    """The kinds of ground at an instant (seconds since 1970)."""
    moisture, snow = weather.moisture(time), weather.snow(time)
    year, day = day_of_year(time)
    looks = (
        *(_steady(row, moisture) for row in _STEADY),
        _garden(day),
        _deciduous(day),
        *(_meadow(weather, group, year, day) for group in range(MEADOWS)),
        *(_field(weather, group, year, day, moisture) for group in range(FIELDS)),
    )
    spectra, decibels = zip(*looks, strict=True)
    covered = snow * np.array([_SNOW_COVER.get(name, 0.9) for name in CLASSES])[:, None]
    reflectance = (1 - covered) * np.array(spectra) + covered * _spectrum(_SNOW)
    power = 10 ** ((np.array(decibels) + covered * _WET_SNOW_DB) / 10)
    return Appearance(
        reflectance.astype(np.float32),
        _kelvin(weather.air(time), day, covered[:, 0]).astype(np.float32),
        power.astype(np.float32),
    )


def _kelvin(air: float, day: float, covered: NDArray[np.float64]) -> NDArray[np.float64]:
    sun = 0.55 - 0.45 * math.cos(2 * math.pi * (day - 11) / 365)
    warmer = np.array([row[4] for row in _STEADY] + [2, 0] + [2] * MEADOWS + [4] * FIELDS)
    found = air + sun * warmer
    return np.where(covered > 0.3, np.minimum(found, 272.0), found)


def _spectrum(percent: tuple[float, ...]) -> NDArray[np.float64]:
    """Reflectance in all bands; B01, B09 and B10 follow their neighbours."""
    known = dict(zip(_KNOTS, percent, strict=True))
    known |= {"B01": 0.9 * known["B02"], "B09": known["B8A"]}
    known["B10"] = (known["B8A"] + known["B11"]) / 2
    return np.array([known[band.name] for band in SENTINEL2]) / 100


def _mixed(
    parts: tuple[tuple[float, tuple[float, ...], tuple[float, float]], ...],
) -> _Look:
    """Reflectance, and backscatter in dB, of shares of several covers."""
    spectrum = sum(share * _spectrum(percent) for share, percent, _ in parts)
    power = sum(share * 10 ** (np.array(db) / 10) for share, _, db in parts)
    return np.asarray(spectrum), 10 * np.log10(power)


def _rise(day: float, middle: float, width: float) -> float:
    return 1 / (1 + math.exp(-(day - middle) / width))


def _leaf(day: float, out: float, fall: float) -> float:
    return _rise(day, out, 7) * (1 - _rise(day, fall, 9))


def _steady(row: _Row, moisture: float) -> _Look:
    name, vv, vh, spectrum, _ = row
    wet = _WET_SOIL_DB / 2 * (moisture - 0.5) if name in ("bare", "rock") else 0.0
    return _spectrum(spectrum), np.array([vv, vh]) + wet


def _garden(day: float) -> _Look:
    green = 0.4 + 0.3 * _leaf(day, 105, 305)
    return _mixed(((green, _GREEN, _GARDEN_DB), (1 - green, _STUBBLE, _GARDEN_DB)))


def _deciduous(day: float) -> _Look:
    leaf = _leaf(day, 118, 305)
    return _mixed(((leaf, _LEAVES, _LEAVES_DB), (1 - leaf, _BRANCHES, _BRANCHES_DB)))


def _meadow(weather: Weather, group: int, year: int, day: float) -> _Look:
    """Grass that is mown two or three times a year and grows again."""
    drawn = weather.drawn("meadow", group, year)
    cuts = drawn.uniform([135, 185, 245], [160, 225, 280])[: int(drawn.integers(2, 4))]
    since = min((day - cut for cut in cuts if day >= cut), default=90.0)
    green = (0.55 + 0.3 * _leaf(day, 90, 310)) * (1 - 0.55 * math.exp(-since / 14))
    stubble_db = (_MEADOW_DB[0] - 1.0, _MEADOW_DB[1] - 1.0)
    return _mixed(((green, _GREEN, _MEADOW_DB), (1 - green, _STUBBLE, stubble_db)))


def _field(weather: Weather, group: int, year: int, day: float, moisture: float) -> _Look:
    """Arable land: this year's crop, then stubble, then the plough and what is sown next."""
    crop, drawn = _grown(weather, group, year)
    following, _ = _grown(weather, group, year + 1)
    late, ploughed = drawn.uniform(-10, 10), drawn.uniform(20, 75)
    harvest = crop.harvest + late
    bare_db = np.array(_SMOOTH) + _WET_SOIL_DB * (moisture - 0.5)
    soil = tuple(value * (1.15 - 0.45 * moisture) * drawn.uniform(0.85, 1.2) for value in _SOIL)
    if day < harvest:
        cover = crop.cover * _rise(day, crop.up + late, 9)
        ripe = _rise(day, crop.down + late, 6)
        if crop.winter:
            cover = max(cover, 0.3)
        elif day < crop.up + late - 35:  # lies ploughed until it is sown
            bare_db = np.array(_PLOUGHED) + _WET_SOIL_DB / 2 * (moisture - 0.5)
        parts = (
            (cover * (1 - ripe), _GREEN, crop.db),
            (cover * ripe, _STUBBLE, crop.db),
            (1 - cover, soil, _pair(bare_db)),
        )
        return _mixed(parts)
    since = day - harvest - ploughed
    if since < 0:
        return _mixed(((0.7, _STUBBLE, _STUBBLE_DB), (0.3, soil, _pair(bare_db))))
    # The clods of the plough wear off over weeks.
    rough = math.exp(-since / 25)
    db = rough * np.array(_PLOUGHED) + (1 - rough) * bare_db
    sprouted = 0.3 * _rise(since, 40, 8) if following.winter else 0.0
    return _mixed(((sprouted, _GREEN, following.db), (1 - sprouted, soil, _pair(db))))


def _grown(weather: Weather, group: int, year: int) -> tuple[Crop, np.random.Generator]:
    """The crop of a group's year, and the chance of the rest of that year."""
    drawn = weather.drawn("field", group, year)
    usual = weather.drawn("field", group).integers(len(CROPS))
    other = drawn.integers(len(CROPS))
    return CROPS[int(usual if drawn.uniform() < _SAME_CROP else other)], drawn


def _pair(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


MEAN_VV: NDArray[np.float64] = 10 ** (
    np.array([row[1] for row in _STEADY] + [-9.5, -8.9] + [-11.8] * MEADOWS + [-11.0] * FIELDS) / 10
)
"""Linear power of VV by class, mean over a year."""
