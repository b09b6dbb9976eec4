import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from shapely import MultiPolygon, box
from shapely.geometry import Polygon

from groundshift.domain.cells import Cell, cover, pixel_area, utm_zone
from groundshift.errors import SettingsError

UTM = CRS("EPSG:32631")
DEMO = box(501360, 5629040, 502000, 5629680)


def cells(geometry=DEMO, *, size, halo=0, target=None, crs=UTM):
    return cover(geometry, crs, target=target, resolution=10, size=size, halo=halo)


def test_a_small_area_is_one_cell_of_its_own_size():
    (cell,) = cells(size=10000)
    assert cell.core.shape == (64, 64)
    assert tuple(cell.core.boundingbox)[:4] == (501360, 5629040, 502000, 5629680)


@pytest.mark.parametrize(("size", "count"), [(10000, 1), (600, 4), (320, 9)])
def test_an_area_falls_into_fixed_squares(size, count):
    assert len(cells(size=size)) == count


@given(
    st.floats(0, 3000),
    st.floats(0, 3000),
    st.floats(700, 3000),
    st.floats(700, 3000),
)
def test_cells_are_the_same_whatever_area_asks_for_them(x, y, width, height):
    area = box(500000 + x, 5600000 + y, 500000 + x + width, 5600000 + y + height)
    larger = area.buffer(700, join_style="mitre")
    of_larger = {cell.id: cell for cell in cells(larger, size=640, target=UTM)}
    asked = cells(area, size=640, target=UTM)
    assert len(asked) > 1
    for cell in asked:
        assert of_larger[cell.id] == cell


def test_cells_cover_all_polygons_once_and_nothing_between():
    far = MultiPolygon([box(0, 0, 500, 500), box(10000, 10000, 10100, 10100)])
    covered = cells(far, size=1000, target=UTM)
    assert len(covered) == 2
    owned = np.array([tuple(cell.core.boundingbox)[:2] for cell in covered])
    assert sorted(map(tuple, owned)) == [(0, 0), (10000, 10000)]


def test_halo_surrounds_the_core():
    (cell,) = cells(size=10000, halo=3)
    assert cell.grid.shape == (70, 70)
    rows, columns = cell.inner
    assert cell.grid[rows, columns] == cell.core


def test_a_cell_survives_json():
    (cell,) = cells(size=10000, halo=3)
    assert Cell.from_dict(cell.to_dict()) == cell


def test_degrees_go_to_their_utm_zone():
    liege = box(5.38, 50.54, 5.73, 50.74)
    assert utm_zone(liege, CRS("EPSG:4326")).to_epsg() == 32631
    south = box(-72.5, -38.9, -72.4, -38.8)
    assert utm_zone(south, CRS("EPSG:4326")).to_epsg() == 32718
    assert cells(liege, size=10000, crs=CRS("EPSG:4326"))[0].core.crs.to_epsg() == 32631


def test_pixels_have_areas_in_square_metres():
    assert pixel_area(cells(size=10000)[0].core) == 100
    degrees = GeoBox.from_bbox((5.0, 50.0, 5.1, 50.1), crs="EPSG:4326", resolution=0.001)
    east, north = 111_320 * np.cos(np.radians(50.05)), 111_229  # metres in a degree there
    assert pixel_area(degrees) == pytest.approx(1e-6 * east * north, rel=0.01)


def test_bad_areas_are_refused():
    with pytest.raises(SettingsError, match="holds no polygon"):
        cells(Polygon(), size=1000)
    with pytest.raises(SettingsError, match="not a whole number of pixels of 10; try 610"):
        cells(size=605)
