"""How the city looks through the air: atmosphere, haze, clouds, their shadows, and the mask.

The mask finds clouds and thinks no more of it, as the masks of top-of-atmosphere products do:
shadows and haze stay in, some thin clouds too. Masks of surface products find most shadows.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from groundshift.domain.bands import SENTINEL2, Band
from groundshift.observations.checks import is_thermal
from groundshift.observations.synthetic import chance
from groundshift.observations.synthetic.ground import Ground, Window
from groundshift.observations.synthetic.passes import Stream
from groundshift.observations.synthetic.raster import coarsened, displaced, displacement
from groundshift.observations.synthetic.surfaces import Appearance, appearance
from groundshift.observations.synthetic.weather import Weather, day_of_year

Floats = NDArray[np.float32]

_NAMES = tuple(band.name for band in SENTINEL2)
_PATH = (0.11, 0.08, 0.05, 0.03, 0.027, 0.022, 0.018, 0.016, 0.015, 0.005, 0.001, 0.004, 0.002)
_CLEAR = (0.8, 0.85, 0.89, 0.92, 0.93, 0.94, 0.95, 0.95, 0.95, 0.45, 0.0, 0.97, 0.97)
"""Reflectance that clear air adds, and share of the ground's that it lets through."""
_HAZE = (1.0, 0.9, 0.72, 0.56, 0.52, 0.47, 0.43, 0.4, 0.39, 0.2, 0.0, 0.16, 0.1)
_CLOUD = (0.75, 0.74, 0.72, 0.72, 0.72, 0.71, 0.71, 0.7, 0.7, 0.4, 0.05, 0.42, 0.3)
_CLOUD_KELVIN = 258.0
_AS_SENTINEL2 = {"B1": "B02", "B2": "B03", "B3": "B04", "B4": "B08", "B5": "B11", "B7": "B12"}
"""Bands of the Thematic Mapper by the nearest of Sentinel-2's."""

_HAZE_AMOUNT, _HAZE_SCALE = 0.02, 9000.0
_LEFT_BY_CORRECTION = 0.35  # of the haze that surface products still have
_CLOUD_SCALES = (6000.0, 1500.0)
_OPAQUE = 0.6  # of a field with deviation 1, from a cloud's edge to where nothing shows through
_FOUND, _BLIND = 0.25, 0.75  # opacity that a mask finds, on most dates and on its bad ones
_BLIND_DATES = 0.06
_MISSED, _MISSED_SCALE = 1.7, 500.0
_SHADOW = 0.6  # of the light that an opaque cloud takes
_CLOUD_BASE = 1100.0  # metres
_TEXTURE, _GRAIN, _TEXTURE_SCALE = 0.06, 0.04, 90.0
_NOISE = 0.0015
_GAIN = 0.02  # deviation of an image's brightness as a whole


@dataclass(frozen=True)
class Sky:
    """What stands between the ground and the sensor, [y, x].

    Attributes:
        cloud: Opacity of clouds, 0 to 1.
        shadow: Opacity of the clouds that stand before the sun.
        haze: Reflectance that haze adds in the blue.
        found: Where the mask says cloud.
    """

    cloud: Floats
    shadow: Floats
    haze: Floats
    found: NDArray[np.bool_]


def sky(window: Window, weather: Weather, sensor: str, time: int) -> Sky:
    """The sky over a window at an instant."""
    drawn = weather.drawn("sky", sensor, time)
    kind, coverage, amount, large = drawn.uniform(), drawn.beta(0.7, 0.9), *drawn.uniform(size=2)
    if kind < 0.3:
        coverage = 0.0
    elif kind > 0.72:
        coverage = 1.0
    threshold = float(ndtri(1 - np.clip(coverage, 1e-9, 1 - 1e-9)))
    scale = _CLOUD_SCALES[0] if large < 0.6 else _CLOUD_SCALES[1]
    name = chance.key(weather.seed, "cloud", sensor, time)
    y, x = window.centres

    def opacity(north: float, east: float) -> Floats:
        if coverage in (0.0, 1.0):
            return np.full((len(y), len(x)), coverage, np.float32)
        field = chance.smooth(name, y - north, x - east, scale)
        found = np.clip((field - np.float32(threshold)) / np.float32(_OPAQUE), 0, 1)
        return np.asarray(found, np.float32)

    _, day = day_of_year(time)
    zenith = math.radians(49 - 23.4 * math.cos(2 * math.pi * (day - 172) / 365.25))
    length = _CLOUD_BASE * math.tan(zenith)
    cloud = opacity(0, 0)
    # Before noon the sun stands in the south east: shadows fall to the north west.
    shadow = opacity(0.9 * length, -0.4 * length)
    uneven = chance.smooth(name + 16, y, x, _HAZE_SCALE)
    haze = -math.log(1 - amount) * _HAZE_AMOUNT * np.exp(0.4 * uneven)
    missed = chance.smooth(name + 32, y, x, _MISSED_SCALE) > _MISSED
    blind = drawn.uniform() < _BLIND_DATES
    found = (cloud > (_BLIND if blind else _FOUND)) & ~(missed & (cloud < _BLIND))
    return Sky(cloud, shadow, haze.astype(np.float32), found)


def optical_image(
    ground: Ground,
    stream: Stream,
    bands: tuple[Band, ...],
    weather: Weather,
    time: int,
    *,
    surface: bool,
    shift: float,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Reflectance (kelvin in a thermal band) [y, x, band] and validity [y, x] of a window.

    Args:
        ground: What is there; its window's edges are multiples of the coarsest band's pixels.
        stream: The sensor.
        bands: Those wanted.
        weather: Of the city.
        time: Of the image.
        surface: Whether the atmosphere is corrected for.
        shift: Most pixels by which an image lies off in either direction.
    """
    window = ground.window
    above = sky(window, weather, stream.sensor, time)
    if above.found.all():
        return np.zeros((window.rows, window.columns, len(bands)), np.float32), ~above.found
    drawn = weather.drawn(stream.sensor, time)
    dy, dx = displacement(drawn, shift)
    seen = _seen(appearance(weather, time), stream, bands)
    image = np.concatenate([s.mixed(seen) for s in ground.strips(time, weather.flood(time))])
    light = _light(window, weather.seed) * np.float32(1 + _GAIN * drawn.normal())
    thermal = np.array([is_thermal(stream.mission, band.name) for band in bands])
    image *= np.where(thermal, np.float32(1), light[..., None])
    image = displaced(image, dy, dx)
    rows, columns = window.places
    for i, band in enumerate(bands):
        if thermal[i]:
            image[..., i] += (np.float32(_CLOUD_KELVIN) - image[..., i]) * above.cloud
        else:
            number = _NAMES.index(_AS_SENTINEL2.get(band.name, band.name))
            through = _through(image[..., i], above, number, surface=surface)
            name = chance.key(weather.seed, stream.sensor, time, band.name)
            image[..., i] = through + np.float32(_NOISE) * chance.normal(name, rows, columns)
        image[..., i] = coarsened(image[..., i], factor(band, window.resolution))
    hidden = above.found | (above.shadow > 0.5) if surface else above.found
    return image, ~hidden


def factor(band: Band, resolution: float) -> int:
    """Pixels of the map along a pixel of a band."""
    return max(1, round(band.resolution / resolution))


def _seen(ground: Appearance, stream: Stream, bands: tuple[Band, ...]) -> Floats:
    """What each band sees of each kind of ground, [class, band]."""
    columns = [
        ground.kelvin
        if is_thermal(stream.mission, band.name)
        else ground.reflectance[:, _NAMES.index(_AS_SENTINEL2.get(band.name, band.name))]
        for band in bands
    ]
    return np.stack(columns, axis=1)


def _light(window: Window, seed: int) -> Floats:
    """How much brighter than its kind the ground is at each place, and stays."""
    y, x = window.centres
    name = chance.key(seed, "texture")
    broad = _TEXTURE * chance.smooth(name, y, x, _TEXTURE_SCALE)
    grain = _GRAIN * chance.normal(name + 16, *window.places)
    return np.asarray((1 + broad + grain).clip(0.5), np.float32)


def _through(ground: Floats, above: Sky, band: int, *, surface: bool) -> Floats:
    """The ground as seen through the sky in a band of Sentinel-2, by its number."""
    lit = ground * (1 - np.float32(_SHADOW) * above.shadow)
    haze = above.haze * np.float32(_HAZE[band] * (_LEFT_BY_CORRECTION if surface else 1))
    if not surface:
        lit = lit * np.float32(_CLEAR[band]) + np.float32(_PATH[band])
    hazy = lit * (1 - 2 * haze) + haze
    return np.asarray(hazy + (np.float32(_CLOUD[band]) - hazy) * above.cloud)
