"""Which satellites pass when, and what their images hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from groundshift.domain import bands
from groundshift.domain.bands import Band
from groundshift.domain.eras import EraName
from groundshift.domain.time import DAY


@dataclass(frozen=True)
class Stream:
    """A sensor of the city and its timetable.

    Attributes:
        sensor: Name of the stream.
        mission: Key of `domain.bands.TABLES`.
        repeat: Days from one pass of a platform to the next.
        platforms: Name of each platform, and on which day of the repeat it passes.
        second: Of the day, UTC.
        ascending: Of radar: whether it looks from the west; descending passes look from the east.
        orbit: As products have it; empty for optical.
    """

    sensor: str
    mission: str
    repeat: int
    platforms: tuple[tuple[str, int], ...]
    second: int
    ascending: bool = False
    orbit: str = ""

    def times(self, start: int, end: int) -> Iterator[tuple[int, str]]:
        """Instant and platform of every pass within [start, end) in seconds, ascending."""
        for day in range(start // DAY, -(-end // DAY)):
            for platform, phase in self.platforms:
                time = day * DAY + self.second
                if day % self.repeat == phase and start <= time < end:
                    yield time, platform

    @property
    def bands(self) -> tuple[Band, ...]:
        """Its bands in the mission's order."""
        return bands.TABLES[self.mission]


_S1 = ((("S1A", 2), ("S1B", 8)), (("S1A", 5), ("S1B", 11)))
_ERS = ((("ERS-1", 11), ("ERS-2", 12)), (("ERS-1", 27), ("ERS-2", 28)))

STREAMS: dict[EraName, tuple[Stream, ...]] = {
    "s12": (
        Stream("s1_088", "sentinel1", 12, _S1[0], 62_640, True, "ascending 88"),
        Stream("s1_110", "sentinel1", 12, _S1[1], 20_940, False, "descending 110"),
        Stream("s2", "sentinel2", 10, (("S2A", 1), ("S2B", 6)), 39_360),
    ),
    "ers12ls5": (
        Stream("ers_258", "ers", 35, _ERS[0], 77_700, True, "ascending 258"),
        Stream("ers_423", "ers", 35, _ERS[1], 37_800, False, "descending 423"),
        Stream("l5", "landsat_tm", 16, (("L5", 9),), 36_600),
    ),
}
"""Radar streams first, in the order of the network's two radar inputs."""

L2A = tuple(band.name for band in bands.SENTINEL2 if band.resolution < 60)
"""Bands of a Sentinel-2 image of the surface."""
