"""Pixels of every preset are the city's own."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from groundshift.observations.areas import cells_of
from groundshift.observations.sources.stac.offers import EARTH_SEARCH, PLANETARY_COMPUTER
from groundshift.observations.sources.stac.source import StacSource
from tests.stac import city
from tests.stac.fixtures import BANDS, LANDSAT, RADAR, S2, settings_for
from tests.stac.service import KEY, SECRET


def source_of(api, *arguments, **changes):
    settings = settings_for(api, *arguments, **changes)
    cells = cells_of(settings.area)
    return StacSource(settings.fetch.stac, cells, settings.period), cells


def read(source, number, cell):
    with source.open(source.acquisitions[number]) as scene:
        return scene.read(cell.grid)


def own_image(own, sensor, number, cell, bands):
    """What the city's own source says."""
    acquisition = [item for item in own.acquisitions if item.sensor == sensor][number]
    image = city.image(own, acquisition, cell.grid)
    known = own.sensors[sensor].bands
    return image.values[..., [known.index(band) for band in bands]], image.valid


def coarse(valid):
    """Validity as the classes at 20 m tell it: of all four pixels or none."""
    return city.squares(valid, 2).all((1, 3)).repeat(2, 0).repeat(2, 1)


def codes(values):
    """Reflectance in whole numbers of 1e-4."""
    return np.rint(values * 1e4)


@pytest.mark.parametrize("provider", ["earth_search", "planetary_computer"])
def test_sentinel2_of_two_tiles_is_the_citys_own(api, provider):
    preset = {"earth_search": EARTH_SEARCH, "planetary_computer": PLANETARY_COMPUTER}[provider]
    api.products = city.sentinel2(preset, days=3)
    api.signed = provider == "planetary_computer"
    source, (cell,) = source_of(api, provider)
    assert len(source.acquisitions) == 3
    for number in range(3):
        image = read(source, number, cell)
        values, valid = own_image(city.source(), "s2", number, cell, BANDS)
        valid = coarse(valid)
        np.testing.assert_array_equal(image.valid, valid)
        np.testing.assert_array_equal(codes(image.values), codes(values).clip(1) * valid[..., None])
    assert set(Counter(api.asked).values()) == {1}
    assert (source.used["s2"].requests, source.used["s2"].bytes) == (len(api.asked), api.bytes)


def test_sentinel1_of_two_slices_is_the_citys_own(api):
    api.products, api.signed = city.sentinel1(), True
    source, (cell,) = source_of(api, "planetary_computer", RADAR)
    names = {"s1_asc": "s1_088", "s1_des": "s1_110"}
    assert Counter(item.sensor for item in source.acquisitions) == {"s1_asc": 3, "s1_des": 3}
    for number, item in enumerate(source.acquisitions):
        image = read(source, number, cell)
        values, _ = own_image(city.source(), names[item.sensor], number % 3, cell, ["VV", "VH"])
        assert image.valid.all()
        np.testing.assert_array_equal(image.values, values)
    sensor = source.sensors["s1_asc"]
    assert (sensor.level, sensor.units, sensor.coefficient) == (
        "RTC",
        "linear power",
        "gamma0_terrain",
    )
    assert [item.orbit for item in source.acquisitions[2:4]] == ["ascending 088", "descending 110"]
    assert api.issued == 1


def test_landsat_is_the_citys_own_to_the_step_of_its_numbers(api):
    api.products, api.signed = city.landsat(), True
    bands = [*LANDSAT["bands"], "B6"]
    place = {
        "area": {"bounds": (city.LEFT, city.TOP - 1200, city.LEFT + 1200, city.TOP)},
        "period": {"start": "1994-03-01", "end": "1994-06-01"},
    }
    place["area"] |= {"resolution": 30}
    source, (cell,) = source_of(
        api, "planetary_computer", {"l5": LANDSAT | {"bands": bands}}, **place
    )
    own = city.source("ers12ls5", "L1C", city.SPRING, 30)
    assert len(source.acquisitions) == 3
    for number in range(3):
        image = read(source, number, cell)
        values, valid = own_image(own, "l5", number, cell, bands)
        np.testing.assert_array_equal(image.valid, valid)
        step = np.array([2.75e-5] * 6 + [0.00341802])
        assert (np.abs(image.values - values)[valid] <= step * 0.51).all()
    sensor = source.sensors["l5"]
    assert (sensor.level, sensor.dtype) == ("L2SP", "float32")  # kelvin fits no code
    assert "U.S. Geological Survey, 1994, from Planetary Computer" in source.licences[0]


def test_jpeg_2000_by_s3_is_the_citys_own(api, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    api.products = city.copernicus()
    source, (cell,) = source_of(api, "cdse")
    image = read(source, 1, cell)
    values, valid = own_image(city.source(), "s2", 1, cell, BANDS)
    valid = coarse(valid)
    np.testing.assert_array_equal(image.valid, valid)
    np.testing.assert_array_equal(codes(image.values), codes(values).clip(1) * valid[..., None])
    assert len(api.asked) == source.cost(source.acquisitions[1], cell.grid).requests == 14
    assert {span for _, span in api.asked} == {""}


def test_a_scene_is_loaded_once_for_all_cells(api):
    api.products = city.sentinel2(days=1)
    whole, (cell,) = source_of(api)
    image = read(whole, 0, cell)
    alone = len(api.asked)
    api.asked.clear()
    source, cells = source_of(api, area={"cell": 320, "halo": 2})
    assert len(cells) == 12
    with source.open(source.acquisitions[0]) as scene:
        for part in cells:
            seen = scene.read(part.grid)
            left = round((part.core.boundingbox.left - cell.core.boundingbox.left) / 10)
            top = round((cell.core.boundingbox.top - part.core.boundingbox.top) / 10)
            rows, columns = (slice(max(v, 0), min(v + 32, 80)) for v in (top, left))
            mine = np.s_[
                rows.start - top + 2 : rows.stop - top + 2,
                columns.start - left + 2 : columns.stop - left + 2,
            ]
            np.testing.assert_array_equal(seen.values[mine], image.values[rows, columns])
            np.testing.assert_array_equal(seen.valid[mine], image.valid[rows, columns])
    assert len(api.asked) == alone


def test_a_tile_that_covers_a_cell_is_enough(api):
    api.products = city.sentinel2(days=1)
    for product in api.products:
        product.outline = product.ground.buffer(0.03)
    source, (cell,) = source_of(api)
    cost = source.cost(source.acquisitions[0], cell.grid)
    read(source, 0, cell)
    assert cost.requests == len(api.asked) == 7
    assert len({path.split("/")[1] for path, _ in api.asked}) == 1


def test_listing_and_costs_ask_the_catalogue_only(api):
    api.products = city.sentinel2()
    source, (cell,) = source_of(api)
    costs = [source.cost(item, cell.grid) for item in source.acquisitions]
    assert {cost.month for cost in costs} == {"2020-03"}
    assert api.asked == []
    assert len(api.searches) == 1


def test_gdal_itself_reads_the_service(api):
    """The service is no friend of our own reader only."""
    api.products = city.sentinel2(days=1)
    product = api.products[0]
    address = f"/vsicurl/{api.url}/files/{product.path('blue')}"
    # A process of its own: GDAL holds the interpreter while it waits for the service's threads.
    script = f"import rasterio; print(rasterio.open({address!r}).read(1).sum())"
    seen = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(seen.stdout) == product.files["blue"].pixels.sum()
    assert any(span for _, span in api.asked)


def test_what_the_catalogue_holds_is_what_the_inputs_hash(api):
    api.products = city.sentinel2(days=3)
    one, _ = source_of(api)
    two, _ = source_of(api)
    assert one.inputs == two.inputs
    api.products[0].properties["earthsearch:boa_offset_applied"] = False
    three, _ = source_of(api)
    assert one.inputs != three.inputs
    # Another decision is another image, which no earlier artifact holds.
    found = [one.acquisitions[0].source, three.acquisitions[0].source]
    assert [source.split(", ")[1] for source in found] == ["offset 0", "offset -0.1 and 0"]


def test_a_layer_of_the_mask_is_told(api):
    api.products = city.sentinel2(days=1)
    source, (cell,) = source_of(api, sensors={"s2": S2})
    with source.open(source.acquisitions[0]) as scene:
        assert scene.mask_numbers(cell.grid) == "4; 4"
        assert scene.footprint.endswith("in EPSG:4326")
