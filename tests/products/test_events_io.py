"""Events as GeoParquet and GeoJSON."""

import json
from pathlib import Path

import duckdb
import geopandas as gpd
import pytest
import shapely

from groundshift.events.table import typed
from groundshift.products.events_io import write_events


def test_both_files_open_and_hold_the_events(tmp_path: Path, events: gpd.GeoDataFrame) -> None:
    parquet, geojson = write_events(tmp_path, events)
    table = gpd.read_parquet(parquet)
    assert table.crs.to_epsg() == 32631
    assert list(table.date) == list(events.date)
    assert table.geometry.geom_equals(events.geometry).all()
    degrees = gpd.read_file(geojson)
    assert degrees.crs.to_epsg() == 4326
    assert list(degrees.date.astype(str)) == ["2017-10-01", "2018-02-03"]
    back = degrees.geometry.to_crs("EPSG:32631")
    assert (back.hausdorff_distance(events.geometry, align=False) < 0.05).all()


def test_geojson_is_strict_and_oriented(tmp_path: Path, events: gpd.GeoDataFrame) -> None:
    _, geojson = write_events(tmp_path, events)
    document = json.loads(geojson.read_text(), parse_constant=lambda text: pytest.fail(text))
    assert [feature["properties"]["score"] for feature in document["features"]] == [0.75, None]
    for feature in document["features"]:
        assert shapely.geometry.shape(feature["geometry"]).exterior.is_ccw


def test_no_event_is_an_empty_collection_with_a_reference_system(
    tmp_path: Path, events: gpd.GeoDataFrame
) -> None:
    parquet, geojson = write_events(tmp_path, events.iloc[:0])
    assert len(gpd.read_parquet(parquet)) == 0
    assert gpd.read_parquet(parquet).crs.to_epsg() == 32631
    assert json.loads(geojson.read_text()) == {"type": "FeatureCollection", "features": []}


def test_files_are_the_same_every_time(tmp_path: Path, events: gpd.GeoDataFrame) -> None:
    first = [path.read_bytes() for path in write_events(tmp_path, events)]
    assert [path.read_bytes() for path in write_events(tmp_path, events)] == first


def test_duckdb_reads_events_without_an_extension(tmp_path: Path, events: gpd.GeoDataFrame) -> None:
    whole = typed(events.assign(start=events.date, end=events.date, area_m2=[600.0, 400.0]))
    parquet, _ = write_events(tmp_path, whole)
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as database:
        rows = database.execute(
            "SELECT id, date, area_m2, geometry FROM read_parquet(?) "
            "WHERE date >= DATE '2018-01-01' AND state <> 'withdrawn'",
            [str(parquet)],
        ).fetchall()
    [(event, date, area, wkb)] = rows
    assert (event, f"{date:%Y-%m-%d}", area) == ("west-1", "2018-02-03", 400)
    assert shapely.from_wkb(bytes(wkb)).equals(events.geometry.iloc[1])
