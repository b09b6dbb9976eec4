import numpy as np

from groundshift.cube.layout import read_index
from groundshift.cube.revise import revise
from groundshift.cube.source import Amended
from groundshift.cube.store import Cube
from groundshift.domain.time import DAY
from tests.cube.conftest import START, build_cube, scene, settings, source

SHAPE = (12, 10)
CLEAR = np.ones(SHAPE, bool)


class Counting(Amended):
    """Observations that remember what was read."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, **keywords)
        self.reads = []

    def read(self, cell_id, sensor, time):
        self.reads.append((sensor, (time - START) // DAY))
        return super().read(cell_id, sensor, time)


def clear(rng, sensor="s2"):
    values, _ = scene(rng, sensor, SHAPE, share=1)
    return np.maximum(values, 1).astype(values.dtype), CLEAR


def cube_of_clear_days(tmp_path, rng, days):
    looks = {("c", "s2", START + day * DAY): clear(rng) for day in days}
    observations = source(looks, shape=SHAPE)
    build_cube(tmp_path / "cube", observations, settings(200))
    return tmp_path / "cube", observations


def test_filling_stops_where_later_looks_cover_the_change(tmp_path, rng):
    cube, observations = cube_of_clear_days(tmp_path, rng, range(0, 200, 4))
    changed = Counting(observations, put={("c", "s2", START + 62 * DAY): clear(rng)})
    revise(cube, changed, settings(200))
    assert changed.reads == [("s2", 62), ("s2", 64)]


def test_filling_goes_on_where_the_change_shows_through(tmp_path, rng):
    cube, observations = cube_of_clear_days(tmp_path, rng, (0, 4))
    covered = CLEAR.copy()
    covered[0, 0] = False
    cloudy = {("c", "s2", START + d * DAY): (clear(rng)[0], covered) for d in (12, 16, 20)}
    observations = Amended(observations, put=cloudy)
    revise(cube, observations, settings(200))
    changed = Counting(observations, put={("c", "s2", START + 9 * DAY): clear(rng)})
    revise(cube, changed, settings(200))
    assert [day for _, day in changed.reads] == [9, 12, 16, 20]


def test_two_changes_far_apart_leave_what_lies_between(tmp_path, rng):
    cube, observations = cube_of_clear_days(tmp_path, rng, range(0, 200, 4))
    put = {("c", "s2", START + day * DAY): clear(rng) for day in (22, 122)}
    changed = Counting(observations, put=put)
    revise(cube, changed, settings(200))
    assert sorted({day for _, day in changed.reads}) == [22, 24, 122, 124]


def test_the_same_picture_taken_a_day_earlier_makes_what_follows_older(tmp_path, rng):
    cube, observations = cube_of_clear_days(tmp_path, rng, (0, 2, 3))
    nothing_else = np.zeros(SHAPE, bool)
    nothing_else[0, 0] = True
    later = {("c", "s2", START + 8 * DAY): (clear(rng)[0], nothing_else)}
    observations = Amended(observations, put=later)
    revise(cube, observations, settings(200))
    second, third = (("c", "s2", START + day * DAY) for day in (2, 3))
    changed = Amended(observations, put={second: observations.read(*third)}, drop=[third])
    revise(cube, changed, settings(200))
    cell = Cube.open(cube).cells["c"]
    ages = cell.read("s2", 2, 3, slice(0, 12), slice(0, 10)).age_days[0]
    np.testing.assert_array_equal(ages, np.where(nothing_else, 0, 6))


def test_new_frames_take_slots_at_the_end_and_dropped_ones_leave_theirs(tmp_path, rng):
    cube, observations = cube_of_clear_days(tmp_path, rng, range(0, 40, 4))
    place = ("c", "s2", START + 22 * DAY)
    changed = Amended(observations, put={place: clear(rng)}, drop=[("c", "s2", START + 8 * DAY)])
    revise(cube, changed, settings(200))
    index = read_index(Cube.open(cube).cells["c"].group, "s2")
    assert index.slot_of_step.tolist() == [0, 1, 3, 4, 5, 10, 6, 7, 8, 9]
