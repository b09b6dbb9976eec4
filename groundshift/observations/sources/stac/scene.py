"""An overpass whose images are loaded part by part, and put together where granules meet."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from groundshift.observations.costs import Used
from groundshift.observations.sources.base import Image
from groundshift.observations.sources.overpasses import outline_of
from groundshift.observations.sources.scene import Mask, RasterScene, Resampling
from groundshift.observations.sources.stac.connection import Connection
from groundshift.observations.sources.stac.extent import reaches
from groundshift.observations.sources.stac.items import Granule
from groundshift.observations.sources.stac.offers import Offer
from groundshift.observations.sources.stac.parts import Spool
from groundshift.observations.sources.stac.raster import RemoteRaster
from groundshift.settings import StacSensorSettings

RESAMPLING: Resampling = "nearest"


def needed(granules: Sequence[Granule], grid: GeoBox) -> list[Granule]:
    """The granules that a grid's image is made of, the first lies on top.

    Those that follow are left out where the ones before cover the grid, by their outlines and so
    before anything is loaded. Cells that share a pixel take it from the same granule.
    """
    ground, chosen = outline_of(grid), []
    for granule in granules:
        if not (granule.outline.intersects(ground) and reaches(granule, grid)):
            continue
        chosen.append(granule)
        if shapely.union_all([each.outline for each in chosen]).contains(ground):
            break
    return chosen


@dataclass
class StacScene:
    """An overpass, of which nothing is loaded before it is read."""

    granules: Sequence[Granule]
    """Those without a problem, the first lies on top."""
    sensor: StacSensorSettings
    offer: Offer
    spool: Spool
    _stack: ExitStack
    _opened: dict[str, RasterScene] = field(default_factory=dict)

    @property
    def footprint(self) -> str:
        """Bounds of the products."""
        whole = shapely.union_all([granule.outline for granule in self.granules])
        return f"{', '.join(f'{value:.6g}' for value in whole.bounds)} in EPSG:4326"

    def mask_numbers(self, grid: GeoBox) -> str:
        """The mask's numbers on a grid, most frequent first."""
        found = [
            self._raster_scene(each).mask_numbers(grid) for each in needed(self.granules, grid)
        ]
        return "; ".join(found) or "none"

    def read(self, grid: GeoBox) -> Image | None:
        """The image on a grid; None if no granule reaches it, and nothing is loaded then."""
        image: Image | None = None
        for granule in needed(self.granules, grid):
            part = self._raster_scene(granule).read(grid)
            if image is None or part is None:
                image = image or part
                continue
            added = part.valid & ~image.seen
            values = np.where(added[..., None], part.values, image.values)
            image = Image(values, image.valid | added, image.seen | part.seen)
        return image

    def _raster_scene(self, granule: Granule) -> RasterScene:
        if granule.id not in self._opened:
            rasters = {}
            for key, image in granule.images.items():
                name = f"{granule.id} {self.offer.assets[key]}"
                rasters[key] = RemoteRaster(name, key, image, self.offer.radar, self.spool)
                self._stack.callback(rasters[key].close)
            rule = self.sensor.mask
            layer = rule.band if rule else None
            self._opened[granule.id] = RasterScene(
                parts=tuple(rasters[band] for band in self.sensor.bands),
                mask=Mask(rasters[layer], layer, rule) if rule and layer else None,
                bands=self.sensor.bands,
                resampling=RESAMPLING,
                rows=None,
            )
        return self._opened[granule.id]


@contextmanager
def opened(
    connection: Connection,
    granules: Sequence[Granule],
    sensor: StacSensorSettings,
    offer: Offer,
    used: Used,
    folder: Path | None,
) -> Iterator[StacScene]:
    """A scene that gives up what it loaded at the end.

    Args:
        connection: Loads parts of images.
        granules: Those without a problem, the first lies on top.
        sensor: What is wanted of them.
        offer: What their collection holds.
        used: Counts what it takes.
        folder: Where parts of its images stay if the run is killed; None: nowhere.
    """
    with ExitStack() as stack:
        spool = stack.enter_context(Spool(connection, offer.collection, used, folder))
        yield StacScene(granules, sensor, offer, spool, stack)
