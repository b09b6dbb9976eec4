"""How the city looks to a radar: buildings that lie over, shadow, speckle."""

import numpy as np
from numpy.typing import NDArray

from groundshift.observations.synthetic import chance
from groundshift.observations.synthetic.ground import Ground
from groundshift.observations.synthetic.passes import Stream
from groundshift.observations.synthetic.raster import displaced, displacement
from groundshift.observations.synthetic.surfaces import CLASSES, NUMBER, ROOFS, appearance
from groundshift.observations.synthetic.weather import Weather

Floats = NDArray[np.float32]

_LAYOVER = 7.5  # metres by which a building of 6 m lies over at 39 degrees of incidence
_SHADE = 0.4  # of the ground's power lost behind buildings
_WIND = 1.0  # dB, deviation of open water from date to date
_CALIBRATION = 0.15  # dB, deviation of an image as a whole
_NOISE = 10**-2.6  # linear power of the sensor's own noise
_ROUGHNESS = 0.1  # deviation of the ground's power from pixel to pixel, which stays
_SCATTERERS = 8.0  # looks of the pattern, also steady, of strong scatterers among roofs


def radar_image(
    ground: Ground, stream: Stream, weather: Weather, time: int, *, looks: float, shift: float
) -> Floats:
    """Linear power [y, x, band] of the ground's window.

    Args:
        ground: What is there.
        stream: The orbit that looks.
        weather: Of the city.
        time: Of the image.
        looks: Equivalent number of looks of the speckle.
        shift: Most pixels by which an image lies off in either direction.
    """
    drawn = weather.drawn(stream.sensor, time)
    dy, dx = displacement(drawn, shift)
    table = appearance(weather, time).power[:, : len(stream.bands)].copy()
    table[NUMBER["water"]] *= 10 ** (_WIND * drawn.normal() / 10)
    table *= 10 ** (_CALIBRATION * drawn.normal() / 10)
    standing = np.isin(np.arange(len(CLASSES)), ROOFS)[:, None]
    tables = np.concatenate([np.where(standing, 0, table), np.where(standing, table, 0)], axis=1)
    strips = list(ground.strips(time, weather.flood(time)))
    both = np.concatenate([strip.mixed(tables) for strip in strips])
    roofs = np.concatenate([strip.share(ROOFS) for strip in strips])
    low, high = both[..., : len(stream.bands)], both[..., len(stream.bands) :]
    rows, columns = ground.window.places
    name = chance.key(weather.seed, stream.sensor)
    low = low * (1 + _ROUGHNESS * chance.normal(name, rows, columns))[..., None].clip(0.1)
    high = high * chance.speckle(_SCATTERERS, name + 1, rows, columns)[..., None]
    # An ascending orbit looks from the west, so that buildings fall westwards.
    over = _LAYOVER / ground.window.resolution * (-1 if stream.ascending else 1)
    low *= (1 - _SHADE * displaced(roofs[..., None], 0, -over)).astype(np.float32)
    power = displaced(low + displaced(high, 0, over), dy, dx) + np.float32(_NOISE)
    for band in range(len(stream.bands)):
        name = chance.key(weather.seed, stream.sensor, time, band)
        power[..., band] *= chance.speckle(looks, name, rows, columns)
    return power
