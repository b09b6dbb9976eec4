"""Weather of a seed: how wet, how cold, how snowy and how flooded a day is, anywhere."""

import math
from datetime import UTC, datetime

import numpy as np

from groundshift.domain.time import DAY
from groundshift.observations.synthetic import chance

_MEMORY_DAYS = 20  # of rain and snow that still matters
_DRY, _THAW = 5.0, 6.0  # days in which soil dries and snow melts to a third


class Weather:
    """The weather, the same over the whole city."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def drawn(self, *names: object) -> np.random.Generator:
        """Chance that belongs to this seed and some names."""
        return chance.generator(self.seed, "weather", *names)

    def moisture(self, time: int) -> float:
        """Of the topsoil, 0 (dry) to 1 (soaked)."""
        fallen = sum(
            max(self._day("rain", day), 0.0) * math.exp(-age / _DRY) for day, age in _past(time)
        )
        return 1 - math.exp(-0.35 * fallen)

    def snow(self, time: int) -> float:
        """Share of open ground under snow."""
        depth = 0.0
        for day, age in _past(time):
            year, of_year = day_of_year(day * DAY)
            winter = max(math.cos(2 * math.pi * (of_year - 20) / 365) - 0.6, 0) / 0.4
            harsh = self.drawn("winter", year + (of_year > 180)).uniform()
            if self._day("snow", day) > 2.3 - 0.9 * harsh * winter and winter > 0:
                depth += 2.0 * math.exp(-age / _THAW)
        return 1 - math.exp(-depth) if depth > 0.1 else 0.0

    def flood(self, time: int) -> float:
        """How far water stands above its level, 0 to 1; a flood comes in most winters."""
        year, day = day_of_year(time)
        winter = year + (day > 240)
        drawn = self.drawn("flood", winter)
        peak = drawn.uniform(-45, 75)
        height = drawn.uniform(0.3, 1.0) * (drawn.uniform() < 0.7)
        since = (day - 365.25 * (day > 240)) - peak
        return height * math.exp(-((since / (5.0 if since < 0 else 9.0)) ** 2))

    def air(self, time: int) -> float:
        """Temperature of the air in kelvin."""
        _, day = day_of_year(time)
        return (
            283 - 8 * math.cos(2 * math.pi * (day - 20) / 365) + 3 * self._day("air", time // DAY)
        )

    def _day(self, what: str, day: int) -> float:
        """A standard normal number of a day."""
        place = np.array(day, np.int64)
        return float(chance.normal(chance.key(self.seed, what), place, np.zeros_like(place)))


def day_of_year(time: int) -> tuple[int, float]:
    """Year, and days since it began."""
    now = datetime.fromtimestamp(time, UTC)
    begun = datetime(now.year, 1, 1, tzinfo=UTC)
    return now.year, (now - begun).total_seconds() / DAY


def _past(time: int) -> list[tuple[int, float]]:
    """The days up to an instant, and how many days ago each was."""
    today = time // DAY
    return [(today - ago, time / DAY - (today - ago)) for ago in range(_MEMORY_DAYS)]
