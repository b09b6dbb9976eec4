"""Images that can't be right are refused by name; those that can be used in part are."""

import gzip
import io
import json
import shutil

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from components.fetch.stage import run
from groundshift.observations.store import Observations
from groundshift.settings import load
from tests.faults.test_settings import assert_match
from tests.faults.world import BANDS, LEFT, PIXELS, START, TOP, arguments, write_image

DAY = 1
"""Of the first optical image."""


@pytest.fixture
def images(world, tmp_path):
    """Images of the first two months, to be damaged."""
    folder = tmp_path / "images"
    for name in ("s1", "s2", "clear"):
        (folder / name).mkdir(parents=True)
        for path in sorted((world / "images" / name).iterdir())[:6]:
            shutil.copy(path, folder / name)
    return folder


@pytest.fixture
def options(world, images, tmp_path):
    def given(*more):
        base = arguments("fetch", world, observations=tmp_path / "observations")
        return [*base, "--set", f"fetch.files.root={images}", *more]

    return given


@pytest.fixture
def fetched(world, images, tmp_path, monkeypatch):
    """Fetches what is there now."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))

    def fetch(*overrides):
        chosen = (f"fetch.files.root={images}", *overrides)
        settings = load("fetch", world / "params.yaml", overrides=chosen)
        run(settings, observations=tmp_path / "observations")
        return Observations.open(tmp_path / "observations")

    return fetch


def first(images, sensor="s2"):
    return min((images / sensor).iterdir())


def flat(bands=BANDS, dtype=np.uint16):
    return np.full((len(bands), PIXELS, PIXELS), 1000, dtype)


def test_a_missing_band_is_named_with_what_is_there(refused, options, images):
    write_image(images / "s2", DAY, flat(BANDS[:5]))
    message = refused("fetch", options())
    assert f"{first(images)}: expected bands B02, B03, B04, B08, B11, B12, found 5" in message
    assert "Name all bands" in message


def test_a_band_that_no_part_holds_is_named(refused, options):
    message = refused("fetch", options("--set", "fetch.files.sensors.s2.bands=[B02, B99]"))
    assert_match("fetch.files.sensors.s2.bands: B99 in none of the parts; expected .* Add", message)


def test_an_image_without_a_reference_system_is_named(refused, options, images):
    write_image(images / "s2", DAY, flat(), crs=None)
    assert_match(
        f"{first(images)}: expected .* found no reference system", refused("fetch", options())
    )


def test_images_of_a_wrong_reference_system_do_not_overlap(refused, options, images):
    for path in (images / "s1").iterdir():
        with rasterio.open(path, "r+") as image:
            image.crs = "EPSG:32733"
    message = refused("fetch", options(), unmapped=True)
    assert_match("sensors.s1: no image overlaps the area: .* EPSG:32733, .* in EPSG:32631", message)


def test_an_area_beside_the_images_is_named_with_both_places(refused, options):
    bounds = [LEFT + 5000, TOP - 120, LEFT + 5120, TOP]
    message = refused("fetch", options("--set", f"area.bounds={bounds}"), unmapped=True)
    assert_match("no image overlaps the area: .* covers .* first cell .* Correct area", message)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 0.95])
def test_a_truncated_image_is_named(refused, options, images, share):
    path = first(images)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert_match(f"{path} can't be read .* Expected a whole GeoTIFF", refused("fetch", options()))


def test_text_under_an_images_name_is_named(refused, options, images):
    first(images).write_text("404 not found")
    assert_match(f"{first(images)} can't be read", refused("fetch", options()))


def bomb(path, edge, block):
    """A file of some kilobytes that holds gigabytes of pixels."""
    transform = from_origin(LEFT, TOP, 10 * PIXELS / edge, 10 * PIXELS / edge)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=edge,
        height=edge,
        count=len(BANDS),
        dtype="uint16",
        crs="EPSG:32631",
        transform=transform,
        tiled=True,
        blockxsize=block,
        blockysize=block,
        compress="deflate",
        sparse_ok=True,
        bigtiff=True,
    ):
        pass


@pytest.mark.parametrize(
    ("edge", "block", "message"),
    [
        (65_536, 2048, r"found 6\d{4} x 6\d{4} pixels in one cell \(40 GiB\)"),
        (8192, 16_384, r"found blocks of 16384 x 16384 pixels \(3 GiB\)"),
    ],
)
def test_an_image_that_no_memory_holds_is_refused_unread(
    refused, options, images, edge, block, message
):
    path = first(images)
    bomb(path, edge, block)
    assert path.stat().st_size < 500_000
    found = refused("fetch", options())
    assert_match(f"{path}: expected at most 1 GiB .*{message}.* make area.cell smaller", found)


def test_a_grid_that_no_memory_holds_is_refused(refused, options, images, tmp_path):
    path = tmp_path / "like.tif"
    bomb(path, 65_536, 2048)
    chosen = ("area.bounds=null", "area.bounds_crs=EPSG:4326", f"area.like={path}")
    found = refused("fetch", options(*(part for one in chosen for part in ("--set", one))))
    assert_match("area: expected cells of at most .* found 65536 x 65536.* area.like", found)


def test_numbers_that_are_none_are_invalid_and_never_stored(fetched, images):
    values = np.full((2, PIXELS, PIXELS), 0.1, np.float64)
    values[0, 0, :4] = np.nan, np.inf, -np.inf, 1e200
    write_image(images / "s1", 0, values)
    observations = fetched()
    (cell,) = observations.cells
    stored, valid = observations.read(cell.id, "s1", int(START.astype(int)))
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(valid[0], [False] * 4 + [True] * (PIXELS - 4))
    assert np.isfinite(stored).all()
    np.testing.assert_array_equal(stored[valid], np.float32(0.1))


def test_fractions_of_double_precision_are_refused_where_whole_numbers_came_before(
    refused, options, images
):
    write_image(images / "s2", 11, flat(dtype=np.float64))
    message = refused("fetch", options())
    assert_match("expected whole numbers as in the sensor's first file, found fractions", message)


def test_of_two_images_of_one_time_the_fuller_one_counts(fetched, images):
    path = first(images, "s1")
    half = rasterio.open(path).read()
    half[:, :6] = np.nan
    write_image(images / "s1", 0, half).rename(path.with_stem(f"a_{path.stem}"))
    shutil.copy(sorted((images / "s1").iterdir())[1], path)
    observations = fetched()
    assert not observations.table.duplicated(["cell", "sensor", "time"]).any()
    (row,) = observations.quarantine.itertuples()
    assert row.reason.startswith("duplicate: same time as s1/20170101T000000.tif")


def test_a_series_of_clouds_says_what_its_mask_holds(refused, options, images):
    for path in (images / "clear").iterdir():
        with rasterio.open(path, "r+") as image:
            image.write(np.zeros((1, PIXELS, PIXELS), np.uint8))
    message = refused("fetch", options(), unmapped=True)
    assert_match(
        "sensors.s2: none of 6 acquisitions has a valid pixel .*: 0.* Correct the mask's rule",
        message,
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fetch.files.sensors.s2.mask.folder", "../elsewhere"),
        ("fetch.files.sensors.s2.mask.folder", "/etc"),
        ("fetch.files.sensors.s2.mask.pattern", "../../*.tif"),
    ],
)
def test_no_name_leads_out_of_the_root(refused, options, setting, value):
    message = refused("fetch", options("--set", f"{setting}={value}"))
    assert f"expected a name below fetch.files.root, found '{value}'" in message


def test_no_sensor_is_named_like_a_path(refused, options):
    sensor = json.dumps({"../../s1": {"mission": "sentinel1", "bands": ["VV"], "units": "linear"}})
    message = refused("fetch", options("--set", f"fetch.files.sensors={sensor}"))
    assert_match("fetch.files.sensors.../../s1.* should match pattern", message)


@pytest.fixture
def eopatch(images):
    """An EOPatch of one slice, and the overrides that read it as the only sensor."""
    folder = images / "patches" / "one"
    (folder / "data").mkdir(parents=True)
    np.save(folder / "data" / "BANDS.npy", np.ones((1, PIXELS, PIXELS, 2), np.float32))
    left, right, bottom, top = LEFT, LEFT + 120, TOP - 120, TOP
    ring = [[left, bottom], [left, top], [right, top], [right, bottom], [left, bottom]]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    box = {"type": "Polygon", "coordinates": [ring], "crs": crs}
    (folder / "bbox.geojson").write_text(json.dumps(box))
    (folder / "timestamps.json").write_text('["2017-01-01T00:00:00"]')
    sensor = {"layout": "eopatch", "folder": "patches", "feature": "BANDS"}
    sensor |= {"mission": "sentinel1", "bands": ["VV", "VH"], "units": "linear"}
    return folder, ["--set", f"fetch.files.sensors.s1={json.dumps(sensor | {'parts': []})}"]


def test_a_compressed_array_that_no_memory_holds_is_refused_unread(refused, options, eopatch):
    folder, chosen = eopatch
    header = io.BytesIO()
    shape = (1, 100_000, 100_000, 2)
    known = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, known)
    (folder / "data" / "BANDS.npy").unlink()
    path = folder / "data" / "BANDS.npy.gz"
    path.write_bytes(gzip.compress(header.getvalue() + bytes(1_000_000)))
    message = refused("fetch", options(*chosen))
    assert_match(f"{path}: expected at most 8 GiB .* found shape .*75 GiB.* as .npy", message)


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_compressed_array_is_named(refused, options, eopatch, damage):
    folder, chosen = eopatch
    plain = folder / "data" / "BANDS.npy"
    np.save(plain, np.random.default_rng(1).random((1, PIXELS, PIXELS, 2), np.float32))
    content = bytearray(gzip.compress(plain.read_bytes()))
    content[len(content) // 2] ^= 0xFF
    plain.unlink()
    path = plain.with_name("BANDS.npy.gz")
    path.write_bytes(content if damage == "changed" else content[: len(content) // 3])
    message = refused("fetch", options(*chosen))
    assert_match(f"{path} can't be read .* Copy or write it again", message)


@pytest.mark.parametrize("content", ["[3]", '["some day"]', "5", "{"])
def test_a_time_that_is_none_is_named(refused, options, eopatch, content):
    folder, chosen = eopatch
    (folder / "timestamps.json").write_text(content)
    message = refused("fetch", options(*chosen))
    assert str(folder / "timestamps.json") in message
    assert "Write the EOPatch again" in message


def test_no_feature_is_named_like_a_path(refused, options, eopatch):
    _, chosen = eopatch
    setting = "fetch.files.sensors.s1.feature=../../../secret"
    assert_match("feature: .* should match", refused("fetch", options(*chosen, "--set", setting)))
