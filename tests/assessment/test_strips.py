"""Strips of a cell, and the steps that windows compare."""

import numpy as np
import pytest

from groundshift.assessment.strips import Spans, Strip, optical_places
from tests.assessment.conftest import single_windows


def test_thirds_are_the_outer_steps_of_a_single_window(memory_cell):
    spans = Spans.of(single_windows(memory_cell.times, 10))
    assert len(spans) == 15
    assert spans.thirds(2) == ((2, 5), (9, 12))
    assert spans.compared(2) == spans.thirds(2)


def test_a_triple_window_compares_its_neighbours(memory_cell):
    windows = single_windows(memory_cell.times, 8).assign(
        previous_first=1, previous_stop=5, next_first=11, next_stop=15
    )
    assert Spans.of(windows).compared(0) == ((0, 2), (6, 8))
    triple = Spans.of(windows.assign(kind="triple"))
    assert triple.compared(0) == ((1, 5), (11, 15))


def test_a_strip_holds_radar_in_decibels_and_indices_of_every_look(memory_cell):
    strip = Strip.of(memory_cell, slice(1, 3), slice(0, 7))
    assert strip.shape == (2, 7)
    assert len(strip.radar) == len(strip.power) == 2
    linear, seen = strip.power[0].values, strip.power[0].seen
    assert strip.radar[0].values[seen] == pytest.approx(10 * np.log10(linear[seen]))
    values = memory_cell.images["s2"].values[:, 1:3]
    red, nir = values[..., 2], values[..., 3]
    known = strip.optical.seen
    assert strip.indices.values[..., 0][known] == pytest.approx(((nir - red) / (nir + red))[known])
    assert strip.indices.values.shape[-1] == 3


def test_bands_are_found_by_their_role(memory_cell):
    places = optical_places(memory_cell)
    assert places == {"blue": 0, "green": 1, "red": 2, "nir": 3, "swir1": 4, "swir2": 5}


def test_a_cell_without_optical_images_has_no_indices(memory_cell):
    radar_only = type(memory_cell)(
        memory_cell.cell, memory_cell.times, memory_cell.images, roles={"radar_a": "s1_asc"}
    )
    strip = Strip.of(radar_only, slice(0, 2), slice(0, 2))
    assert strip.optical is None
    assert strip.indices is None
    assert len(strip.radar) == 1
    assert optical_places(radar_only) == {}
