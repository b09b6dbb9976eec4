"""Images that an earlier artifact holds already are read from there and not asked for again.

A schedule comes back to an area again and again, and every time only few images are new. Services
charge for each one.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from groundshift.domain.signature import Sensor
from groundshift.observations.costs import Cost
from groundshift.observations.intake import NO_OVERLAP
from groundshift.observations.sources.base import Acquisition, Image, Scene, Source
from groundshift.observations.store import NO_VALID_PIXEL, Observations

_IDENTITY = ("sensor", "time", "source", "product_id")


class EarlierFirst:
    """A source whose images come from an earlier artifact where that holds them."""

    def __init__(self, source: Source, earlier: Observations) -> None:
        """Look through the earlier artifact.

        Args:
            source: Where all other images come from; the names of its products tell their content.
            earlier: What was made from it by the same settings.
        """
        self._source, self._earlier = source, earlier
        tables = pd.concat([earlier.table, earlier.quarantine])
        self._known: Mapping[tuple[Any, ...], tuple[str, str]] = {
            (row["cell"], *(row[name] for name in _IDENTITY)): (row["reason"], row["digest"])
            for row in tables.fillna("").to_dict("records")
        }
        self.settings_key = source.settings_key
        self.truth = source.truth

    @property
    def sensors(self) -> Mapping[str, Sensor]:
        """Those of the source."""
        return self._source.sensors

    @property
    def acquisitions(self) -> Sequence[Acquisition]:
        """Those of the source."""
        return self._source.acquisitions

    @property
    def inputs(self) -> Mapping[str, str]:
        """Those of the source."""
        return self._source.inputs

    @property
    def licences(self) -> Sequence[str]:
        """Those of the source."""
        return self._source.licences

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """Nothing for what is here, else the source's price."""
        try:
            self.reason(acquisition, grid)
        except KeyError:
            return self._source.cost(acquisition, grid)
        return None

    @contextmanager
    def open(self, acquisition: Acquisition) -> Iterator[Scene]:
        """The acquisition, from here or there, cell by cell."""
        with self._source.open(acquisition) as scene:
            yield _Scene(scene, acquisition, self)

    def reason(self, acquisition: Acquisition, grid: GeoBox) -> tuple[str, str]:
        """The cell on a grid, and why an acquisition is in its quarantine; empty if it isn't.

        Raises:
            KeyError: the earlier artifact can't tell.
        """
        cell = next((cell.id for cell in self._earlier.cells if cell.grid == grid), "")
        reason, digest = self._known[cell, *(getattr(acquisition, name) for name in _IDENTITY)]
        if not digest and reason not in (NO_OVERLAP, NO_VALID_PIXEL):
            raise KeyError(reason)
        return cell, reason

    def image(self, acquisition: Acquisition, grid: GeoBox) -> Image | None:
        """What the earlier artifact holds of an acquisition on the grid of one of its cells.

        Raises:
            KeyError: it can't tell.
        """
        cell, reason = self.reason(acquisition, grid)
        if reason == NO_OVERLAP:
            return None
        sensor = self._source.sensors[acquisition.sensor]
        if reason == NO_VALID_PIXEL:
            empty = np.zeros((*grid.shape, len(sensor.bands)), np.float32)
            return Image(empty, np.zeros(grid.shape, bool))
        stored, valid = self._earlier.read(
            cell, acquisition.sensor, acquisition.time, quarantined=bool(reason)
        )
        return Image(sensor.decode(np.asarray(stored)), np.asarray(valid))


@dataclass(frozen=True)
class _Scene:
    """An acquisition of which an earlier artifact may hold some cells."""

    scene: Scene
    acquisition: Acquisition
    earlier: EarlierFirst

    @property
    def footprint(self) -> str:
        """That of the source's scene."""
        return self.scene.footprint

    def mask_numbers(self, grid: GeoBox) -> str:
        """Those of the source's scene."""
        return self.scene.mask_numbers(grid)

    def read(self, grid: GeoBox) -> Image | None:
        """The image on a grid; None if it doesn't overlap it."""
        try:
            return self.earlier.image(self.acquisition, grid)
        except KeyError:
            return self.scene.read(grid)
