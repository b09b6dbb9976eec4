import warnings

import numpy as np
import pyproj
import pytest
import xarray as xr
from affine import Affine

from groundshift.cube.layout import NO_TIME, SensorIndex, read_index, read_times, write_group
from groundshift.domain.time import as_datetime64
from tests.cube.conftest import SENSORS, build_cube, grid, random_times, scenes, settings, source


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A cell as xarray opens it, where a warning is an error, and as the cube reads it."""
    folder = tmp_path_factory.mktemp("layout")
    rng = np.random.default_rng(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
        observations = source(scenes(rng, random_times(rng), (37, 41)), shape=(37, 41))
        cell = build_cube(folder / "cube", observations, settings()).cells["c"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield xr.open_zarr(cell.group), cell


def test_xarray_reads_what_the_cube_reads(opened):
    dataset, cell = opened
    steps = len(cell.times)
    for name in SENSORS:
        found = cell.read(name, 0, steps, slice(0, None), slice(0, None))
        slots = dataset[f"{name}_slot_of_step"].values
        some = slots >= 0
        values = dataset[name].values[slots[some]]
        np.testing.assert_array_equal(values.astype(np.float32), found.values[some])
        np.testing.assert_array_equal(slots < 0, found.age_days.max(axis=(1, 2)) < 0)


def test_times_and_places_follow_the_conventions(opened):
    dataset, cell = opened
    np.testing.assert_array_equal(dataset.time.values.astype("M8[s]"), as_datetime64(cell.times))
    assert dataset.x.attrs["standard_name"] == "projection_x_coordinate"
    box = cell.cell.grid
    assert (dataset.x.values[0], dataset.y.values[0]) == (600_005, 5_599_995)
    assert dataset.s2.attrs["grid_mapping"] == "spatial_ref"
    mapping = dataset.spatial_ref.attrs
    assert pyproj.CRS.from_cf(mapping).to_epsg() == 32631
    numbers = [float(number) for number in mapping["GeoTransform"].split()]
    assert Affine.from_gdal(*numbers) == box.transform
    assert dataset.attrs["Conventions"].startswith("CF-")


def test_the_group_says_what_its_numbers_are(opened):
    dataset, cell = opened
    assert dataset.attrs["signature"] == cell.signature.to_dict()
    assert dataset.attrs["roles"] == {"radar_a": "s1_asc", "optical": "s2"}
    assert dataset.s2.attrs["bands"] == ["B02", "B03", "B11"]
    assert dataset.s2.encoding["scale_factor"] == 1e-4
    assert dataset.s2_age_days.dtype == np.int16


def test_small_arrays_come_back(tmp_path):
    index = SensorIndex(
        np.array([-1, 0, 2], np.int32),
        np.array([5, NO_TIME, 9], np.int64),
        np.arange(3 * 16, dtype=np.uint8).reshape(3, 1, 1, 16),
    )
    times = np.array([4, 6, 9], np.int64)
    write_group(tmp_path / "g.zarr", grid(4, 5), times, {"s2": (SENSORS["s2"], index)}, {})
    np.testing.assert_array_equal(read_times(tmp_path / "g.zarr"), times)
    found = read_index(tmp_path / "g.zarr", "s2")
    for name in ("slot_of_step", "slot_times", "digests"):
        np.testing.assert_array_equal(getattr(found, name), getattr(index, name))
    dataset = xr.open_zarr(tmp_path / "g.zarr")
    assert np.isnat(dataset.s2_time.values).tolist() == [False, True, False]


def test_a_cell_without_any_step_still_opens(tmp_path):
    index = SensorIndex(
        np.empty(0, np.int32), np.empty(0, np.int64), np.empty((0, 1, 1, 16), np.uint8)
    )
    none = np.empty(0, np.int64)
    write_group(tmp_path / "g.zarr", grid(4, 5), none, {"s2": (SENSORS["s2"], index)}, {})
    assert read_times(tmp_path / "g.zarr").size == 0
    assert read_index(tmp_path / "g.zarr", "s2").digests.shape == (0, 1, 1, 16)
    assert xr.open_zarr(tmp_path / "g.zarr").s2.shape == (0, 4, 5, 3)
