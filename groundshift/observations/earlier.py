"""Images that an earlier artifact holds already are read from there and not asked for again.

A schedule comes back to an area again and again, and every time only few images are new. Services
charge for each one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from groundshift.observations.borders import NOTE
from groundshift.observations.costs import Cost
from groundshift.observations.intake import NO_OVERLAP
from groundshift.observations.news import news
from groundshift.observations.sources.base import Acquisition, Image, Scene, Source
from groundshift.observations.sources.in_front import InFront
from groundshift.observations.store import NO_VALID_PIXEL, Observations

_IDENTITY = ("sensor", "time", "source", "product_id")


class EarlierFirst(InFront):
    """A source whose images come from an earlier artifact where that holds them."""

    def __init__(self, source: Source, earlier: Observations) -> None:
        """Look through the earlier artifact.

        Args:
            source: Where all other images come from; the names of its products tell their content.
            earlier: What was made from it by the same settings.
        """
        super().__init__(source)
        self._earlier = earlier
        tables = pd.concat([earlier.table, earlier.quarantine])
        self.news = news(tables, source.acquisitions)
        """What is new, late, reprocessed or withdrawn since, in words."""
        self._known: Mapping[tuple[Any, ...], dict[str, Any]] = {
            (row["cell"], *(row[name] for name in _IDENTITY)): row
            for row in tables.fillna("").to_dict("records")
        }

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """Nothing for what is here, else the source's price."""
        try:
            self.known(acquisition, grid)
        except KeyError:
            return super().cost(acquisition, grid)
        return None

    def known(self, acquisition: Acquisition, grid: GeoBox) -> dict[str, Any]:
        """What the earlier artifact's table says of an acquisition on a grid.

        Raises:
            KeyError: the earlier artifact can't tell.
        """
        cell = next((cell.id for cell in self._earlier.cells if cell.grid == grid), "")
        row = self._known[cell, *(getattr(acquisition, name) for name in _IDENTITY)]
        if not row["digest"] and row["reason"] not in (NO_OVERLAP, NO_VALID_PIXEL):
            raise KeyError(row["reason"])
        return row

    def image(self, scene: Scene, acquisition: Acquisition, grid: GeoBox) -> Image | None:
        """What the earlier artifact holds, or else the source."""
        try:
            row = self.known(acquisition, grid)
        except KeyError:
            return scene.read(grid)
        reason = row["reason"]
        if reason == NO_OVERLAP:
            return None
        sensor = self._source.sensors[acquisition.sensor]
        if reason == NO_VALID_PIXEL:
            empty = np.zeros((*grid.shape, len(sensor.bands)), np.float32)
            return Image(empty, np.zeros(grid.shape, bool))
        place = row["cell"], acquisition.sensor, acquisition.time
        stored, valid = self._earlier.read(*place, quarantined=bool(reason))
        return Image(
            sensor.decode(np.asarray(stored)),
            np.asarray(valid),
            probability=self._earlier.probability(*place, quarantined=bool(reason)),
            note=next((part for part in row["checks"].split("; ") if part.startswith(NOTE)), ""),
        )
