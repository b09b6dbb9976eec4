import numpy as np

from groundshift.cube.views import carried
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
