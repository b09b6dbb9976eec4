"""Truth as labels: dated polygons and masks per period."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from shapely import box as rectangle

from groundshift.domain.time import DAY
from groundshift.errors import SettingsError
from groundshift.samples.labels.truth import dated_polygons, read_truth, truth_digest
from tests.samples.ground import box

GRID = box(8, 10)


def seconds(date):
    return int(np.datetime64(date, "s").astype(np.int64))


def pixels(top, left, bottom, right):
    """The rectangle of some rows and columns, a little inside their outer edges."""
    return rectangle(
        600_000 + 10 * left + 1, 5_600_000 - 10 * bottom + 1, 600_000 + 10 * right - 1,
        5_600_000 - 10 * top - 1,
    )  # fmt: skip


@pytest.fixture
def table():
    return gpd.GeoDataFrame(
        {
            "id": ["a", "b", "c"],
            "kind": ["urban", "urban", "swap"],
            "start": pd.to_datetime(["2017-03-01", "2017-04-01", "2017-03-01"]),
            "end": pd.to_datetime(["2017-03-01", "2017-05-01", "2017-03-01"]),
        },
        geometry=[pixels(0, 0, 2, 2), pixels(2, 2, 4, 5), pixels(6, 6, 8, 8)],
        crs="EPSG:32631",
    )


def test_labels_are_the_share_of_the_change_inside_the_window(table):
    truth = dated_polygons(table, where="test").on(GRID)
    for start, end, abrupt, gradual in (
        ("2017-01-01", "2017-03-01", 0, 0),  # the end is exclusive
        ("2017-03-01", "2017-04-01", 1, 0),
        ("2017-02-01", "2017-04-16", 1, 0.5),
        ("2017-04-07", "2017-04-13", 0, 0.2),
        ("2017-04-01", "2017-05-01", 0, 1),
        ("2017-01-01", "2018-01-01", 1, 1),
        ("2017-05-01", "2018-01-01", 0, 0),
    ):
        label = truth.label(seconds(start), seconds(end))
        expected = np.zeros((8, 10))
        expected[:2, :2], expected[2:4, 2:5] = abrupt, gradual
        np.testing.assert_allclose(label, expected, atol=1e-6)
        assert label.dtype == np.float32


def test_other_changes_are_no_change_but_can_be_told(table):
    truth = dated_polygons(table, where="test").on(GRID)
    span = seconds("2017-01-01"), seconds("2018-01-01")
    assert truth.label(*span)[6:].sum() == 0
    other = truth.other(*span)
    assert other[6:, 6:8].all()
    assert other.sum() == 4


def test_a_part_of_the_grid_has_its_part_of_the_truth(table):
    truth = dated_polygons(table, where="test")
    span = seconds("2017-01-01"), seconds("2018-01-01")
    whole = truth.on(GRID).label(*span)
    part = truth.on(GRID[1:4, 1:9]).label(*span)
    np.testing.assert_array_equal(part, whole[1:4, 1:9])
    assert part.any()


def test_polygons_in_another_system_fall_on_the_same_pixels(table, tmp_path):
    path = tmp_path / "truth.geojson"
    table.drop(columns=["end", "kind", "id"]).to_crs(4326).to_file(path)
    truth = read_truth(path)
    span = seconds("2017-01-01"), seconds("2018-01-01")
    label = truth.on(GRID).label(*span)
    assert label[:2, :2].all()
    assert label[6:, 6:8].all()  # without a kind every change is urban
    assert truth.table["start"].tolist() == table["start"].tolist()
    assert truth.table["end"].tolist() == table["start"].tolist()
    assert len(truth_digest(path)) == 64


@pytest.mark.parametrize("suffix", [".parquet", ".gpkg"])
def test_other_formats_are_read(table, tmp_path, suffix):
    path = tmp_path / f"truth{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.assign(start=table["start"].dt.date.astype(str)).drop(columns="end").to_file(path)
    assert read_truth(path).table["kind"].tolist() == ["urban", "urban", "swap"]


def write_mask(path, values, grid=GRID, nodata=None):
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1,
        dtype="uint8", crs=grid.crs.to_wkt(), transform=grid.transform, nodata=nodata,
    ) as image:  # fmt: skip
        image.write(values, 1)


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    first, second = np.zeros((8, 10), np.uint8), np.zeros((8, 10), np.uint8)
    first[0, 0], second[1, 1] = 7, 1
    first[5], second[6, :9] = 255, 0
    write_mask(folder / "town_20170101_20180101.tif", first, nodata=255)
    write_mask(folder / "20180101_20190101.tif", second[:, :9], nodata=None)
    return folder


def test_masks_say_what_changed_within_their_period(masks):
    truth = read_truth(masks)
    assert truth.table is None
    assert truth.longest_period == 365 * DAY
    placed = truth.on(GRID)
    label = placed.label(seconds("2017-01-01"), seconds("2017-07-02"))
    assert label[0, 0] == pytest.approx(182 / 365)
    assert np.isnan(label[5]).all()  # nodata
    assert np.nansum(label) == label[0, 0]
    both = placed.label(seconds("2017-07-02"), seconds("2018-07-02"))
    assert both[0, 0] == pytest.approx(183 / 365)
    assert both[1, 1] == pytest.approx(182 / 365)
    assert np.isnan(both[:, 9]).all()  # outside the second image
    assert not np.isnan(label[0, 9])
    assert not placed.other(0, seconds("2019-01-01")).any()


def test_windows_outside_the_periods_are_not_known(masks):
    placed = read_truth(masks).on(GRID)
    assert np.isnan(placed.label(seconds("2016-12-01"), seconds("2017-06-01"))).all()
    assert np.isnan(placed.label(seconds("2018-12-01"), seconds("2019-02-01"))).all()
    assert not np.isnan(placed.label(seconds("2018-06-01"), seconds("2019-01-01"))[:, :9]).any()


def test_files_of_one_period_are_joined(masks):
    other = np.zeros((8, 10), np.uint8)
    other[5, 5] = 1
    write_mask(masks / "rest_20170101_20180101.tif", other)
    label = read_truth(masks).on(GRID).label(seconds("2017-01-01"), seconds("2018-01-01"))
    assert label[5, 5] == label[0, 0] == 1
    assert label[5, 4] == 0


def test_masks_on_another_grid_are_brought_onto_the_cell_s(tmp_path):
    coarse = np.zeros((4, 5), np.uint8)
    coarse[1, 2] = 1
    grid = box(4, 5)
    wide = rasterio.Affine(20, 0, 600_000, 0, -20, 5_600_000)
    path = tmp_path / "20170101_20180101.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=4, width=5, count=1, dtype="uint8",
        crs=grid.crs.to_wkt(), transform=wide,
    ) as image:  # fmt: skip
        image.write(coarse, 1)
    label = read_truth(tmp_path).on(GRID).label(seconds("2017-01-01"), seconds("2018-01-01"))
    assert label[2:4, 4:6].all()
    assert label.sum() == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="start"), "expected a column `start`.* found id, kind, end"),
        (lambda t: t.assign(start="soon"), "expected ISO dates"),
        (lambda t: t.assign(end="2016-01-01"), "expected a start, and an end not before it"),
        (
            lambda t: gpd.GeoDataFrame(t.drop(columns="geometry"), geometry=list(t.geometry)),
            "expected a reference system",
        ),
    ],
)
def test_polygons_that_make_no_sense_are_refused(table, change, message):
    with pytest.raises(SettingsError, match=message):
        dated_polygons(change(table), where="window.truth: x")


def test_what_is_no_truth_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="expected a file or folder"):
        read_truth(tmp_path / "nothing.gpkg")
    with pytest.raises(SettingsError, match="expected masks named"):
        read_truth(tmp_path)
    (tmp_path / "a.geojson").write_text("{")
    with pytest.raises(SettingsError, match="can't be read"):
        read_truth(tmp_path / "a.geojson")
    write_mask(tmp_path / "mask_2017.tif", np.zeros((8, 10), np.uint8))
    with pytest.raises(SettingsError, match="expected a name with a period"):
        read_truth(tmp_path)


def test_reviews_are_truth_where_someone_looked(tmp_path):
    day = pd.Timestamp("2018-03-01")
    table = gpd.GeoDataFrame(
        {
            "id": ["a", "b", "c"],
            "verdict": ["accepted", "rejected", "unsure"],
            "start": day,
            "end": day,
        },
        geometry=[
            rectangle(600_000 + 10 * n, 5_600_000, 600_010 + 10 * n, 5_600_010) for n in range(3)
        ],
        crs="EPSG:32631",
    )
    table.to_parquet(tmp_path / "reviews.parquet")
    truth = read_truth(tmp_path / "reviews.parquet")
    assert truth.table is None
    grid = GeoBox.from_bbox(
        (600_000, 5_600_000, 600_040, 5_600_010), crs="EPSG:32631", resolution=10, tight=True
    )
    start = int(day.timestamp()) - 86400
    placed = truth.on(grid)
    np.testing.assert_array_equal(placed.label(start, start + 10**6), [[1, 0, np.nan, np.nan]])
    np.testing.assert_array_equal(placed.label(start, start + 1), [[0, 0, np.nan, np.nan]])
    assert not placed.other(start, start + 10**6).any()
