"""What a grid needs of an image far away, known from the catalogue alone."""

from dataclasses import dataclass
from functools import lru_cache

from odc.geo.geobox import GeoBox

from groundshift.observations.regrid import Window, locate
from groundshift.observations.sources.stac.items import Granule, RemoteImage
from groundshift.observations.sources.stac.parts import HEAD


@dataclass(frozen=True)
class Load:
    """What has to be loaded of an image."""

    requests: int
    bytes: int


@lru_cache(maxsize=1 << 16)
def window_on(source: GeoBox, grid: GeoBox) -> Window | None:
    """The pixels of an image that a grid needs; None if it needs none."""
    return locate(source, grid).window


def reaches(granule: Granule, grid: GeoBox) -> bool:
    """Whether a granule's images may hold some of a grid."""
    known = [image.grid for image in granule.images.values() if image.grid is not None]
    return not known or any(window_on(each, grid) is not None for each in known)


def load_of(image: RemoteImage, grid: GeoBox, block: int, depth: float) -> Load:
    """What has to be loaded of an image for a grid.

    Args:
        image: One file of a granule that reaches the grid.
        grid: Of a cell.
        block: Edge of the tiles in the file in pixels; 0 where it has none.
        depth: Bytes of a compressed pixel, where the catalogue doesn't say how large the file is.
    """
    source = image.grid or grid
    height, width = source.shape
    smaller = _smaller_copies(max(height, width), block or 512)
    size = image.size or round(height * width * depth * (1 + smaller))
    if image.whole or not block or size <= HEAD:
        return Load(1, size)
    head = HEAD
    window = window_on(source, grid)
    if window is None:
        return Load(1, head)
    (top, bottom), (left, right) = (
        (part.start // block, -(-part.stop // block)) for part in window
    )
    high, wide = (
        min(end * block, edge) - start * block
        for start, end, edge in ((top, bottom, height), (left, right, width))
    )
    full = (left, right) == (0, -(-width // block))  # rows of tiles follow each other at once
    pixels = size / (1 + smaller) / (height * width)
    return Load(1 + (1 if full else bottom - top), head + round(high * wide * pixels))


def _smaller_copies(edge: int, block: int) -> float:
    """Pixels of an image's overviews, as a share of its own: halved until a tile holds it."""
    share, level = 0.0, 1
    while edge > block:
        edge, share, level = -(-edge // 2), share + 0.25**level, level + 1
    return share
