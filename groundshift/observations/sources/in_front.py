"""Sources that stand in front of another one and change, keep or replace its images."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import geopandas as gpd
from odc.geo.geobox import GeoBox

from groundshift.domain.signature import Sensor
from groundshift.observations.costs import Cost
from groundshift.observations.sources.base import Acquisition, Image, Scene, Source


class InFront(ABC):
    """A source that is another one but for its images, which `image` makes."""

    def __init__(self, source: Source) -> None:
        """Stand in front of a source."""
        self._source = source
        self.settings_key = source.settings_key

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

    @property
    def truth(self) -> gpd.GeoDataFrame | None:
        """That of the source."""
        return self._source.truth

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """The source's price."""
        return self._source.cost(acquisition, grid)

    @contextmanager
    def open(self, acquisition: Acquisition) -> Iterator[Scene]:
        """The acquisition, whose images `image` gives."""
        with self._source.open(acquisition) as scene:
            yield _Scene(scene, acquisition, self)

    @abstractmethod
    def image(self, scene: Scene, acquisition: Acquisition, grid: GeoBox) -> Image | None:
        """What an acquisition shows of a grid; None if it doesn't overlap it.

        Args:
            scene: The source's, opened.
            acquisition: Of which.
            grid: Pixels wanted.
        """


@dataclass(frozen=True)
class _Scene:
    """A scene whose images somebody else gives."""

    scene: Scene
    acquisition: Acquisition
    owner: InFront

    @property
    def footprint(self) -> str:
        """That of the source's scene."""
        return self.scene.footprint

    def mask_numbers(self, grid: GeoBox) -> str:
        """Those of the source's scene."""
        return self.scene.mask_numbers(grid)

    def read(self, grid: GeoBox) -> Image | None:
        """The image on a grid; None if it doesn't overlap it."""
        return self.owner.image(self.scene, self.acquisition, grid)
