import numpy as np

from groundshift.domain.time import DAY
from groundshift.observations.synthetic.weather import Weather, day_of_year

DAYS = np.arange(17_000, 17_000 + 8 * 365) * DAY


def month(time):
    return int(day_of_year(int(time))[1] // 30.5)


def test_snow_falls_in_winters_only_and_melts():
    snow = np.array([Weather(4).snow(int(t)) for t in DAYS])
    months = np.array([month(t) for t in DAYS])
    assert snow[(months > 3) & (months < 10)].max() == 0
    assert snow.max() > 0.5
    assert 0.005 < np.mean(snow > 0.2) < 0.1


def test_floods_come_in_winter_rise_and_fall():
    weather = Weather(4)
    level = np.array([weather.flood(int(t)) for t in DAYS])
    months = np.array([month(t) for t in DAYS])
    assert level.max() > 0.5
    assert level[(months > 5) & (months < 9)].max() < 0.01
    assert np.abs(np.diff(level)).max() < 0.3, "not from one day to the next"


def test_soil_is_wet_after_rain_and_dries():
    moisture = np.array([Weather(4).moisture(int(t)) for t in DAYS[:600]])
    assert 0 <= moisture.min() < 0.3
    assert 0.8 < moisture.max() < 1
    assert np.corrcoef(moisture[1:], moisture[:-1])[0, 1] > 0.6


def test_another_seed_is_other_weather():
    assert Weather(1).moisture(int(DAYS[0])) != Weather(2).moisture(int(DAYS[0]))
