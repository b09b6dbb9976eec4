import numpy as np
import pandas as pd
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from groundshift.domain.cells import Cell
from groundshift.errors import SettingsError
from groundshift.samples.pixels import card, count, draw, drawn_counts
from groundshift.samples.reference import read_reference
from groundshift.settings import ClassSettings

CLASSES = [
    ClassSettings(name="water", codes=(1,), colour="#0000ff"),
    ClassSettings(name="land", codes=(4, 5), colour="#00ff00"),
]


def grid(rows, columns, top=5_600_000, left=600_000):
    bounds = (left, top - 10 * rows, left + 10 * columns, top)
    return GeoBox.from_bbox(bounds, crs="EPSG:32631", resolution=10, tight=True)


def write(path, codes, where, dtype="uint8", **options):
    height, width = codes.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=1,
        dtype=dtype,
        crs="EPSG:32631",
        transform=where.transform,
        **options,
    ) as raster:
        raster.write(codes.astype(dtype), 1)
    return path


@pytest.fixture
def codes():
    codes = np.zeros((30, 40), np.uint8)
    codes[5:15, 5:15], codes[10:14, 14:30], codes[20:22, :] = 1, 4, 5
    return codes


def test_a_reference_is_eroded_class_by_class(tmp_path, codes):
    path = write(tmp_path / "a.tif", codes, grid(30, 40))
    found = read_reference(path, grid(30, 40), CLASSES, 1)
    expected = np.zeros_like(found)
    for number, own in enumerate(([1], [4, 5]), 1):
        mask = np.pad(np.isin(codes, own), 1)
        inside = mask.copy()
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            inside &= np.roll(mask, step, axis)
        expected[inside[1:-1, 1:-1]] = number
    np.testing.assert_array_equal(found, expected)
    assert (read_reference(path, grid(30, 40), CLASSES, 0) == 2).sum() == 15 * 4 + 2 * 40 + 4


def test_a_cell_has_the_same_pixels_however_an_area_is_cut(tmp_path, codes):
    path = write(tmp_path / "a.tif", codes, grid(30, 40))
    whole = read_reference(path, grid(30, 40), CLASSES, 2)
    part = read_reference(path, grid(12, 20, 5_600_000 - 60, 600_070), CLASSES, 2)
    np.testing.assert_array_equal(part, whole[6:18, 7:27])


@pytest.mark.parametrize("nodata", [None, 255])
def test_beyond_the_reference_there_is_no_class(tmp_path, nodata):
    path = write(tmp_path / "a.tif", np.full((10, 10), 4), grid(10, 10), nodata=nodata)
    found = read_reference(path, grid(20, 10), CLASSES, 0)
    assert (found[:10] == 2).all()
    assert (found[10:] == 0).all()


def test_a_reference_that_is_none_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", np.ones((4, 4)), grid(4, 4), dtype="float32")
    with pytest.raises(SettingsError, match=r"expected whole numbers .* found float32"):
        read_reference(path, grid(4, 4), CLASSES, 0)
    with pytest.raises(SettingsError, match="can't be read"):
        read_reference(tmp_path / "none.tif", grid(4, 4), CLASSES, 0)


def squares(cell, rows):
    columns = ["patch", "cell", "block", "y0", "x0", "y1", "x1", "split"]
    return pd.DataFrame([(i, cell, *row) for i, row in enumerate(rows)], columns=columns)


def test_about_so_many_of_a_class_are_drawn_and_the_rarer_ones_whole():
    cell = Cell("c", grid(200, 200), 0)
    reference = np.ones((200, 200), np.uint8)
    reference[:5, :5] = 2
    reference[100:110] = 0
    rows = [(0, 0, 0, 150, 200, "training"), (1, 150, 0, 200, 200, "test")]
    patches = squares("c", rows)
    counts = count(reference, patches, 2)
    assert counts.tolist() == [[28000 - 25, 25], [0, 0], [10000, 0]]
    table = draw(cell, reference, patches, counts, per_class=1000, seed=0)
    drawn = drawn_counts(table, 2)
    assert drawn["training"][1] == 25
    assert 900 < drawn["training"][0] < 1100
    assert drawn["test"] == [10000, 0]
    assert (reference[table["y"], table["x"]] == table["class"]).all()
    again = draw(cell, reference, patches, counts, per_class=1000, seed=1)
    common = table.merge(again[again["split"] == "training"], on=["y", "x"])
    assert len(common) < 200
    text = card(["a", "b"], counts, table)
    assert "| b | 25 | 25 | 0 | 0 | 0 | 0 |" in text


def test_samples_follow_from_a_pixels_place_not_from_its_cell():
    reference = np.ones((20, 20), np.uint8)
    counts = np.array([[400], [0], [0]])
    whole = Cell("c", grid(20, 20), 0)
    table = draw(
        whole,
        reference,
        squares("c", [(0, 0, 0, 20, 20, "training")]),
        counts,
        per_class=100,
        seed=3,
    )
    part = Cell("d", grid(10, 20, 5_600_000 - 100), 0)
    own = draw(
        part,
        reference[10:],
        squares("d", [(0, 0, 0, 10, 20, "training")]),
        counts,
        per_class=100,
        seed=3,
    )
    lower = table[table["y"] >= 10]
    assert list(zip(lower["y"] - 10, lower["x"], strict=True)) == list(
        zip(own["y"], own["x"], strict=True)
    )
