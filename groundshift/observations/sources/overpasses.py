"""What satellite catalogues share: the ground of a grid, and items that are one look at it.

Satellite data come in granules and slices, some seconds apart. Those of one platform that are less
than minutes apart are one look at the ground, and become one image: the next orbit takes 100
minutes.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

DEGREES = "EPSG:4326"
_SAME_LOOK = 1200.0  # seconds
_MARGIN = 0.01  # degrees by which outlines in catalogues may be wrong

Item = TypeVar("Item")


@lru_cache(maxsize=1024)
def outline_of(grid: GeoBox) -> BaseGeometry:
    """The ground of a grid in degrees, a little wider."""
    extent: BaseGeometry = grid.extent.to_crs(DEGREES, resolution="auto").geom
    return extent.buffer(_MARGIN)


def looks(
    items: Iterable[Item], key: Callable[[Item], tuple[str, float, str]]
) -> Iterator[list[Item]]:
    """Items of one platform that follow each other at once, together, in order of time.

    Args:
        items: In any order.
        key: An item's platform, its time in seconds, and its name.
    """
    ordered = sorted(items, key=key)
    starts = [
        number
        for number, (one, other) in enumerate(pairwise(map(key, ordered)), 1)
        if one[0] != other[0] or other[1] - one[1] > _SAME_LOOK
    ]
    edges = [0, *starts, len(ordered)]
    groups = [ordered[start:end] for start, end in pairwise(edges) if start < end]
    yield from sorted(groups, key=lambda group: key(group[0])[1])
