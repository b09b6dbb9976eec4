"""Sums over the looks of objects in a cube."""

import numpy as np
import pytest

from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY
from groundshift.events.series import LookSums, cube_sums

START = 17_500 * DAY


class Cell:
    """A cell of 70 x 4 pixels with two looks of a radar and of an optical sensor."""

    times = START + DAY * np.array([0, 4, 8])
    roles = {"optical": "s2", "radar_a": "s1"}  # noqa: RUF012
    sensors = {  # noqa: RUF012
        "s1": Sensor("s1", "radar", "sentinel1", ("VV", "VH"), units="linear power"),
        "s2": Sensor("s2", "optical", "sentinel2", ("B04", "B08"), units="reflectance"),
    }

    def looks(self, sensor, rows, columns, bands):
        shape = (2, rows.stop - rows.start, columns.stop - columns.start)
        y, x = np.mgrid[rows, columns]
        first = (1 + y + 100.0 * x).astype(np.float32)
        values = np.stack([np.stack([first, 3 * first], axis=-1)] * 2)
        values[1] *= 2
        fresh = np.ones(shape, bool)
        fresh[1] = y % 2 == 0
        return values[..., list(bands)], fresh, np.array([0, 2])

    def look_times(self, sensor):
        return START + DAY * np.array([0, 7])  # the second look came a day before its step's time


def labels_of():
    labels = np.zeros((68, 3), np.int32)
    labels[61:65, 0:2] = 1  # over the border of the squares that are read
    labels[0, 2] = 2
    return labels


def test_sums_are_those_of_the_pixels_that_got_a_look():
    read = cube_sums(Cell(), origin=(2, 1))(labels_of())
    assert len(read) == 2
    optical, radar = read[0]
    assert (radar.sensor, radar.quantities, radar.seasonal) == ("s1", ("VV", "VH"), False)
    assert radar.times.tolist() == [START, START + 7 * DAY]
    pixels = [1 + y + 100.0 * x for y in range(63, 67) for x in (1, 2)]
    even = [1 + y + 100.0 * x for y in (64, 66) for x in (1, 2)]
    assert radar.seen.tolist() == [8, 4]
    assert radar.totals[0].tolist() == pytest.approx([sum(pixels), 3 * sum(pixels)])
    assert radar.totals[1].tolist() == pytest.approx([2 * sum(even), 6 * sum(even)])
    assert (optical.quantities, optical.seasonal) == (("NDVI",), True)
    # nir is three times red in every pixel
    assert optical.series(8).values.tolist() == [[pytest.approx(0.5)]]


def test_a_look_counts_where_most_pixels_had_it():
    [_, radar], [_, single] = cube_sums(Cell(), origin=(2, 1))(labels_of())
    assert radar.series(8).times.tolist() == [START]
    assert radar.series(7).times.tolist() == [START, START + 7 * DAY]
    assert single.series(1).times.tolist() == [START, START + 7 * DAY]


def test_without_an_object_nothing_is_read():
    assert cube_sums(Cell())(np.zeros((3, 3), np.int32)) == []


def test_sums_of_parts_add_up_look_by_look():
    times = START + DAY * np.array([0, 4, 8])
    one = LookSums("s1", ("VV",), False, times[:2], np.array([[1.0], [2.0]]), np.array([1, 2]))
    other = LookSums("s1", ("VV",), False, times[1:], np.array([[5.0], [7.0]]), np.array([3, 4]))
    both = one + other
    assert both.times.tolist() == times.tolist()
    assert both.totals.ravel().tolist() == [1, 7, 7]
    assert both.seen.tolist() == [1, 5, 4]
