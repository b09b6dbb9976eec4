"""Which pixels, windows and labels are scored."""

from types import SimpleNamespace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import box

from groundshift.assessment.protocol import blocks_of, panels, positive, seconds
from tests.assessment.conftest import cell_of, single_windows

DAY = 86400


@pytest.fixture
def samples(memory_cell):
    """Test blocks of 3 x 2 and 3 x 3 pixels; windows 1 to 5 have labels, the test uses 2 to 5."""
    windows = single_windows(memory_cell.times, 12)
    rows = [
        (7, 0, 0, 3, 2, "test"),
        (8, 0, 4, 3, 6, "test"),
        (8, 1, 6, 2, 7, "test"),
        (9, 3, 0, 6, 4, "validation"),
    ]
    splits = pd.DataFrame(rows, columns=["block", "y0", "x0", "y1", "x1", "split"])
    labels = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
    day = np.datetime64("2017-12-10")
    truth = gpd.GeoDataFrame(
        {"id": ["s"], "kind": ["swap"], "start": [day], "end": [day]},
        geometry=[box(600_000, 5_599_970, 600_020, 5_600_000)],
        crs="EPSG:32631",
    )
    return SimpleNamespace(
        splits=splits.assign(cell="c", patch=range(4)),
        labelled=lambda cell: np.arange(1, 6),
        windows_of=lambda split, cell: windows[windows["id"].between(2, 5)],
        label_series=lambda cell, which, rows, columns: labels[:, rows, columns],
        truth=truth,
        folder="samples",
    )


@pytest.fixture
def cube():
    return SimpleNamespace(cells={"c": SimpleNamespace(cell=cell_of(6, 7))})


def test_a_block_is_the_ground_of_its_patches(samples, cube):
    first, second = blocks_of(samples, cube, "test")
    assert (first.number, first.rows, first.columns) == (7, slice(0, 3), slice(0, 2))
    assert first.inside.all()
    assert (second.rows, second.columns) == (slice(0, 3), slice(4, 7))
    assert second.inside.tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]
    assert second.name == "c/8"
    assert second.grid.boundingbox.left == 600_040
    assert [block.number for block in blocks_of(samples, cube, "validation")] == [9]


def test_labels_are_those_of_the_splits_windows_inside_patches(samples, cube):
    first, second = panels(samples, cube, "test", "truth")
    assert first.labels.shape == (4, 3, 2)
    # Window 2 is the second that has labels.
    assert first.labels[0, 0, 1] == 42 + 1
    assert np.isnan(second.labels[:, 0, 2]).all()
    assert second.labels[3, 1, 2] == 4 * 42 + 7 + 6
    assert len(first.spans) == 4
    assert first.ends[0] - first.starts[0] == 48 * DAY


def test_decoys_are_changes_of_another_kind_within_the_window(samples, cube):
    first, second = panels(samples, cube, "test", "truth")
    day = int(np.datetime64("2017-12-10", "s").astype(int))
    within = (first.starts <= day) & (day < first.ends)
    assert within.any()
    assert not within.all()
    assert (first.decoys[within] == 1).all()
    assert not first.decoys[~within].any()
    assert not second.decoys.any()


def test_without_polygons_there_are_no_decoys(samples, cube):
    samples.truth = None
    assert not panels(samples, cube, "test", "truth")[0].decoys.any()


def test_half_of_the_change_is_a_positive_and_an_unknown_label_is_not():
    labels = np.array([0.49, 0.5, 1, np.nan], np.float32)
    assert positive(labels).tolist() == [False, True, True, False]


def test_instants_become_seconds():
    assert seconds(pd.Series(pd.to_datetime(["1970-01-02"]))).tolist() == [DAY]
