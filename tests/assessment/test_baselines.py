"""Baselines against plain sums over looks, and on ground that was built over."""

import numpy as np
import pandas as pd
import pytest

from groundshift.assessment.baselines import (
    EndisiDifference,
    compared_betas,
    ndvi_difference,
    radar_log_ratio,
    radar_step,
    simple_baselines,
)
from groundshift.assessment.strips import Spans, Strip
from tests.assessment.conftest import single_windows

ENL = 4


@pytest.fixture
def strip(memory_cell):
    return Strip.of(memory_cell, slice(0, 6), slice(0, 7))


@pytest.fixture
def spans(memory_cell):
    return Spans.of(single_windows(memory_cell.times, 12))


def mean_of_looks(looks, steps, y, x):
    chosen = [t for t in range(*steps) if looks.fresh[t, y, x]]
    if chosen:
        return looks.values[chosen, y, x].astype(float).mean(axis=0)
    last = steps[1] - 1
    return looks.values[last, y, x].astype(float) if looks.seen[last, y, x] else None


def test_ndvi_difference_is_that_of_the_mean_images(strip, spans):
    scores = ndvi_difference(strip, spans)
    assert scores.shape == (13, 6, 7)
    for window, y, x in ((0, 1, 1), (5, 3, 6), (12, 0, 0)):
        ndvi = []
        for steps in spans.thirds(window):
            mean = mean_of_looks(strip.optical, steps, y, x)
            ndvi.append(None if mean is None else (mean[3] - mean[2]) / (mean[3] + mean[2]))
        expected = 0 if None in ndvi else abs(ndvi[1] - ndvi[0])
        assert scores[window, y, x] == pytest.approx(expected, abs=1e-5)


def test_radar_log_ratio_is_the_mean_distance_in_decibels(strip, spans):
    scores = radar_log_ratio(strip, spans)
    for window, y, x in ((0, 1, 1), (5, 3, 6)):
        distances = []
        for looks in strip.radar:
            before, after = (mean_of_looks(looks, steps, y, x) for steps in spans.thirds(window))
            distances.extend(abs(after - before))
        assert scores[window, y, x] == pytest.approx(np.mean(distances), rel=1e-5)


def test_radar_step_adds_up_the_orbits(strip, spans):
    scores = radar_step(strip, spans)
    expected = sum(looks.best_step(4, 16).strength for looks in strip.radar)
    assert scores[4] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["radar_log_ratio", "radar_step", "omnibus_test"])
def test_radar_detectors_rank_new_buildings_first(name, memory_cell, strip, spans):
    found = simple_baselines(memory_cell, pd.DataFrame(), 0.25, ENL)
    scores = found[name](strip, spans)
    # Windows that hold step 12 with a third on either side see columns 4 to 6 change.
    built, field = scores[5:9, :, 4:], scores[5:9, 1:, :4]
    assert built.mean() > 2 * field.mean()


def test_endisi_difference_uses_the_betas_of_its_images(memory_cell, strip, spans):
    windows = single_windows(memory_cell.times, 12)
    betas = compared_betas([memory_cell], windows)
    assert len(betas) == 2 * len(windows)
    assert set(betas["part"]) == {"previous", "next"}
    scores = EndisiDifference(betas, 0.75)(strip, spans)
    regional = betas.set_index(["id", "part"])["beta"]
    y, x, window = 2, 5, 6
    index = []
    for steps, part in zip(spans.thirds(window), ("previous", "next"), strict=True):
        blue, green, _, _, swir1, swir2 = mean_of_looks(strip.optical, steps, y, x)
        mndwi = (green - swir1) / (green + swir1)
        weight = regional[window, part] * (swir1 / swir2 + mndwi**2)
        raised = max((blue - weight) / (blue + weight) + 0.75, 0)
        wet = 2 * max(mndwi, 0) + max((swir1 - blue) / (swir1 + blue), 0)
        index.append(min(max(raised - wet, 0), 1))
    assert scores[window, y, x] == pytest.approx(abs(index[1] - index[0]), abs=1e-5)
    assert scores.max() > 0


def test_endisi_difference_takes_the_betas_of_its_own_cell(memory_cell, strip, spans):
    windows = single_windows(memory_cell.times, 12)
    betas = compared_betas([memory_cell], windows)
    elsewhere = betas.assign(cell="other", beta=2 * betas["beta"])
    both = pd.concat([elsewhere, betas], ignore_index=True)
    expected = EndisiDifference(betas, 0.75)(strip, spans)
    np.testing.assert_array_equal(EndisiDifference(both, 0.75)(strip, spans), expected)


def test_betas_of_first_and_last_third_are_those_of_their_looks(memory_cell):
    windows = single_windows(memory_cell.times, 12).iloc[[3]]
    betas = compared_betas([memory_cell], windows).set_index("part")["beta"]
    looks = memory_cell.images["s2"]
    for part, steps in zip(("previous", "next"), Spans.of(windows).thirds(0), strict=True):
        parts = []
        for y, x in np.ndindex(6, 7):
            chosen = [t for t in range(*steps) if looks.fresh[t, y, x]]
            if chosen:
                blue, green, _, _, swir1, swir2 = looks.values[chosen, y, x].mean(axis=0)
                mndwi = (green - swir1) / (green + swir1)
                parts.append((blue, swir1 / swir2, mndwi**2))
        blue, ratio, squared = np.array(parts).sum(axis=0)
        assert betas[part] == pytest.approx(2 * blue / (ratio + squared), rel=1e-4)


def test_detectors_that_a_cube_does_not_allow_say_why(memory_cell):
    optical_only = type(memory_cell)(
        memory_cell.cell, memory_cell.times, memory_cell.images, roles={"optical": "s2"}
    )
    betas = compared_betas([optical_only], single_windows(memory_cell.times, 12))
    found = simple_baselines(optical_only, betas, 0.25, ENL)
    assert found["radar_step"] == "no radar stream among the cube's sensors"
    assert callable(found["ndvi_difference"])
    assert callable(found["endisi_difference"])
    radar_only = type(memory_cell)(
        memory_cell.cell, memory_cell.times, memory_cell.images, roles={"radar_a": "s1_asc"}
    )
    betas = compared_betas([radar_only], single_windows(memory_cell.times, 12))
    assert betas.empty
    found = simple_baselines(radar_only, betas, 0.25, ENL)
    assert "SWIR" in found["endisi_difference"]
    assert "NIR" in found["ndvi_difference"]


def test_ground_never_seen_scores_zero(strip, spans, memory_cell):
    betas = compared_betas([memory_cell], single_windows(memory_cell.times, 12))
    for detector in simple_baselines(memory_cell, betas, 0.25, ENL).values():
        scores = detector(strip, spans)
        assert np.isfinite(scores).all()
        assert (scores[:, 0, 0] == 0).all()
