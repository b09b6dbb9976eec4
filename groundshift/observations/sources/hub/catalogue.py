"""What a deployment's catalogue holds over an area: items, joined to overpasses."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import shapely
from odc.geo.geobox import GeoBox
from sentinelhub import CRS, BBox
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from groundshift.errors import SourceError
from groundshift.observations.sources.hub.connection import Connection
from groundshift.observations.sources.hub.products import Product
from groundshift.observations.sources.overpasses import looks, outline_of
from groundshift.settings import PeriodSettings

_BASELINE = re.compile(r"_N(\d{4})_")
_RELATIVE_ORBIT = re.compile(r"_R(\d{3})_")
_ABSOLUTE_ORBIT = re.compile(r"^S1._IW_.*_(\d{6})_[0-9A-F]{6}_")
_FIRST_LAUNCH = datetime(2014, 4, 3, tzinfo=UTC)  # Sentinel-1A
_FIRST_ORBIT = {"S1A": 73, "S1B": 27}
"""Absolute orbit that had the relative orbit 1, of 175."""


@dataclass(frozen=True)
class Overpass:
    """What one satellite saw of an area in one pass.

    Attributes:
        items: Names of the products, sorted.
        first: Seconds since 1970 of the first item, with fractions.
        last: Likewise of the last one.
        outline: Ground that the items cover, in degrees.
    """

    items: tuple[str, ...]
    first: float
    last: float
    outline: BaseGeometry

    @property
    def platform(self) -> str:
        """Satellite, e.g. S2A."""
        return self.items[0][:3]

    @property
    def baseline(self) -> str:
        """Version of the processor, of the newest item."""
        return max(
            (found[1] for item in self.items if (found := _BASELINE.search(item))), default=""
        )

    @property
    def relative_orbit(self) -> str:
        """Number of the orbit within a repeat cycle, where the products' names tell."""
        if found := _RELATIVE_ORBIT.search(self.items[0]):
            return found[1]
        found = _ABSOLUTE_ORBIT.search(self.items[0])
        first = _FIRST_ORBIT.get(self.platform)
        return f"{(int(found[1]) - first) % 175 + 1:03d}" if found and first else ""

    def reaches(self, grid: GeoBox) -> bool:
        """Whether it may have seen some of a grid."""
        return bool(self.outline.intersects(outline_of(grid)))


def find(
    connection: Connection, product: Product, grids: Sequence[GeoBox], period: PeriodSettings
) -> list[Overpass]:
    """The overpasses of a product over an area in a period, in order of time.

    Raises:
        SourceError: the service refuses, or its catalogue makes no sense.
    """
    ground = shapely.union_all([outline_of(grid) for grid in grids])
    features = connection.search(
        product.collection,
        bbox=BBox(ground.bounds, CRS.WGS84),
        time=(_instant(period.start_seconds), _instant(period.end_seconds - 1)),
        filter=product.query,
        limit=100,
    )
    # By name: what is added while pages are read can push an item onto two of them.
    items = {item.items[0]: item for item in map(_read, features)}
    reaching = [
        item
        for item in items.values()
        if item.outline.intersects(ground) and item.first < period.end_seconds
    ]
    return list(_joined(reaching))


def newest(connection: Connection, product: Product, grids: Sequence[GeoBox]) -> str:
    """When an area was seen last, as the catalogue writes it; empty if it never was.

    Raises:
        SourceError: the service refuses, or its catalogue makes no sense.
    """
    ground = shapely.union_all([outline_of(grid) for grid in grids])
    found = connection.search(
        product.collection,
        most=1,
        bbox=BBox(ground.bounds, CRS.WGS84),
        time=(_FIRST_LAUNCH, datetime.now(UTC)),
        filter=product.query,
        limit=1,
    )
    return str(found[0]["properties"]["datetime"]) if found else ""


def _joined(items: Iterable[Overpass]) -> Iterator[Overpass]:
    """Items of one platform that follow each other at once, as one."""
    for group in looks(items, lambda item: (item.platform, item.first, item.items[0])):
        yield Overpass(
            items=tuple(sorted(item.items[0] for item in group)),
            first=group[0].first,
            last=group[-1].first,
            outline=shapely.union_all([item.outline for item in group]),
        )


def _read(feature: dict[str, Any]) -> Overpass:
    try:
        time = datetime.fromisoformat(feature["properties"]["datetime"])
        outline = shape(feature["geometry"])
        name = str(feature["id"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            f"the catalogue holds an item without id, datetime or geometry ({error!r}): "
            f"{feature.get('id', 'no id')}. Report it to the provider"
        ) from error
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return Overpass((name,), seconds, seconds, outline)


def interval(overpass: Overpass) -> tuple[datetime, datetime]:
    """The time to ask for, a second wider: catalogue and archive may round differently."""
    return _instant(math.floor(overpass.first) - 1), _instant(math.ceil(overpass.last) + 1)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
