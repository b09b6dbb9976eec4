import numpy as np
import pytest

from groundshift.cube.layout import NO_TIME
from groundshift.cube.plan import plan_cell, plan_from, read_looks, write_looks
from groundshift.cube.timeline import Bins
from tests.cube.conftest import SENSORS, scenes, source

BINS = Bins(100, 160, 10)


@pytest.fixture
def observations(rng):
    times = {"s2": [90, 101, 125, 126, 170], "s1_asc": [111]}
    blank = {("c", "s1_asc"): [133]}
    return source(scenes(rng, times, (4, 5)), shape=(4, 5), blank=blank)


def test_a_plan_holds_each_sensors_frames_on_the_common_time_line(observations):
    plan = plan_cell(observations, observations.cells[0], SENSORS, BINS)
    assert plan.times.tolist() == [101, 111, 126, 133]
    optical, radar = plan.sensors["s2"], plan.sensors["s1_asc"]
    assert [frame.looks for frame in optical.frames] == [(90, 101), (125, 126)]
    assert optical.slot_of_step(4).tolist() == [0, 0, 1, 1]
    assert radar.slot_of_step(4).tolist() == [-1, 0, 0, 0]
    assert list(optical.looks) == [90, 101, 125, 126]
    assert [frame.early for frame in optical.frames] == [1, 0]
    digests = list(optical.looks.values())
    assert optical.content(optical.frames[1]) == ((125, digests[2]), (126, digests[3]))


def test_only_sensors_that_feed_the_cube_make_steps(observations):
    plan = plan_cell(observations, observations.cells[0], ["s1_asc"], BINS)
    assert plan.times.tolist() == [111, 133]


def test_dropped_slots_have_no_time(observations):
    planned = plan_cell(observations, observations.cells[0], SENSORS, BINS).sensors["s2"]
    gap = type(planned)(planned.sensor, planned.frames, (2, 0), 3, planned.looks)
    assert gap.slot_times().tolist() == [126, NO_TIME, 101]
    assert gap.slot_of_step(4).tolist() == [2, 2, 0, 0]


def test_a_plan_comes_back_from_its_table(observations, tmp_path):
    plan = plan_cell(observations, observations.cells[0], SENSORS, BINS)
    write_looks(tmp_path / "looks.parquet", plan)
    looks = read_looks(tmp_path / "looks.parquet", SENSORS)
    again = plan_from(plan.cell, plan.times, SENSORS, looks, BINS)
    assert again.sensors == plan.sensors
    assert np.array_equal(again.times, plan.times)
