"""An overpass whose images are loaded part by part, and put together where granules meet."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

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
        wanted = needed(self.granules, grid)
        image: Image | None = None
        taken = np.zeros(grid.shape, bool)
        for granule in wanted:
            scene = self._raster_scene(granule)
            part = scene.read(grid)
            if part is None:
                continue
            if image is None:
                image = part
            else:
                added = part.valid & ~taken
                values = np.where(added[..., None], part.values, image.values)
                image = Image(values, image.valid | added)
            if granule is not wanted[-1]:
                taken |= _measured(scene, part, grid)
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
            )
        return self._opened[granule.id]


@contextmanager
def opened(
    connection: Connection,
    granules: Sequence[Granule],
    sensor: StacSensorSettings,
    offer: Offer,
) -> Iterator[StacScene]:
    """A scene that gives up what it loaded at the end."""
    with ExitStack() as stack:
        spool = stack.enter_context(Spool(connection, offer.collection))
        yield StacScene(granules, sensor, offer, spool, stack)


def _measured(scene: RasterScene, part: Image, grid: GeoBox) -> NDArray[np.bool_]:
    """Where a granule measured something, be it masked or not, [y, x]."""
    if scene.mask is None:
        return part.valid
    bare = replace(scene, mask=None).read(grid)
    return part.valid if bare is None else bare.valid
