import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy.ndimage import map_coordinates

from groundshift.errors import SettingsError, SourceError
from groundshift.observations.sources.files import FilesSource
from groundshift.settings import FilesSettings
from tests.observations.conftest import DEMO, REAL

END = 2_000_000_000
BLUE = {"mission": "sentinel2", "units": "reflectance", "scale": 0.0001, "bands": ["B02"]}
NUMBERS = np.arange(1, 31, dtype=np.uint16).reshape(1, 5, 6) * 100
GRID = GeoBox((5, 6), Affine(10, 0, 600000, 0, -10, 5600000), "EPSG:32631")


def source(root, *, end=END, **sensors):
    return FilesSource(FilesSettings(root=root, sensors=sensors), end=end)


def one(root, grid=GRID, **sensor):
    """The only image of a source with one sensor."""
    files = source(root, s=sensor)
    (acquisition,) = files.acquisitions
    with files.open(acquisition) as scene:
        return scene.read(grid)


@pytest.fixture
def blue(tmp_path, write_image):
    """A folder with one image of one band."""
    write_image(tmp_path / "s2" / "20200102T100000.tif", NUMBERS)
    return tmp_path, BLUE | {"parts": [{"folder": "s2", "bands": ["B02"]}]}


def test_numbers_on_the_cells_own_grid_are_exact(blue):
    root, sensor = blue
    image = one(root, **sensor)
    assert image.valid.all()
    np.testing.assert_array_equal(np.rint(image.values[..., 0] * 10000), NUMBERS[0])


def test_whole_numbers_of_reflectance_are_stored_as_codes_all_else_as_floats(blue, write_image):
    root, sensor = blue
    assert source(root, s=sensor).sensors["s"].dtype == "uint16"
    assert source(root, s=sensor).sensors["s"].scale == 1e-4
    assert source(root, s=sensor | {"store": "float32"}).sensors["s"].dtype == "float32"
    write_image(root / "s2" / "20200102T100000.tif", NUMBERS / 10000)
    real = sensor | {"scale": 1}
    assert source(root, s=real).sensors["s"].dtype == "float32"
    assert source(root, s=real | {"store": "uint16"}).sensors["s"].dtype == "uint16"


def test_fractions_after_whole_numbers_are_refused(blue, write_image):
    root, sensor = blue
    late = write_image(root / "s2" / "20200103T100000.tif", NUMBERS.astype(np.float32))
    files = source(root, s=sensor)
    with pytest.raises(SourceError, match=f"{late}: expected whole numbers"):
        files.open(files.acquisitions[1]).__enter__()


def test_nodata_nan_and_infinity_are_invalid(tmp_path, write_image):
    numbers = np.ones((1, 5, 6), np.float32) * 0.1
    numbers[0, 0, :4] = -9999, np.nan, np.inf, 0.05
    write_image(tmp_path / "s1" / "20200102T100000.tif", numbers, nodata=-9999)
    radar = {"mission": "sentinel1", "bands": ["VV"], "units": "linear"}
    radar["parts"] = [{"folder": "s1", "bands": ["VV"]}]
    image = one(tmp_path, **radar)
    assert image.valid[0].tolist() == [False] * 3 + [True] * 3
    assert image.values[0, :4, 0].tolist() == [0, 0, 0, np.float32(0.05)]
    image = one(tmp_path, **radar, nodata=0.05)
    assert image.valid[0].tolist() == [True, False, False, False, True, True]


def test_parts_of_several_grids_and_a_mask_become_one_image(tmp_path, write_image):
    fine = np.full((2, 6, 6), 2000, np.uint16)
    coarse = np.full((1, 3, 3), 5000, np.uint16)
    coarse[0, 1, 1] = 60000  # a cloud, masked
    classes = np.full((1, 3, 3), 4, np.uint8)
    classes[0, 1, 1] = 9
    name = "20200102T100000.tif"
    write_image(tmp_path / "fine" / name, fine, names=("B03", "B02"))
    write_image(tmp_path / "coarse" / name, coarse, size=20)
    write_image(tmp_path / "scl" / name, classes, size=20)
    sensor = BLUE | {
        "bands": ["B02", "B11"],
        "parts": [
            {"folder": "fine", "bands": ["B02", "B03"]},
            {"folder": "coarse", "bands": ["B11"]},
        ],
        "mask": {"folder": "scl", "rule": "values", "valid": [4, 5]},
    }
    image = one(tmp_path, GeoBox((6, 6), GRID.transform, GRID.crs), **sensor)
    assert (~image.valid).sum() == 4
    assert not image.valid[2:4, 2:4].any()
    np.testing.assert_allclose(image.values[image.valid], np.tile([0.2, 0.5], (32, 1)), rtol=1e-6)
    assert (image.values[~image.valid] == 0).all()


def test_bands_are_found_by_the_names_in_the_file(tmp_path, write_image):
    numbers = np.stack([np.full((5, 6), n, np.uint16) for n in (100, 200, 300)])
    write_image(tmp_path / "s2" / "20200102.tif", numbers, names=("B04", "B03", "B02"))
    parts = [{"folder": "s2", "bands": ["B02", "B03", "B04"]}]
    image = one(tmp_path, **BLUE | {"bands": ["B02", "B04"], "parts": parts})
    np.testing.assert_allclose(image.values[0, 0], [0.03, 0.01])


def test_a_band_of_the_same_file_can_be_the_mask(tmp_path, write_image):
    numbers = np.stack([NUMBERS[0], np.tile([[1, 1, 0, 1, 1, 0]], (5, 1)).astype(np.uint16)])
    write_image(tmp_path / "s2" / "20200102.tif", numbers, nodata=0)
    parts = [{"folder": "s2", "bands": ["B02", "clear"]}]
    image = one(tmp_path, **BLUE | {"parts": parts, "mask": {"band": "clear"}})
    assert image.valid[0].tolist() == [True, True, False, True, True, False]


def test_radar_keeps_its_pixels_and_its_power():
    folder = DEMO / "s1_asc_1732_20m"
    path = min(folder.glob("*.tif"))
    grid = GeoBox((64, 64), Affine(10, 0, 501360, 0, -10, 5629680), "EPSG:32631")
    files = source(
        DEMO,
        s1={
            "mission": "sentinel1",
            "bands": ["VH", "VV"],
            "units": "db",
            "parts": [{"folder": folder.name, "bands": ["VV", "VH"]}],
        },
    )
    with files.open(files.acquisitions[0]) as scene:
        image = scene.read(grid)
    with rasterio.open(path) as original:
        decibels = original.read()
    power = (10 ** (decibels.astype(np.float64) / 10)).astype(np.float32)
    for band, number in (("VH", 1), ("VV", 0)):
        index = files.sensors["s1"].bands.index(band)
        expected = power[number].repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(image.values[..., index], expected)
    assert files.sensors["s1"].units == "linear power"
    assert files.sensors["s1"].resampling == "nearest"


def test_linear_power_comes_from_another_zone_and_pixel_size():
    files = source(
        REAL,
        s1={
            "mission": "sentinel1",
            "bands": ["VV"],
            "units": "linear",
            "coefficient": "gamma0",
            "parts": [{"folder": "s1_rtc_california_2021_2025", "bands": ["VV", "VH"]}],
        },
    )
    zone_10 = GeoBox((40, 50), Affine(10, 0, 692500, 0, -10, 3903500), "EPSG:32610")
    with files.open(files.acquisitions[0]) as scene:
        image = scene.read(zone_10)
        assert scene.read(GRID) is None
        assert "145800, 3.90585e+06" in scene.footprint
    with rasterio.open(REAL / files.acquisitions[0].source) as original:
        numbers = original.read(1)
    assert image.valid.all()
    assert np.isin(image.values, numbers).all()  # nearest: no new numbers
    assert len(np.unique(image.values)) > 100


def test_one_file_per_band_at_60_20_and_10_metres():
    patch = "S2A_MSIL2A_20170613T101031_87_48"
    bands = ["B01", "B02", "B8A", "B12"]
    files = source(
        REAL / "bigearthnet_patches",
        s2=BLUE
        | {
            "bands": bands,
            "parts": [{"folder": ".", "pattern": "S2A_*/*_{band}.tif", "bands": bands}],
        },
        s1={
            "mission": "sentinel1",
            "bands": ["VV", "VH"],
            "units": "db",
            "parts": [{"folder": ".", "pattern": "S1A_*/*_{band}.tif", "bands": ["VV", "VH"]}],
        },
    )
    radar, optical = files.acquisitions
    assert (optical.time, radar.time) == (1497348631, 1497372643)
    assert (optical.platform, radar.platform) == ("S2A", "S1A")
    assert optical.product_id == f"{patch}_B01"
    grid = GeoBox((120, 120), Affine(10, 0, 404400, 0, -10, 5342400), "EPSG:32633")
    with files.open(optical) as scene:
        image = scene.read(grid)
    assert image.valid.all()
    with rasterio.open(REAL / "bigearthnet_patches" / patch / f"{patch}_B02.tif") as original:
        np.testing.assert_array_equal(np.rint(image.values[..., 1] * 10000), original.read(1))
    with rasterio.open(REAL / "bigearthnet_patches" / patch / f"{patch}_B01.tif") as original:
        coarse = original.read(1) / 10000
    positions = (np.arange(120) + 0.5) / 6 - 0.5
    expected = map_coordinates(coarse, np.meshgrid(positions, positions, indexing="ij"), order=1)
    inner = slice(3, 117)  # beyond, scipy extrapolates
    np.testing.assert_allclose(image.values[inner, inner, 0], expected[inner, inner], atol=2e-6)


def test_landsat_digital_numbers_become_reflectance_and_kelvin():
    sensor = {
        "mission": "landsat_tm",
        "layout": "landsat",
        "folder": "landsat5_brazil_1988",
        "units": "dn",
        "bands": ["B3", "B4", "B6"],
    }
    files = source(REAL, l5=sensor)
    (acquisition,) = files.acquisitions
    assert acquisition.product_id == "LT52240631988227CUB02"
    assert files.sensors["l5"].dtype == "float32"  # kelvin doesn't fit reflectance codes
    grid = GeoBox((310, 287), Affine(30, 0, 619395, 0, -30, -410205), "EPSG:32622")
    with files.open(acquisition) as scene:
        image = scene.read(grid)
    assert image.valid.mean() > 0.99
    red, infrared, heat = np.moveaxis(image.values[image.valid], -1, 0)
    assert 0.02 < np.median(red) < 0.08
    assert np.median(infrared) > 0.2  # forest
    assert 290 < np.median(heat) < 300
    without = source(REAL, l5=sensor | {"bands": ["B3", "B4"]})
    assert without.sensors["l5"].dtype == "uint16"


def test_a_landsat_band_that_is_not_there_is_a_problem_of_its_scene(tmp_path):
    folder = tmp_path / "l5"
    shutil.copytree(REAL / "landsat5_brazil_1988", folder)
    (folder / "LT52240631988227CUB02_B4.TIF").unlink()
    sensor = {"mission": "landsat_tm", "layout": "landsat", "folder": "l5", "units": "dn"}
    files = source(tmp_path, l5=sensor | {"bands": ["B3", "B4"]})
    assert files.acquisitions[0].problem == "no file LT52240631988227CUB02_B4.TIF"


def test_a_landsat_quality_band_is_found_beside_its_product(tmp_path, write_image):
    folder = tmp_path / "l5"
    shutil.copytree(REAL / "landsat5_brazil_1988", folder)
    quality = np.zeros((1, 310, 287), np.uint16)
    quality[0, :100] = 1 << 4
    name = "LT52240631988227CUB02_BQA.TIF"
    write_image(folder / name, quality, corner=(619395, -410205), size=30, crs="EPSG:32622")
    sensor = {"mission": "landsat_tm", "layout": "landsat", "folder": "l5", "units": "dn"}
    mask = {"pattern": "*_BQA.TIF", "rule": "bits", "reject": [4]}
    grid = GeoBox((310, 287), Affine(30, 0, 619395, 0, -30, -410205), "EPSG:32622")
    image = one(tmp_path, grid, **sensor, bands=["B3"], mask=mask)
    assert not image.valid[:100].any()
    assert image.valid[100:].mean() > 0.99


def test_a_level_2_product_is_refused_with_the_way_to_read_it(tmp_path):
    folder = tmp_path / "l5"
    shutil.copytree(REAL / "landsat5_brazil_1988", folder)
    metadata = folder / "LT52240631988227CUB02_MTL.txt"
    metadata.write_text('PROCESSING_LEVEL = "L2SP"\n' + metadata.read_text())
    sensor = {"mission": "landsat_tm", "layout": "landsat", "folder": "l5", "units": "dn"}
    with pytest.raises(SourceError, match=r"level 2.*scale 2\.75e-05, offset -0\.2"):
        source(tmp_path, l5=sensor | {"bands": ["B3"]})


def test_times_come_from_names_folders_or_tags(tmp_path, write_image):
    parts = [{"folder": "s2", "pattern": "**/*.tif", "bands": ["B02"]}]
    write_image(tmp_path / "s2" / "2020-01-03T10:00:01" / "blue.tif", NUMBERS)
    tagged = {"tags": {"TAKEN": "2020-01-02T10:00:00Z"}}
    write_image(tmp_path / "s2" / "delivery_20200105" / "20200102T100000.tif", NUMBERS, **tagged)
    files = source(tmp_path, s=BLUE | {"parts": parts})
    assert [item.time for item in files.acquisitions] == [1577959200, 1578045601]
    parts[0]["pattern"] = "delivery*/*.tif"
    (acquisition,) = source(tmp_path, s=BLUE | {"parts": parts, "time": "tag:TAKEN"}).acquisitions
    assert acquisition.time == 1577959200


def test_later_images_are_left_out_earlier_ones_stay(blue, write_image):
    root, sensor = blue
    write_image(root / "s2" / "20200109T100000.tif", NUMBERS)
    assert len(source(root, end=1578564000, s=sensor).acquisitions) == 1
    assert len(source(root, end=1578564001, s=sensor).acquisitions) == 2
    with pytest.raises(SettingsError, match=r"before period\.end, found none"):
        source(root, end=1, s=sensor)


def test_a_date_that_lacks_a_part_has_a_problem(tmp_path, write_image):
    for name in ("20200101T100000.tif", "20200102T100000.tif"):
        write_image(tmp_path / "fine" / name, NUMBERS)
    write_image(tmp_path / "coarse" / "20200102T100000.tif", NUMBERS)
    parts = [{"folder": "fine", "bands": ["B02"]}, {"folder": "coarse", "bands": ["B11"]}]
    sensor = BLUE | {"bands": ["B02", "B11"], "parts": parts}
    first, second = source(tmp_path, s=sensor).acquisitions
    assert first.problem == "fewer files of this time in coarse/*.tif than in the other parts"
    assert second.problem == ""
    only_fine = source(tmp_path, s=sensor | {"bands": ["B02"]})
    assert not any(item.problem for item in only_fine.acquisitions)


def test_two_images_of_one_instant_are_two_acquisitions(tmp_path, write_image):
    for tile in ("T31UES", "T31UFS"):
        write_image(tmp_path / "s2" / f"S2A_MSIL2A_20200102T100000_N0213_R022_{tile}.tif", NUMBERS)
    files = source(tmp_path, s=BLUE | {"parts": [{"folder": "s2", "bands": ["B02"]}]})
    assert [item.time for item in files.acquisitions] == [1577959200] * 2
    first = files.acquisitions[0]
    assert (first.baseline, first.orbit, first.platform) == ("0213", "022", "S2A")


def test_sentinel_2_baselines_on_both_sides_of_the_offset_are_warned_of(
    tmp_path, write_image, caplog
):
    sensor = BLUE | {"parts": [{"folder": "s2", "bands": ["B02"]}]}
    write_image(tmp_path / "s2" / "S2A_MSIL2A_20200102T100000_N0213_R022.tif", NUMBERS)
    source(tmp_path, s=sensor)
    assert caplog.messages == []
    write_image(tmp_path / "s2" / "S2A_MSIL2A_20200112T100000_N0500_R022.tif", NUMBERS)
    source(tmp_path, s=sensor)
    assert "before and after 04.00 (0213, 0500)" in caplog.text


def test_hashes_follow_content_and_names_but_not_the_place(blue, tmp_path, write_image):
    root, sensor = blue
    shutil.copytree(root / "s2", root / "elsewhere" / "s2")
    before = source(root, s=sensor).inputs
    assert source(root / "elsewhere", s=sensor).inputs == before
    write_image(root / "s2" / "20200102T100000.tif", NUMBERS + 1)
    assert source(root, s=sensor).inputs != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": [{"folder": "S2x", "bands": ["B02"]}]}, "expected a folder .*There are: s2"),
        ({"parts": [{"folder": "s2x", "bands": ["B02"]}]}, "expected a folder .*Did you mean 's2'"),
        ({"parts": [{"folder": "s2", "bands": ["B03"]}]}, "B02 in none of the parts"),
        ({"parts": []}, "B02 in none of the parts"),
        ({"parts": [{"folder": "s2", "bands": ["B02"], "pattern": "*.jp2"}]}, r"'\*.jp2' in .*s2"),
        ({"bands": []}, "expected different bands"),
        ({"bands": ["B02", "B02"]}, "expected different bands"),
        ({"units": "db"}, "expected dn or reflectance for sentinel2, found db"),
        ({"units": "dn", "store": "uint16"}, "uint16 holds reflectance only"),
        ({"mask": {"folder": "s2", "rule": "values"}}, "rule 'values' with valid = an empty list"),
        ({"mask": {"rule": "zero"}}, "expected either folder .* or band"),
        ({"mask": {"band": "SCL"}}, "'SCL' is in none of the parts"),
        ({"layout": "eopatch"}, "needs folder .* and feature"),
        ({"layout": "landsat"}, "layout landsat needs folder"),
        ({"layout": "landsat", "folder": "s2"}, "expected dn, found reflectance"),
        ({"layout": "landsat", "folder": "s2", "units": "dn"}, "expected Landsat bands"),
        ({"layout": "eopatch", "folder": "s2", "feature": "L1C"}, "found none. Correct the folder"),
    ],
)
def test_settings_that_cannot_be_right_are_explained(blue, change, message):
    root, sensor = blue
    with pytest.raises(SettingsError, match=message):
        source(root, s=sensor | change)


def test_a_missing_root_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"fetch\.files\.root: .*found none at .*nowhere"):
        source(tmp_path / "nowhere", s=BLUE)


def test_a_name_without_a_date_is_named(tmp_path, write_image):
    write_image(tmp_path / "s2" / "first.tif", NUMBERS, tags={"TAKEN": "yesterday"})
    sensor = BLUE | {"parts": [{"folder": "s2", "bands": ["B02"]}]}
    with pytest.raises(SourceError, match=r"first\.tif: expected a date .* in its name"):
        source(tmp_path, s=sensor)
    with pytest.raises(SourceError, match="in its tag 'TAKEN', found 'yesterday'"):
        source(tmp_path, s=sensor | {"time": "tag:TAKEN"})
    with pytest.raises(SourceError, match=r"in its tag 'WHEN', found 'only tags .*TAKEN"):
        source(tmp_path, s=sensor | {"time": "tag:WHEN"})


def test_a_truncated_file_is_named(blue):
    root, sensor = blue
    path = root / "s2" / "20200102T100000.tif"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"20200102T100000\.tif can't be read .*cut short"):
        one(root, **sensor)


def test_an_image_without_a_reference_system_is_named(tmp_path, write_image):
    write_image(tmp_path / "s2" / "20200102T100000.tif", NUMBERS, crs=None)
    with pytest.raises(SourceError, match="expected a georeferenced image"):
        one(tmp_path, **BLUE | {"parts": [{"folder": "s2", "bands": ["B02"]}]})


def test_a_file_with_other_bands_is_named(blue):
    root, sensor = blue
    parts = [{"folder": "s2", "bands": ["B02", "B03"]}]
    with pytest.raises(SourceError, match=r"expected bands B02, B03, found 1 \(unnamed\)"):
        one(root, **sensor | {"parts": parts})
