"""An image far away as a raster: GDAL reads its tiles, which are loaded as one before."""

import logging
from collections.abc import Callable, Sequence
from itertools import count, product
from typing import Any, TypeVar

import rasterio
from numpy.typing import NDArray
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from groundshift.errors import SourceError
from groundshift.observations.radiometry import Conversion
from groundshift.observations.regrid import Window
from groundshift.observations.sources.stac.items import RemoteImage
from groundshift.observations.sources.stac.parts import HEAD, RemoteFile, Span, Spool

log = logging.getLogger(__name__)

_ATTEMPTS = 3
"""How often an image is loaded that can't be decoded, before it counts as damaged."""
_names = count()

Answer = TypeVar("Answer")


class RemoteRaster:
    """One file of an item, opened."""

    integer = True
    bands: tuple[str, ...]

    def __init__(self, name: str, band: str, image: RemoteImage, radar: bool, spool: Spool) -> None:
        """Load the file's beginning.

        Args:
            name: For messages.
            band: That it holds, or the mask layer.
            image: Where it is, and what its numbers mean.
            radar: Whether power of zero is none: it fills the borders of radar images.
            spool: Keeps what is loaded.

        Raises:
            SourceError: the file is gone or damaged (`lost`), or the service refuses or fails.
        """
        self.name, self.bands, self._image, self._spool = name, (band,), image, spool
        self._fill = (0.0,) if radar else ()
        self._dataset: DatasetReader | None = None
        self.grid: GeoBox = self._attempt(_grid)

    def close(self) -> None:
        """Close the file."""
        if self._dataset is not None:
            self._dataset.close()
            self._dataset = None

    def read(self, bands: Sequence[str], window: Window) -> NDArray[Any]:
        """Numbers in a window, [band, y, x]."""

        def numbers(dataset: DatasetReader) -> NDArray[Any]:
            if not self._image.whole:
                self._spool.load(self._image.href, _tiles(dataset, window))
            part = RasterioWindow.from_slices(*window)
            found: NDArray[Any] = dataset.read([1] * len(bands), window=part)
            return found

        return self._attempt(numbers)

    def nodata(self, band: str) -> tuple[float, ...]:
        """The invalid numbers: the catalogue's, the file's own, and radar's zero."""
        own = self._opened().nodatavals[0]
        named = {self._image.nodata, own, *self._fill}
        return tuple(sorted(number for number in named if number is not None))

    def conversion(self, band: str) -> Conversion:
        """What the numbers mean."""
        return self._image.scaling

    def _attempt(self, question: Callable[[DatasetReader], Answer]) -> Answer:
        """What an open file answers; loaded again where it can't be decoded."""
        for attempt in range(_ATTEMPTS):
            try:
                return question(self._opened())
            except RasterioError as error:
                log.info("%s can't be decoded (%s), attempt %d", self.name, error, attempt + 1)
                problem = str(error)
                self.close()
                self._spool.forget(self._image.href)
        raise SourceError(
            f"{self.name}: {self._image.href} was loaded {_ATTEMPTS} times and can't be decoded "
            f"({problem}). It is damaged at the provider's: report it there",
            lost=True,
        )

    def _opened(self) -> DatasetReader:
        if self._dataset is not None:
            return self._dataset
        if self._image.whole:
            self._spool.load_all(self._image.href)
        else:
            self._spool.load(self._image.href, [(0, HEAD)])
        # A name of its own, since GDAL keeps what it knows by name.
        path = f"stac-{next(_names)}/image"

        def opener(wanted: str, mode: str = "rb") -> RemoteFile:
            if wanted != path:
                raise FileNotFoundError(wanted, mode)  # what GDAL looks for beside an image
            return RemoteFile(self._spool, self._image.href)

        self._dataset = rasterio.open(path, opener=opener)
        return self._dataset


def _grid(dataset: DatasetReader) -> GeoBox:
    if dataset.crs is None:
        raise RasterioError("no reference system")
    return GeoBox(dataset.shape, dataset.transform, CRS(dataset.crs.to_wkt()))


def _tiles(dataset: DatasetReader, window: Window) -> list[Span]:
    """Where the tiles of a window lie in the file."""
    height, width = dataset.block_shapes[0]
    rows, columns = (
        range(part.start // edge, -(-part.stop // edge))
        for part, edge in zip(window, (height, width), strict=True)
    )
    spans = []
    for row, column in product(rows, columns):
        start, size = (
            dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1)
            for what in ("OFFSET", "SIZE")
        )
        if start and size:  # tiles without data are left out of a file
            spans.append((int(start), int(size)))
    return spans
