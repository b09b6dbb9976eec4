"""Products of the synthetic city as the providers have them: two tiles side by side, two slices."""

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from odc.geo.geobox import GeoBox

from groundshift.domain.bands import TABLES
from groundshift.domain.cells import Cell
from groundshift.observations.sources.stac.offers import CDSE, EARTH_SEARCH, PLANETARY_COMPUTER
from groundshift.observations.sources.synthetic import SyntheticSource
from groundshift.settings import CitySettings, PeriodSettings
from tests.stac.archive import File, Product

LEFT, TOP, CRS = 600_000, 5_600_040, "EPSG:32631"
EDGE = 120
"""Pixels of the city's side."""
TILES = {"31UFR": (0, 70), "31UGR": (50, EDGE)}
"""Columns of the tiles, which overlap."""
AREA = (LEFT + 200, TOP - 1000, LEFT + 1000, TOP - 200)
"""Left, bottom, right, top of 80 x 80 pixels of 10 m on both tiles."""
MARCH = PeriodSettings(start="2020-03-01", end="2020-04-01")
SPRING = PeriodSettings(start="1994-03-01", end="1994-06-01")
"""Of Landsat 5."""


def ground(columns=(0, EDGE), rows=(0, EDGE), pixel=10) -> GeoBox:
    """Pixels of the city, by columns and rows of 10 m."""
    bounds = (
        LEFT + columns[0] * 10,
        TOP - rows[1] * 10,
        LEFT + columns[1] * 10,
        TOP - rows[0] * 10,
    )
    return GeoBox.from_bbox(bounds, crs=CRS, resolution=pixel, tight=True)


@lru_cache(maxsize=4)
def source(
    era="s12", level="L2A", period: PeriodSettings = MARCH, pixel=10, edge=EDGE
) -> SyntheticSource:
    """The city itself."""
    settings = CitySettings(era=era, level=level, misregistration=0)
    cell = Cell("city", ground((0, edge), (0, edge), pixel), 0)
    return SyntheticSource(settings, cells=[cell], period=period)


@lru_cache(maxsize=64)
def image(city: SyntheticSource, acquisition, grid: GeoBox):
    """What the city's own source says of a grid: values [y, x, band] and validity."""
    with city.open(acquisition) as scene:
        return scene.read(grid)


def squares(image: np.ndarray, step: int) -> np.ndarray:
    """An image [y, x] in squares of pixels, [row, y, column, x]."""
    height, width = image.shape
    return image.reshape(height // step, step, width // step, step)


def part(columns: tuple[int, int], step: int) -> slice:
    """Columns of 10 m as those of larger pixels."""
    return slice(columns[0] // step, columns[1] // step)


def sentinel2(
    provider=EARTH_SEARCH, city: SyntheticSource | None = None, days=6, edge=EDGE, tiles=TILES
) -> list[Product]:
    """Two granules per pass, of Level-2A: bands at their resolution, classes at 20 m."""
    city = city or source()
    passes = [item for item in city.acquisitions if item.sensor == "s2"][:days]
    offer = provider.offers[0]
    products = []
    for item in passes:
        seen = image(city, item, ground((0, edge), (0, edge)))
        for number, (tile, columns) in enumerate(tiles.items()):
            numbers = np.rint(seen.values * 1e4).clip(1).astype(np.uint16)  # 0: no data
            if provider is not EARTH_SEARCH:
                numbers = numbers + np.uint16(1000)  # baseline 05.00, nothing taken out
            files = {}
            for index, name in enumerate(city.sensors["s2"].bands):
                step = next(b.resolution for b in TABLES["sentinel2"] if b.name == name) // 10
                # The city's bands of 20 m are squares of its pixels, 0 under cloud.
                pixels = squares(numbers[..., index], step).max((1, 3))[:, part(columns, step)]
                grid = ground(columns, (0, edge), step * 10)
                said = {"raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1}]}
                files[offer.assets[name]] = File(pixels, grid, 0, offer.block or 512, said=said)
            clear = squares(seen.valid, 2).all((1, 3))[:, part(columns, 2)]
            classes = np.where(clear, 4, 9).astype(np.uint8)
            files[offer.assets["SCL"]] = File(
                classes, ground(columns, (0, edge), 20), 0, offer.block or 512
            )
            stamp = f"{datetime.fromtimestamp(item.time, UTC):%Y%m%dT%H%M%S}"
            product = f"{item.platform}_MSIL2A_{stamp}_N0500_R051_T{tile}_{stamp}"
            short = f"{item.platform}_{tile}_{stamp[:8]}_0_L2A"
            products.append(
                Product(
                    id=short if provider is EARTH_SEARCH else product,
                    collection=offer.collection,
                    time=item.time + 0.5 + 14 * number,
                    files=files,
                    properties={
                        "platform": f"sentinel-2{item.platform[-1].lower()}",
                        "s2:product_uri": f"{product}.SAFE",
                        "s2:processing_baseline": "05.00",
                        "s2:generation_time": "2022-11-01T00:00:00Z",
                        "grid:code": f"MGRS-{tile}",
                        "proj:epsg": 32631,
                        "eo:cloud_cover": float(100 * np.mean(classes == 9)),
                    }
                    | (
                        {"earthsearch:boa_offset_applied": True} if provider is EARTH_SEARCH else {}
                    ),
                )
            )
    return products


def sentinel1(city: SyntheticSource | None = None, days=3, edge=EDGE) -> list[Product]:
    """Two slices per pass, one below the other, terrain corrected."""
    city, (offer,) = (
        city or source(),
        [each for each in PLANETARY_COMPUTER.offers if each.mission == "sentinel1"],
    )
    products = []
    for sensor in ("s1_088", "s1_110"):
        for item in [each for each in city.acquisitions if each.sensor == sensor][:days]:
            power = image(city, item, ground((0, edge), (0, edge))).values
            for number, rows in enumerate(((0, 60), (50, edge))):
                stamp = f"{datetime.fromtimestamp(item.time + 25 * number, UTC):%Y%m%dT%H%M%S}"
                grid = ground((0, edge), rows)
                state, relative = item.orbit.split()
                products.append(
                    Product(
                        id=f"{item.platform}_IW_GRDH_1SDV_{stamp}_{stamp}_031000_03A1B2_rtc",
                        collection=offer.collection,
                        time=item.time + 25 * number,
                        files={
                            key: File(power[slice(*rows), :, band], grid, -32768)
                            for band, key in enumerate(("vv", "vh"))
                        },
                        properties={
                            "platform": f"SENTINEL-1{item.platform[-1]}",
                            "sat:orbit_state": state,
                            "sat:relative_orbit": int(relative),
                            "proj:epsg": 32631,
                        },
                    )
                )
    return products


def landsat(city: SyntheticSource | None = None, days=3, edge=EDGE // 3) -> list[Product]:
    """Landsat 5 Level-2: reflectance in the agency's numbers, quality bits."""
    city = city or source("ers12ls5", "L1C", SPRING, 30)
    grid = ground((0, 3 * edge), (0, 3 * edge), 30)
    offer = next(each for each in PLANETARY_COMPUTER.offers if each.mission == "landsat_tm")
    products = []
    for item in [each for each in city.acquisitions if each.sensor == "l5"][:days]:
        seen = image(city, item, grid)
        files = {}
        for index, name in enumerate(city.sensors["l5"].bands):
            scale, offset = (0.00341802, 149.0) if name == "B6" else (2.75e-5, -0.2)
            numbers = np.rint((seen.values[..., index].astype(np.float64) - offset) / scale)
            said = {"raster:bands": [{"nodata": 0, "scale": scale, "offset": offset}]}
            files[offer.assets[name]] = File(
                np.where(seen.valid, numbers, 0).astype(np.uint16),
                grid,
                0,
                256,
                said=said,
            )
        bits = np.where(seen.valid, 0b1000000, 0b1000).astype(np.uint16)
        files["qa_pixel"] = File(bits, grid, None, 256)
        day = f"{datetime.fromtimestamp(item.time, UTC):%Y%m%d}"
        products.append(
            Product(
                id=f"LT05_L2SP_198025_{day}_02_T1",
                collection=offer.collection,
                time=item.time,
                files=files,
                properties={
                    "platform": "landsat-5",
                    "landsat:wrs_path": "198",
                    "landsat:wrs_row": "025",
                    "created": "2022-05-01T00:00:00Z",
                    "proj:epsg": 32631,
                    "eo:cloud_cover": float(100 * np.mean(~seen.valid)),
                },
            )
        )
    return products


def copernicus(city: SyntheticSource | None = None, days=2) -> list[Product]:
    """Sentinel-2 as JPEG 2000 by S3."""
    products = sentinel2(CDSE, city, days)
    for product in products:
        product.scheme = "s3"
        for file in product.files.values():
            file.format = "JP2OpenJPEG"
            file.nodata = None
    return products
