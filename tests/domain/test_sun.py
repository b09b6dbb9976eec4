from datetime import UTC, datetime

import pytest

from groundshift.domain.sun import sun


@pytest.mark.parametrize(
    ("time", "place", "zenith", "azimuth"),
    [
        # On an equinox the sun stands above the equator, at noon by its own time (7.5 minutes
        # after the clock's on that day).
        ("2020-03-20T12:07:30", (0, 0), 0, None),
        # On the June solstice above the tropic, 23.44 degrees north.
        ("2020-06-20T12:01:45", (0, 23.44), 0, None),
        # In the south at noon; a winter's day in Flanders: 90 - (90 - 50.8 - 23.4).
        ("2020-12-21T11:46:00", (3, 50.8), 74.2, 180),
        # At sunrise on an equinox due east, anywhere.
        ("2020-03-20T06:07:30", (0, 45), 90, 90),
        # Reference example of NREL's algorithm (Reda and Andreas 2003), refraction aside.
        ("2003-10-17T19:30:30", (-105.1786, 39.7425), 50.11, 194.34),
    ],
)
def test_the_sun_stands_where_almanacs_have_it(time, place, zenith, azimuth):
    seconds = int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp())
    found = sun(seconds, *place)
    assert found[0] == pytest.approx(zenith, abs=0.3)
    assert azimuth is None or found[1] == pytest.approx(azimuth, abs=0.5)
