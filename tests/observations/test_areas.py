import json

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from shapely.geometry import MultiPolygon, Point, box

from groundshift.errors import SettingsError
from groundshift.observations.areas import cells_of, read_polygons
from groundshift.settings import AreaSettings
from tests.observations.conftest import DEMO, REAL

UTM = "EPSG:32631"
EAST, WEST = box(600000, 5600000, 600500, 5600300), box(590000, 5600000, 590200, 5600100)


@pytest.fixture
def polygons():
    return gpd.GeoDataFrame(geometry=[EAST, MultiPolygon([WEST])], crs=UTM)


@pytest.mark.parametrize("name", ["area.geojson", "area.shp", "area.gpkg"])
def test_all_polygons_of_a_file_are_the_area(tmp_path, polygons, name):
    polygons.to_file(tmp_path / name)
    geometry, crs = read_polygons(tmp_path / name)
    assert crs.to_epsg() == 32631
    assert geometry.area == pytest.approx(EAST.area + WEST.area)


def test_every_layer_of_a_geopackage_counts(tmp_path):
    path = tmp_path / "area.gpkg"
    gpd.GeoDataFrame(geometry=[EAST], crs=UTM).to_file(path, layer="east")
    degrees = gpd.GeoDataFrame(geometry=[WEST], crs=UTM).to_crs("EPSG:4326")
    degrees.to_file(path, layer="west")
    geometry, _ = read_polygons(path)
    assert geometry.area == pytest.approx(EAST.area + WEST.area, rel=1e-4)


def geojson(path, crs=None):
    content = {"type": "Polygon", "coordinates": [[*EAST.exterior.coords]]}
    if crs:
        content["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(content))
    return path


def test_a_bare_geometry_and_its_crs_member_are_understood(tmp_path):
    path = geojson(tmp_path / "area.geojson", "urn:ogc:def:crs:EPSG::32631")
    geometry, crs = read_polygons(path)
    assert crs.to_epsg() == 32631
    assert geometry.bounds == EAST.bounds


def test_geojson_without_a_crs_member_is_in_degrees(tmp_path):
    assert read_polygons(geojson(tmp_path / "area.geojson"))[1].to_epsg() == 4326


def test_lines_and_points_are_no_area(tmp_path):
    path = tmp_path / "points.geojson"
    gpd.GeoDataFrame(geometry=[Point(1, 2)], crs=UTM).to_file(path)
    with pytest.raises(SettingsError, match=r"points\.geojson: expected at least one polygon"):
        read_polygons(path)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"expected a file .*nowhere\.geojson"):
        read_polygons(tmp_path / "nowhere.geojson")
    (tmp_path / "area.geojson").write_text("no vector file")
    with pytest.raises(SettingsError, match=r"area\.geojson can't be read"):
        read_polygons(tmp_path / "area.geojson")


def test_a_shapefile_without_a_reference_system_is_refused(tmp_path):
    path = tmp_path / "area.shp"
    gpd.GeoDataFrame(geometry=[EAST]).to_file(path)
    with pytest.raises(SettingsError, match=r"no reference system \(a shapefile without \.prj"):
        read_polygons(path)


def test_the_cells_follow_file_and_settings(tmp_path, polygons):
    polygons.to_file(tmp_path / "area.gpkg")
    area = AreaSettings(geometry=tmp_path / "area.gpkg", resolution=20, cell=400, halo=3)
    cells = cells_of(area)
    assert {str(cell.core.crs) for cell in cells} == {UTM}
    assert {tuple(cell.grid.shape) for cell in cells} == {(26, 26)}
    assert len(cells) == 2 + 1
    assert sum(cell.core.extent.geom.intersects(WEST) for cell in cells) == 1


def test_bounds_in_another_reference_system_are_projected():
    (cell,) = cells_of(AreaSettings(bounds=(3.02, 50.81, 3.03, 50.82), halo=0))
    assert str(cell.core.crs) == UTM
    assert 60 < cell.core.shape.x < 80


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bounds": (3, 51, 2, 52)}, "left, bottom, right, top"),
        ({"bounds": (2, 51, 3, 52), "bounds_crs": "EPSG:0"}, "area.bounds_crs: unknown"),
        ({"bounds": (2, 51, 3, 52), "crs": "nonsense"}, "area.crs: unknown"),
        ({"bounds": (2, 51, 3, 52), "crs": "EPSG:4326"}, "projected system in metres"),
        ({"bounds": (2, 51, 3, 52), "crs": "+proj=laea +lat_0=5 +lon_0=9"}, "EPSG code"),
        ({"like": "nowhere.tif"}, "expected an image or EOPatch at nowhere.tif"),
        ({"like": REAL}, "expected an image or an EOPatch"),
    ],
)
def test_an_impossible_area_is_explained(settings, message):
    with pytest.raises(SettingsError, match=message):
        cells_of(AreaSettings(**settings))


def test_an_images_grid_is_taken_as_it_is():
    image = next(iter(sorted((DEMO / "l8_sr_30m").glob("*.tif"))))
    (cell,) = cells_of(AreaSettings(like=image))
    assert cell.core.transform == Affine(30, 0, 501375, 0, -30, 5629665)
    assert tuple(cell.core.shape) == (20, 21)
    assert cell.halo == 0
    assert cell.id == "32631_501375_5629065_21x20"


def test_bounds_cut_a_part_from_an_images_grid():
    image = next(iter(sorted((DEMO / "l8_sr_30m").glob("*.tif"))))
    bounds = (501380, 5629600, 501470, 5629700)
    (cell,) = cells_of(AreaSettings(like=image, bounds=bounds, bounds_crs=UTM))
    assert cell.core.transform == Affine(30, 0, 501375, 0, -30, 5629665)
    assert tuple(cell.core.shape) == (3, 4)
    with pytest.raises(SettingsError, match="outside the image"):
        cells_of(AreaSettings(like=image, bounds=(0, 0, 1, 1)))


def test_an_eopatchs_grid_is_its_box_divided_by_its_shape():
    (cell,) = cells_of(AreaSettings(like=REAL / "eolearn_testeopatch" / "bands_5_dates"))
    assert tuple(cell.core.shape) == (101, 100)
    np.testing.assert_allclose(
        cell.core.boundingbox.bbox, (465181.052, 5079244.891, 466180.531, 5080254.633), atol=1e-3
    )
    assert str(cell.core.crs) == "EPSG:32633"
