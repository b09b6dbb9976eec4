"""Packages for analysts: events, or a sample of pixels, as a GeoPackage to fill in with QGIS.

    events or sample    a row per event or pixel; an analyst fills in the last columns
    layer_styles        QGIS draws the layer and its form by these
    groundshift         what the package was made from: key and value

Only a layer's own columns are read back; whatever else was added to the package is left alone.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fiona
import geopandas as gpd
import numpy as np
import pandas as pd
from shapely import MultiPolygon
from shapely.geometry import mapping
from shapely.geometry.base import BaseMultipartGeometry

from groundshift.cube.store import CellCube
from groundshift.errors import ContractError
from groundshift.events.reviews import TYPES, check
from groundshift.events.table import WITHDRAWN
from groundshift.products.chips import event_chip
from groundshift.products.qgis import review_style

EVENTS, CHIP = "events", "chip"
_ABOUT = "groundshift"

_SHOWN = {
    "id": "str",
    "rank": "int",
    "state": "str",
    "date": "datetime",
    "date_from": "datetime",
    "date_to": "datetime",
    "start": "datetime",
    "end": "datetime",
    "first_seen": "datetime",
    "direction": "str",
    "score": "float",
    "probability": "float",
    "uncertainty": "float",
    "area_m2": "float",
    "cells": "str",
    CHIP: "bytes",
    "verdict": "str",
    "class": "str",
    "by": "str",
    "at": "datetime",
}
"""Columns of the events and their types."""


def write_events_package(
    path: Path,
    events: gpd.GeoDataFrame,
    *,
    about: Mapping[str, str],
    cubes: Mapping[str, CellCube],
) -> int:
    """Write events to review, the most rewarding first: by area x score x uncertainty.

    Where nothing is known of uncertainty it counts as 1. Events that were withdrawn are left out;
    reviews that were made before are filled in.

    Args:
        path: the GeoPackage; an older one is replaced.
        events: as they were published.
        about: what the package is made from (area, maps).
        cubes: cubes of the cells, for the chips; cells without one get none.

    Returns:
        How many events.
    """
    table = events[events["state"] != WITHDRAWN].rename(
        columns={f"review_{name}": name for name in ("verdict", "class", "by", "at")}
    )
    weight = table["area_m2"] * table["score"] * table["uncertainty"].fillna(1)
    table = table.assign(weight=weight).sort_values(["weight", "id"], ascending=[False, True])
    table = table.assign(rank=np.arange(1, len(table) + 1))
    rows = ({**event.to_dict(), CHIP: event_chip(cubes, event)} for _, event in table.iterrows())
    write_layer(path, EVENTS, rows, _SHOWN, str(table.crs), geometry="MultiPolygon")
    write_about(path, {**about, "events": " ".join(table["id"])})
    write_style(path, EVENTS, review_style(CHIP))
    return len(table)


def read_events_package(
    path: Path, *, by: str = "", now: datetime | None = None
) -> gpd.GeoDataFrame:
    """The reviews that an analyst filled in.

    Args:
        path: the GeoPackage.
        by: stands for those who gave no name.
        now: stands for the time of those without one.

    Returns:
        Rows as in the table of reviews; events without a verdict are left out.

    Raises:
        ContractError: no such package, or rows that make no sense.
    """
    about = read_about(path)
    table = read_layer(path, EVENTS, ("id", "verdict", "class", "by", "at"))
    table["verdict"] = table["verdict"].replace("", None)
    rows = table[table["verdict"].notna()].assign(maps=about.get("maps", ""))
    rows["class"] = rows["class"].replace("", None)
    known = dict.fromkeys(about.get("events", "").split())
    check(rows, known, where=str(path), by=by)
    moment = pd.Timestamp(now or datetime.now(UTC)).tz_convert(None)
    rows["by"] = rows["by"].where(rows["by"].fillna("").str.strip() != "", by)
    for name in ("at", "start", "date", "end", "date_from", "date_to"):
        rows[name] = pd.to_datetime(rows[name], utc=True).dt.tz_localize(None)
    rows["at"] = rows["at"].fillna(moment)
    return rows[[*TYPES, "geometry"]].astype(TYPES).reset_index(drop=True)


def layers(path: Path) -> Sequence[str]:
    """Names of a package's layers.

    Raises:
        ContractError: no such file, or no GeoPackage.
    """
    try:
        return tuple(fiona.listlayers(path))
    except (fiona.errors.FionaError, ValueError) as error:
        raise ContractError(
            f"{path}: expected a GeoPackage, found none ({error}). Write one with groundshift "
            "review export"
        ) from error


def write_layer(
    path: Path,
    layer: str,
    rows: Any,
    types: Mapping[str, str],
    crs: str,
    *,
    geometry: str,
) -> None:
    """Write the one layer of a new GeoPackage; rows are mappings with `geometry`."""
    path.unlink(missing_ok=True)
    schema = {"geometry": geometry, "properties": dict(types)}
    # Without a spatial index: a few thousand outlines need none, and where TensorFlow was loaded
    # first, its SQLite answers instead of GDAL's and can't make one.
    named = {"layer": layer, "crs": crs, "schema": schema, "SPATIAL_INDEX": "NO"}
    with fiona.open(path, "w", driver="GPKG", **named) as target:
        target.writerecords(
            {
                "type": "Feature",
                "geometry": mapping(_as(row["geometry"], geometry)),
                "properties": {name: _plain(row.get(name)) for name in types},
            }
            for row in rows
        )


def read_layer(path: Path, layer: str, columns: Sequence[str]) -> gpd.GeoDataFrame:
    """A layer with at least some columns.

    Raises:
        ContractError: no such layer, or it lacks a column.
    """
    if layer not in layers(path):
        raise ContractError(
            f"{path}: expected a layer {layer}, found {', '.join(layers(path))}. Write one with "
            "groundshift review export"
        )
    table = gpd.read_file(path, layer=layer)
    lacking = [name for name in columns if name not in table]
    if lacking:
        raise ContractError(
            f"{path}, layer {layer}: expected the columns {', '.join(columns)}, found no "
            f"{', '.join(lacking)}. Put them back, or export again"
        )
    return table


def write_about(path: Path, about: Mapping[str, str]) -> None:
    """Write down what a package was made from."""
    _write_table(
        path,
        _ABOUT,
        "key TEXT NOT NULL UNIQUE, value TEXT",
        [("key", "value"), *about.items()],
    )


def read_about(path: Path) -> dict[str, str]:
    """What `write_about` wrote.

    Raises:
        ContractError: the package was not exported by groundshift.
    """
    layers(path)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return dict(database.execute(f"SELECT key, value FROM {_ABOUT}"))
    except sqlite3.Error as error:
        raise ContractError(
            f"{path}: expected a package that groundshift review export wrote, found another "
            f"({error})"
        ) from error


def write_style(path: Path, layer: str, qml: str) -> None:
    """Give a layer the style that QGIS takes by default."""
    columns = (
        "f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT, f_geometry_column TEXT, "
        "styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, "
        "owner TEXT, ui TEXT, "
        "update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))"
    )
    row = {
        "f_table_catalog": "",
        "f_table_schema": "",
        "f_table_name": layer,
        "f_geometry_column": "geom",
        "styleName": "review",
        "styleQML": qml,
        "styleSLD": "",
        "useAsDefault": True,
        "description": "by groundshift",
        "owner": "",
    }
    _write_table(path, "layer_styles", columns, [tuple(row), tuple(row.values())])


def _write_table(path: Path, name: str, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    """A table without geometry, known to the package as `attributes`; first row: the columns."""
    names, *values = rows
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY AUTOINCREMENT, {columns})")
        database.executemany(
            f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            values,
        )
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES (?, ?, ?)",
            (name, "attributes", name),
        )


def _as(geometry: Any, kind: str) -> Any:
    if kind != "MultiPolygon" or isinstance(geometry, BaseMultipartGeometry):
        return geometry
    return MultiPolygon([geometry])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes) or value is None:
        return value
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%dT%H:%M:%S")
    return value.item() if isinstance(value, np.generic) else value
