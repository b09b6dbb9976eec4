import pytest
from shapely.geometry import box, mapping

from groundshift.errors import SourceError
from groundshift.observations.radiometry import Scaling
from groundshift.observations.sources.stac.items import read_item
from groundshift.observations.sources.stac.offers import CDSE, EARTH_SEARCH, PLANETARY_COMPUTER

S2 = EARTH_SEARCH.offers[0]
PLAIN = PLANETARY_COMPUTER.offers[0]
STATED = {"raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1}]}
CODED = {"raster:scale": 1e-4, "raster:offset": -0.1, "nodata": 0, "type": "image/jp2"}


def item(properties, asset=None, offer=S2, band="B04"):
    return {
        "id": "one",
        "geometry": mapping(box(2, 50, 3, 51)),
        "properties": {"datetime": "2020-03-01T10:30:00.5Z"} | properties,
        "assets": {offer.assets[band]: {"href": "https://there/a.tif"} | (asset or {})},
    }


def scaling(properties, asset=None, offer=S2, band="B04"):
    granule = read_item(item(properties, asset, offer, band), offer, (band,))
    return granule.problem or granule.images[band].scaling


@pytest.mark.parametrize(
    ("properties", "asset", "offset"),
    [
        # Earth Search took it out and says so, but goes on stating it.
        ({"earthsearch:boa_offset_applied": True, "s2:processing_baseline": "05.09"}, STATED, 0),
        (
            {"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "04.00"},
            STATED,
            -0.1,
        ),
        ({"earthsearch:boa_offset_applied": False, "s2:processing_baseline": "02.14"}, STATED, 0),
        # The Planetary Computer states nothing, and takes nothing out.
        ({"s2:processing_baseline": "04.00"}, None, -0.1),
        ({"s2:processing_baseline": "03.01"}, None, 0),
        ({"s2:processing_baseline": "05.00", "datetime": "2018-01-01T00:00:00Z"}, None, -0.1),
        ({"s2:product_uri": "S2A_MSIL2A_20230701T103631_N0509_R008_T31UFU_1.SAFE"}, None, -0.1),
        # The Copernicus Data Space states it beside the asset.
        ({"processing:version": "05.10"}, CODED, -0.1),
    ],
)
def test_the_offset_of_sentinel2_is_decided_by_metadata(properties, asset, offset):
    assert scaling(properties, asset, PLAIN) == Scaling(1e-4, offset)


def test_without_metadata_the_offset_is_not_guessed():
    assert scaling({}) == "nothing tells whether the numbers of B04 have an offset"


def test_what_an_item_says_counts_before_the_table():
    offer = PLANETARY_COMPUTER.offers[2]
    assert scaling({}, None, offer, "B05") == Scaling(2.75e-5, -0.2)
    stated = {"raster:bands": [{"scale": 0.5, "offset": 1, "nodata": 7}]}
    granule = read_item(item({}, stated, offer, "B05"), offer, ("B05",))
    assert granule.images["B05"].scaling == Scaling(0.5, 1)
    assert granule.images["B05"].nodata == 7


def test_temperature_is_not_scaled_as_reflectance():
    offer = PLANETARY_COMPUTER.offers[-1]
    assert "B6" in scaling({}, None, offer, "B6")
    stated = {"raster:bands": [{"scale": 0.00341802, "offset": 149.0}]}
    assert scaling({}, stated, offer, "B6") == Scaling(0.00341802, 149.0)


def test_names_are_those_of_the_agencies():
    properties = {
        "platform": "sentinel-2b",
        "s2:product_uri": "S2B_MSIL2A_20230701T103631_N0509_R008_T31UFU_20230701T200058.SAFE",
        "grid:code": "MGRS-31UFU",
        "proj:epsg": 32631,
        "proj:shape": [10980, 10980],
        "proj:transform": [10, 0, 600000, 0, -10, 5600040, 0, 0, 1],
    }
    granule = read_item(item(properties), S2, ("B04",))
    assert granule.platform == "S2B"
    assert granule.product == "S2B_MSIL2A_20230701T103631_N0509_R008_T31UFU_20230701T200058"
    assert (granule.baseline, granule.tile, granule.relative_orbit) == ("0509", "31UFU", 8)
    assert granule.time == 1583058600.5
    assert granule.crs == "EPSG:32631"
    assert granule.images["B04"].grid.shape == (10980, 10980)
    landsat = {"platform": "landsat-8", "landsat:wrs_path": "198", "landsat:wrs_row": "025"}
    granule = read_item(item(landsat), S2, ("B04",))
    assert (granule.platform, granule.tile) == ("LANDSAT_8", "198/025")


def test_assets_that_an_item_lacks_are_named():
    granule = read_item(item({"s2:processing_baseline": "05.00"}), S2, ("B04", "B03", "SCL"))
    assert granule.problem == "the item lacks B03 (green), SCL (scl)"


def test_jpeg_2000_is_read_as_a_whole():
    offer = CDSE.offers[0]
    assert offer.assets["B02"] == "B02_10m"
    assert offer.assets["SCL"] == "SCL_20m"
    jp2 = item({"processing:version": "05.10"}, CODED, offer)
    assert read_item(jp2, offer, ("B04",)).images["B04"].whole
    assert (
        not read_item(item({"s2:processing_baseline": "05.00"}), S2, ("B04",)).images["B04"].whole
    )


@pytest.mark.parametrize("lacking", ["id", "geometry", "assets", "properties"])
def test_an_item_without_its_core_is_refused(lacking):
    broken = item({})
    del broken[lacking]
    with pytest.raises(SourceError, match="without id, datetime, geometry or assets"):
        read_item(broken, S2, ("B04",))
