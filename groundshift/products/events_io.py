"""Change events as files that every GIS opens: GeoParquet and GeoJSON."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

GEOPARQUET = "events.parquet"
GEOJSON = "events.geojson"

_DEGREES = 7
"""Decimals of longitude and latitude, about a centimetre."""


def write_events(folder: Path, events: gpd.GeoDataFrame) -> tuple[Path, Path]:
    """Write events in their own reference system as GeoParquet, and as GeoJSON (RFC 7946).

    Args:
        folder: where `events.parquet` and `events.geojson` go.
        events: with a reference system; may be empty.

    Returns:
        The two files.
    """
    parquet, geojson = write_parquet(folder, events), folder / GEOJSON
    features = [
        {"type": "Feature", "properties": properties, "geometry": geometry}
        for properties, geometry in zip(plain_rows(events), _geometries(events), strict=True)
    ]
    document = {"type": "FeatureCollection", "features": features}
    geojson.write_text(json.dumps(document, allow_nan=False, separators=(",", ":")) + "\n")
    return parquet, geojson


def write_parquet(folder: Path, events: gpd.GeoDataFrame) -> Path:
    """Write events as GeoParquet only."""
    path = folder / GEOPARQUET
    events.reset_index(drop=True).to_parquet(path, index=False, compression="zstd")
    return path


def plain_rows(events: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """The events without geometry, JSON-ready: dates as `YYYY-mm-dd`, undefined numbers null."""
    table = pd.DataFrame(events.drop(columns=events.geometry.name))
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _geometries(events: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    degrees = events.geometry.to_crs("EPSG:4326")
    # RFC 7946 wants outer rings counter-clockwise.
    oriented = shapely.orient_polygons(degrees.to_numpy(), exterior_cw=False)
    return [_rounded(shapely.geometry.mapping(geometry)) for geometry in oriented]


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, _DEGREES) if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp | np.datetime64):
        return pd.Timestamp(value).strftime("%Y-%m-%d")
    if isinstance(value, np.generic):
        value = value.item()
    return round(value, 6) if isinstance(value, float) else value
