"""Charts against plain loops, and on series with a season and a step."""

from dataclasses import replace

import numpy as np
import pytest

from groundshift.assessment.control_charts import (
    SLACK,
    WEIGHT,
    ControlChart,
    Residuals,
    cusum,
    ewma,
)
from groundshift.assessment.strips import Spans, Strip
from groundshift.assessment.window_statistics import Looks

STEPS, SHAPE = 150, (2, 3)
DAYS = 17_000.0 + 6 * np.arange(STEPS)


def residuals(generator, steps=20):
    fresh = generator.random((steps, *SHAPE)) < 0.7
    return Residuals(np.where(fresh, generator.normal(size=(steps, *SHAPE)), 0), fresh)


def test_ewma_is_the_recursion_in_units_of_its_own_deviation():
    given = residuals(np.random.default_rng(1))
    found = ewma(given)
    for y, x in np.ndindex(SHAPE):
        mean, count, largest = 0.0, 0, 0.0
        for value, fresh in zip(given.values[:, y, x], given.fresh[:, y, x], strict=True):
            if fresh:
                mean, count = WEIGHT * value + (1 - WEIGHT) * mean, count + 1
                spread = WEIGHT / (2 - WEIGHT) * (1 - (1 - WEIGHT) ** (2 * count))
                largest = max(largest, abs(mean) / np.sqrt(spread))
        assert found[y, x] == pytest.approx(largest)


def test_cusum_is_the_larger_of_both_sums():
    given = residuals(np.random.default_rng(2))
    found = cusum(given)
    for y, x in np.ndindex(SHAPE):
        up = down = largest = 0.0
        for value, fresh in zip(given.values[:, y, x], given.fresh[:, y, x], strict=True):
            if fresh:
                up, down = max(up + value - SLACK, 0), max(down - value - SLACK, 0)
                largest = max(largest, up, down)
        assert found[y, x] == pytest.approx(largest)


def strip_of(ndvi, fresh):
    """A strip whose optical looks have this NDVI."""
    red = np.full_like(ndvi, 0.1)
    nir = red * (1 + ndvi) / (1 - ndvi)
    values = np.stack([red, nir], axis=-1).astype(np.float32)
    optical = Looks(values, fresh, np.maximum.accumulate(fresh, axis=0))
    return Strip(SHAPE, (), (), optical, None, {"red": 0, "nir": 1}, DAYS)


@pytest.fixture
def seasonal():
    """A season and noise everywhere; pixel (0, 0) loses its green at step 130."""
    generator = np.random.default_rng(3)
    season = 0.5 + 0.3 * np.cos(2 * np.pi * DAYS / 365.25)
    ndvi = season[:, None, None] + generator.normal(0, 0.03, (STEPS, *SHAPE))
    ndvi[130:, 0, 0] = 0.1
    return strip_of(ndvi, generator.random((STEPS, *SHAPE)) < 0.8)


def spans(*current):
    pairs = np.array(current)
    none = np.full_like(pairs, -1)
    return Spans("c", np.arange(len(pairs)), pairs, none, none)


@pytest.mark.parametrize("chart", [ewma, cusum])
def test_a_step_stands_out_and_a_season_does_not(chart, seasonal):
    steady, changed = ControlChart(chart)(seasonal, spans((90, 120), (115, 145)))
    assert changed[0, 0] > 3 * steady.max()
    assert changed[0, 0] > 3 * np.delete(changed.ravel(), 0).max()


def test_what_comes_after_a_window_changes_nothing(seasonal):
    window = spans((90, 120))
    looks = seasonal.optical
    later = looks.values.copy()
    later[120:] = 0.5
    other = replace(seasonal, optical=Looks(later, looks.fresh, looks.seen))
    np.testing.assert_array_equal(
        ControlChart(ewma)(seasonal, window), ControlChart(ewma)(other, window)
    )


def test_without_looks_before_it_a_window_scores_zero(seasonal):
    scores = ControlChart(cusum)(seasonal, spans((0, 20), (2, 20)))
    assert (scores == 0).all()
