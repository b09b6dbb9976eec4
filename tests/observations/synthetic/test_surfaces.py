import numpy as np

from groundshift.domain.bands import SENTINEL2
from groundshift.domain.time import DAY
from groundshift.observations.synthetic.surfaces import (
    CLASSES,
    FIELDS,
    MEAN_VV,
    NUMBER,
    appearance,
)
from groundshift.observations.synthetic.weather import Weather

YEAR = [int(np.datetime64("2018-01-01", "s").astype(int)) + i * 5 * DAY for i in range(146)]
BAND = {band.name: i for i, band in enumerate(SENTINEL2)}


def series():
    return [appearance(Weather(3), time) for time in YEAR]


def ndvi(reflectance):
    nir, red = reflectance[..., BAND["B08"]], reflectance[..., BAND["B04"]]
    return (nir - red) / (nir + red)


def test_every_value_is_one_that_ground_can_have():
    for day in series():
        assert day.reflectance.shape == (len(CLASSES), 13)
        assert 0 < day.reflectance.min() < day.reflectance.max() < 1
        assert 240 < day.kelvin.min() < day.kelvin.max() < 330
        assert (day.power[:, 1] < day.power[:, 0]).all(), "cross polarisation is weaker"


def test_crops_green_and_are_ploughed_while_roofs_stay():
    found = np.array([ndvi(day.reflectance) for day in series()])
    fields = found[:, NUMBER["field_0"] : NUMBER["field_0"] + FIELDS]
    assert (np.ptp(fields, axis=0) > 0.4).all()
    assert len(np.unique(fields.round(3), axis=1)[0]) > 3, "groups grow different crops"
    power = np.array([10 * np.log10(day.power[:, 0]) for day in series()])
    fields = power[:, NUMBER["field_0"] : NUMBER["field_0"] + FIELDS]
    assert (np.ptp(fields, axis=0) > 3).all(), "the plough and growth show in the radar"
    for roof in ("roof_tile", "roof_metal"):
        snowless = [w for w, day in zip(found[:, NUMBER[roof]], YEAR, strict=True)
                    if Weather(3).snow(day) == 0]  # fmt: skip
        assert np.ptp(snowless) == 0


def test_leaves_fall_and_conifers_keep_theirs():
    found = np.array([ndvi(day.reflectance) for day in series()])
    summer, winter = found[36], found[70]
    assert summer[NUMBER["deciduous"]] - winter[NUMBER["deciduous"]] > 0.3
    assert abs(summer[NUMBER["conifer"]] - winter[NUMBER["conifer"]]) < 0.3


def test_mean_powers_are_those_of_the_year():
    power = np.mean([day.power[:, 0] for day in series()], axis=0)
    first = NUMBER["field_0"]
    off = 10 * np.log10(power / MEAN_VV)
    assert np.abs(off[:first]).max() < 0.5
    assert abs(off[first:].mean()) < 0.5, "a field's mean depends on what it grew"


def test_snow_is_bright_in_the_visible_and_dark_in_the_shortwave_infrared():
    class Snowed(Weather):
        def snow(self, time):
            return 1.0

    field = appearance(Snowed(0), YEAR[0]).reflectance[NUMBER["field_0"]]
    assert field[BAND["B03"]] > 0.7
    assert field[BAND["B11"]] < 0.25
