import numpy as np
import pytest

from groundshift.cube.views import carried, mean_look, regular
from groundshift.domain.time import DAY
from tests.cube.conftest import build_cube, random_times, scenes, settings, source


def test_the_carried_view_holds_every_role_at_the_same_steps(tmp_path, rng):
    observations = source(scenes(rng, random_times(rng), (20, 30)))
    cell = build_cube(tmp_path / "cube", observations, settings()).cells["c"]
    part = (2, 9, slice(3, 11), slice(0, 30))
    view = carried(cell, *part, bands={"optical": [2, 0]})
    np.testing.assert_array_equal(view.times, cell.times[2:9])
    assert list(view.streams) == ["radar_a", "optical"]
    radar, optical = cell.read("s1_asc", *part), cell.read("s2", *part)
    np.testing.assert_array_equal(view.streams["radar_a"].values, radar.values)
    np.testing.assert_array_equal(view.streams["optical"].values, optical.values[..., [2, 0]])
    np.testing.assert_array_equal(view.streams["optical"].fresh, optical.fresh)
    np.testing.assert_array_equal(view.streams["optical"].age_days, optical.age_days)


@pytest.mark.parametrize("reach", [0, 3 * DAY])
def test_the_regular_view_interpolates_each_pixels_own_looks(tmp_path, rng, reach):
    looks = scenes(rng, random_times(rng), (20, 30))
    cell = build_cube(tmp_path / "cube", source(looks), settings()).cells["c"]
    rows, columns = slice(3, 11), slice(2, 30)
    values, fresh, steps = cell.looks("s2", rows, columns)
    times = cell.times[steps]
    instants = np.arange(times[0] - 20 * DAY, times[-1] + 20 * DAY, 5 * DAY, dtype=np.int64)
    view = regular(cell, "s2", instants, rows, columns, reach=reach)
    assert view.shape == (len(instants), 8, 28, 3)
    for y, x in [(0, 0), (7, 27), (3, 12), (5, 20)]:
        own = times[fresh[:, y, x]]
        for band in range(3):
            expected = np.full(len(instants), np.nan)
            if len(own):
                near = (instants >= own[0] - reach) & (instants <= own[-1] + reach)
                found = np.interp(instants, own, values[fresh[:, y, x], y, x, band])
                expected[near] = found[near]
            np.testing.assert_allclose(view[:, y, x, band], expected, rtol=1e-4, atol=1e-5)


def test_a_mean_look_counts_each_look_once():
    values = np.array([2.0, 4.0, 9.0], np.float32).reshape(3, 1, 1, 1).repeat(3, axis=2)
    fresh = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool).reshape(3, 1, 3)
    mean, ages = mean_look(values, fresh)
    np.testing.assert_array_equal(mean[0, :, 0], [3, 2, 0])
    np.testing.assert_array_equal(ages[0], [0, 0, -1])
