"""The source `synthetic`: a city made from a seed, whose every change is known."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.artifacts import digest
from groundshift.domain import eras
from groundshift.domain.bands import Band
from groundshift.domain.cells import Cell
from groundshift.domain.eras import EraName
from groundshift.domain.signature import Sensor
from groundshift.domain.time import stamp
from groundshift.observations.checks import is_thermal
from groundshift.observations.costs import Cost
from groundshift.observations.radiometry import REFLECTANCE_STEP
from groundshift.observations.sources.base import Acquisition, Image
from groundshift.observations.synthetic.events import Events
from groundshift.observations.synthetic.ground import Ground, Window, plan_of
from groundshift.observations.synthetic.optical import factor, optical_image
from groundshift.observations.synthetic.passes import L2A, STREAMS, Stream
from groundshift.observations.synthetic.radar import radar_image
from groundshift.observations.synthetic.weather import Weather
from groundshift.settings import CitySettings, PeriodSettings

_VERSION = 1
"""Of the city: another number where the same seed gives other pixels."""
_MARGIN = 3  # pixels around a cell that displacement and layover look at
_OFFSET_FROM = int(np.datetime64("2022-01-25", "s").astype(np.int64))
_OFFSET = 1000  # what Sentinel-2 numbers have added since then (processing baseline 04.00)
_COEFFICIENT = "sigma0"
_CHANGES: dict[EraName, PeriodSettings] = {
    "s12": PeriodSettings(start="2016-01-01", end="2024-01-01"),
    "ers12ls5": PeriodSettings(start="1992-01-01", end="2002-01-01"),
}


class SyntheticSource:
    """A city made from a seed."""

    settings_key = "fetch.synthetic"

    licences: Sequence[str] = ("synthetic images made by groundshift (no rights reserved)",)

    def __init__(
        self, settings: CitySettings, *, cells: Sequence[Cell], period: PeriodSettings
    ) -> None:
        """List the passes of a period; pixels are made on reading.

        Args:
            settings: Which city and which sensors.
            cells: Of the area; the truth is that of them all.
            period: First and last instant.

        Raises:
            SettingsError: cells that are not made of square pixels in metres.
        """
        self._settings, self._cells = settings, cells
        begin = settings.changes or _CHANGES[settings.era]
        self._span = begin.start_seconds, begin.end_seconds
        self._during = period.start_seconds, period.end_seconds
        self._weather = Weather(settings.seed)
        self._streams = {stream.sensor: stream for stream in STREAMS[settings.era]}
        self._grounds: dict[Window, Ground] = {}
        self._lock = Lock()
        self.sensors = {name: self._describe(stream) for name, stream in self._streams.items()}
        self.acquisitions = tuple(
            item for name in sorted(self._streams) for item in self._passes(self._streams[name])
        )
        self.inputs = {
            f"synthetic/{name}": digest(
                [_VERSION, *(a.source for a in self.acquisitions if a.sensor == name)]
            )
            for name in self.sensors
        }
        self.truth = self._truth()

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """Nothing: a pass is made here."""
        return None

    @contextmanager
    def open(self, acquisition: Acquisition) -> Iterator["SyntheticScene"]:
        """A pass over the city."""
        yield SyntheticScene(self, acquisition)

    def image(self, acquisition: Acquisition, grid: GeoBox) -> Image:
        """What a pass sees of a grid."""
        stream = self._streams[acquisition.sensor]
        ground = self._ground(Window.of(grid), grid)
        settings = self._settings
        shift = settings.misregistration
        if self.sensors[stream.sensor].kind == "radar":
            looks = settings.looks or eras.era(settings.era).looks
            values = radar_image(
                ground, stream, self._weather, acquisition.time, looks=looks, shift=shift
            )
            valid = np.ones(values.shape[:2], bool)
        else:
            values, valid = optical_image(
                ground,
                stream,
                self._bands(stream),
                self._weather,
                acquisition.time,
                surface=self._surface(stream),
                shift=shift,
            )
            values = self._numbered(values, stream, acquisition.time)
        rows, columns = Window.of(grid).inside(ground.window)
        kept = _kept(values[rows, columns], valid[rows, columns])
        return Image(kept, valid[rows, columns], measured=np.ones(kept.shape[:2], bool))

    def _ground(self, window: Window, grid: GeoBox) -> Ground:
        """The ground of a window, made once and kept."""
        multiple = self._multiple(window.resolution)
        with self._lock:
            if window not in self._grounds:
                self._grounds[window] = Ground(
                    window.grown(0, multiple).grown(_MARGIN, multiple),
                    seed=self._settings.seed,
                    preset=self._settings.preset,
                    span=self._span,
                    during=self._during,
                )
            return self._grounds[window]

    def _multiple(self, resolution: float) -> int:
        """Pixels on the edge of squares that hold whole pixels of every band."""
        return math.lcm(
            *(factor(b, resolution) for s in self._streams.values() for b in self._bands(s))
        )

    def _bands(self, stream: Stream) -> tuple[Band, ...]:
        if not self._surface(stream):
            return stream.bands
        return tuple(band for band in stream.bands if band.name in L2A)

    def _surface(self, stream: Stream) -> bool:
        return stream.mission == "sentinel2" and self._settings.level == "L2A"

    def _describe(self, stream: Stream) -> Sensor:
        names = tuple(band.name for band in self._bands(stream))
        if stream.orbit:
            return Sensor(
                name=stream.sensor,
                kind="radar",
                mission=stream.mission,
                bands=names,
                level="GRD",
                units="linear power",
                coefficient=_COEFFICIENT,
                orbit=stream.orbit,
            )
        codes = not any(is_thermal(stream.mission, name) for name in names)
        return Sensor(
            name=stream.sensor,
            kind="optical",
            mission=stream.mission,
            bands=names,
            level=self._settings.level if stream.mission == "sentinel2" else "L1TOA",
            units="reflectance",
            dtype="uint16" if codes else "float32",
            scale=REFLECTANCE_STEP if codes else 1.0,
        )

    def _passes(self, stream: Stream) -> Iterator[Acquisition]:
        outage = self._settings.outage
        silent = stream.platforms[-1][0] if stream.orbit else ""
        for time, platform in stream.times(*self._during):
            if outage and platform == silent and outage.start_seconds <= time < outage.end_seconds:
                continue
            baseline = ""
            if stream.mission == "sentinel2":
                baseline = "0400" if time >= _OFFSET_FROM else "0301"
            name = f"{stream.sensor}/{stamp(time)}"
            yield Acquisition(stream.sensor, time, name, "", name, baseline, stream.orbit, platform)

    def _numbered(
        self, values: NDArray[np.float32], stream: Stream, time: int
    ) -> NDArray[np.float32]:
        """Reflectance as it comes back from the whole numbers of a Sentinel-2 product."""
        if stream.mission != "sentinel2":
            return values
        offset = _OFFSET if time >= _OFFSET_FROM else 0
        numbers = np.rint(values / np.float32(REFLECTANCE_STEP)) + offset
        removed = offset if self._settings.harmonised else 0
        restored = (numbers.clip(0) - removed).clip(0) * np.float32(REFLECTANCE_STEP)
        return np.asarray(restored, np.float32)

    def _truth(self) -> gpd.GeoDataFrame:
        grids = [cell.grid for cell in self._cells]
        windows = [Window.of(grid) for grid in grids]
        top, left = min(w.top for w in windows), min(w.left for w in windows)
        bottom = max(w.top + w.rows for w in windows)
        right = max(w.left + w.columns for w in windows)
        whole = Window(windows[0].resolution, top, left, bottom - top, right - left)
        settings = self._settings
        events = Events.of(plan_of(whole, settings.seed), settings.preset, self._span)
        area = shapely.union_all([shapely.box(*grid.boundingbox.bbox) for grid in grids])
        return events.truth(str(grids[0].crs), self._during, area)


@dataclass(frozen=True)
class SyntheticScene:
    """One pass over the city."""

    source: SyntheticSource
    acquisition: Acquisition

    @property
    def footprint(self) -> str:
        """In words."""
        return "everything"

    def read(self, grid: GeoBox) -> Image:
        """The image on a grid."""
        return self.source.image(self.acquisition, grid)

    def mask_numbers(self, grid: GeoBox) -> str:
        """In words."""
        return f"0 on {np.mean(~self.read(grid).valid):.0%} of the pixels"


def _kept(values: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(valid[..., None], values, np.float32(0))
