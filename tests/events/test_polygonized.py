"""The simple way from maps to events."""

import numpy as np
import pandas as pd
import pytest

from groundshift.domain.time import DAY
from groundshift.events.objects import ScoredWindows
from groundshift.events.polygonized import polygonize
from tests.events.test_objects import GRID, START


def windows_of(scores):
    starts = START + 10 * DAY * np.arange(len(scores))
    return ScoredWindows(np.asarray(scores, np.float32), starts, starts + 30 * DAY, GRID)


def test_groups_over_the_threshold_are_dated_by_their_best_windows():
    scores = np.full((4, 8, 10), 0.1)
    scores[2, 1:3, 1:4] = 0.8
    scores[1, 6, 6:8] = 0.9  # too small
    scores[:, 0, 0] = np.nan
    [event] = polygonize(windows_of(scores), 0.5, 3).itertuples()
    assert event.geometry.area == 600
    assert event.date == pd.Timestamp(START + 35 * DAY, unit="s")
    assert event.score == pytest.approx(0.8)


def test_nothing_over_the_threshold_is_an_empty_table():
    found = polygonize(windows_of(np.zeros((4, 8, 10))), 0.5, 3)
    assert found.empty
    assert {"id", "date", "score", "geometry"} <= set(found)
