"""Where the sun stands."""

import math

from groundshift.domain.time import DAY

_J2000 = 946_728_000
"""2000-01-01T12:00 UTC in seconds since 1970."""


def sun(time: int, longitude: float, latitude: float) -> tuple[float, float]:
    """Place of the sun in the sky, to about a hundredth of a degree between 1950 and 2050.

    The Astronomical Almanac's low-precision formulas, as in Michalsky (1988), Solar Energy 40,
    without refraction.

    Args:
        time: Seconds since 1970-01-01 UTC.
        longitude: Degrees east.
        latitude: Degrees north.

    Returns:
        Degrees from the zenith, and azimuth in degrees clockwise from north.
    """
    days = (time - _J2000) / DAY
    mean = math.radians(280.460 + 0.9856474 * days)
    anomaly = math.radians(357.528 + 0.9856003 * days)
    ecliptic = mean + math.radians(1.915) * math.sin(anomaly)
    ecliptic += math.radians(0.020) * math.sin(2 * anomaly)
    tilt = math.radians(23.439 - 4e-7 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal = math.radians((6.697375 + 0.0657098242 * days) * 15 + (time % DAY) / DAY * 360)
    hour = sidereal + math.radians(longitude) - ascension
    place = math.radians(latitude)
    height = math.asin(
        math.sin(declination) * math.sin(place)
        + math.cos(declination) * math.cos(place) * math.cos(hour)
    )
    east = -math.cos(declination) * math.sin(hour)
    north = math.sin(declination) * math.cos(place)
    north -= math.cos(declination) * math.sin(place) * math.cos(hour)
    return 90 - math.degrees(height), math.degrees(math.atan2(east, north)) % 360
