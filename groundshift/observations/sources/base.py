"""What a source of observations is: it lists acquisitions and reads them onto a grid."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.domain.signature import Sensor
from groundshift.observations.costs import Cost, Used
from groundshift.observations.ways import Way

UNKNOWN = 255
"""In place of a probability in per cent."""


@dataclass(frozen=True)
class Acquisition:
    """One image of one sensor, as a source knows it before reading.

    Attributes:
        sensor: Name of the stream.
        time: Seconds since 1970-01-01 UTC.
        source: Where it is, a path or address that a person can find.
        problem: Why it can't be read, e.g. that a part is missing; empty if it can.
        product_id: The agency's name for it, where known.
        baseline: Version of the processor, where known.
        orbit: Orbit direction or relative orbit, where known.
        platform: Satellite, where known.
    """

    sensor: str
    time: int
    source: str
    problem: str = ""
    product_id: str = ""
    baseline: str = ""
    orbit: str = ""
    platform: str = ""


@dataclass(frozen=True)
class Image:
    """An acquisition on a grid.

    Attributes:
        values: Physical values [y, x, band], 0 where invalid.
        valid: [y, x], true where every band has a value and the mask's rule allows it.
        measured: [y, x], where every band has a value, whatever the mask says of it; None where a
            source can't tell, then everywhere.
        probability: [y, x] uint8, per cent that a pixel is cloud, `UNKNOWN` where nobody can tell;
            None where nobody said.
        note: What was done to it that a person should know, with numbers.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    measured: NDArray[np.bool_] | None = None
    probability: NDArray[np.uint8] | None = None
    note: str = ""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Where something was measured, as far as is known."""
        return np.ones_like(self.valid) if self.measured is None else self.measured


class Scene(Protocol):
    """An opened acquisition."""

    @property
    def footprint(self) -> str:
        """Reference system and bounds in words, for messages."""

    def read(self, grid: GeoBox) -> Image | None:
        """The image on a grid; None if it doesn't overlap it."""

    def mask_numbers(self, grid: GeoBox) -> str:
        """Which numbers the mask holds on a grid, in words, for messages."""


class Source(Protocol):
    """A place that observations come from."""

    settings_key: str
    """Where its settings stand, for messages, e.g. `fetch.files`."""

    @property
    def sensors(self) -> Mapping[str, Sensor]:
        """The streams it offers and what their stored numbers mean."""

    @property
    def acquisitions(self) -> Sequence[Acquisition]:
        """Everything it holds before the period's end, sorted by sensor, time and source."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """Hashes of everything that `open` reads, by a name that keeps."""

    @property
    def licences(self) -> Sequence[str]:
        """Licence and attribution lines."""

    @property
    def truth(self) -> gpd.GeoDataFrame | None:
        """What really changed, as planted changes have it, where the source knows."""

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """What it costs to read an acquisition onto a grid; None where it is free."""

    def open(self, acquisition: Acquisition) -> AbstractContextManager[Scene]:
        """Open an acquisition without a problem.

        Raises:
            SourceError: it is damaged or not what was promised.
        """


@runtime_checkable
class Metered(Protocol):
    """A source that counts what asking for images takes."""

    @property
    def used(self) -> Mapping[str, Used]:
        """By sensor, since the source was opened."""


@runtime_checkable
class Compared(Protocol):
    """A source that knows other ways to its images."""

    def alternatives(self, costs: Sequence[Cost]) -> list[Way]:
        """What a plan's images would take by each way, its own first."""
