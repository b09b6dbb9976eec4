"""Events and known changes as the map page draws them: outlines in pixels, and their facts."""

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from groundshift.domain.time import DAY
from groundshift.products.events_io import plain_rows

FACTS = (
    "id", "state", "score", "score_peak", "probability", "uncertainty", "area_m2", "direction",
    "first_seen", "confirmed", "ended", "review_verdict", "review_class", "review_by", "review_at",
)  # fmt: skip
"""Columns that an event's card shows where an event has them."""

_DATES = (("date", "day"), ("start", "from"), ("date_from", "from"), ("end", "to"),
          ("date_to", "to"))  # fmt: skip
"""Columns with an event's dates; of two by one name the later one is newer."""

_PARTS = 4
"""Coordinates are whole numbers of this part of a pixel."""


def event_features(events: gpd.GeoDataFrame, grid: GeoBox) -> list[dict[str, Any]]:
    """The events, strongest first.

    Args:
        events: with a reference system.
        grid: the full pixels of the area.

    Returns:
        A dictionary each: `rings` (see `rings_of`), `at` (a point inside), `day`, `from`, `to`
        (days since 1970), and those of `FACTS` that have a value.
    """
    shapes = events.geometry.to_crs(str(grid.crs))
    rows = []
    for row, geometry, (_, event) in zip(
        plain_rows(events), shapes, events.iterrows(), strict=True
    ):
        inside = _pixels(shapely.get_coordinates(geometry.representative_point()), grid)[0]
        feature: dict[str, Any] = {"rings": rings_of(geometry, grid), "at": inside.tolist()}
        for column, name in _DATES:
            value = event.get(column)
            if value is not None and not pd.isna(value):
                feature[name] = int(pd.Timestamp(value).timestamp() // DAY)
        feature |= {name: row[name] for name in FACTS if row.get(name) is not None}
        rows.append(feature)
    return sorted(rows, key=_weight, reverse=True)


def known_features(truth: gpd.GeoDataFrame, grid: GeoBox, wanted: str) -> list[dict[str, Any]]:
    """Known changes: `rings`, `id`, `from`, `to`, and whether each is of the kind looked for."""
    shapes = truth.geometry.to_crs(str(grid.crs))
    return [
        {
            "rings": rings_of(geometry, grid),
            "id": str(row["id"]),
            "from": int(pd.Timestamp(row["start"]).timestamp() // DAY),
            "to": int(pd.Timestamp(row["end"]).timestamp() // DAY),
            "wanted": bool(row["kind"] == wanted),
        }
        for geometry, (_, row) in zip(shapes, truth.iterrows(), strict=True)
    ]


def rings_of(geometry: BaseGeometry, grid: GeoBox) -> list[list[list[int]]]:
    """A polygon or several as polygons of rings of x0, y0, dx1, dy1, ... in parts of a pixel.

    Outlines of pixels have most points on straight lines: those are left out.
    """
    slim = shapely.simplify(geometry, abs(grid.resolution.x) / (2 * _PARTS))
    polygons: Sequence[Any] = getattr(slim, "geoms", [slim])
    return [
        [_deltas(ring, grid) for ring in (polygon.exterior, *polygon.interiors)]
        for polygon in polygons
    ]


def _deltas(ring: BaseGeometry, grid: GeoBox) -> list[int]:
    points = np.rint(_pixels(shapely.get_coordinates(ring)[:-1], grid) * _PARTS).astype(int)
    steps: list[int] = np.diff(points, axis=0, prepend=[[0, 0]]).ravel().tolist()
    return steps


def _pixels(points: Any, grid: GeoBox) -> Any:
    x, y = ~grid.transform @ (points[:, 0], points[:, 1])
    return np.column_stack([x, y])


def _weight(feature: dict[str, Any]) -> tuple[float, str]:
    score = feature.get("score_peak", feature.get("score")) or 0.0
    return float(score) * float(feature.get("area_m2") or 0), str(feature.get("id"))
