"""The omnibus test against its formula, pixel by pixel, and against chance."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, norm

from groundshift.assessment.omnibus import change_evidence
from groundshift.assessment.window_statistics import Looks

ENL = 4


def naive_evidence(series):
    """The formula for streams of looks [t, band] of one pixel; 0 below two looks."""
    statistic, freedom = 0.0, 0
    for looks in series:
        count, bands = looks.shape
        if count < 2:
            continue
        for band in looks.T.astype(float):
            log_q = sum(math.log(look / band.mean()) for look in band) * ENL
            statistic += -2 * (1 - (count + 1) / (6 * count * ENL)) * log_q
        freedom += bands * (count - 1)
    if not freedom:
        return 0
    # Where it is likely enough for a float, the deviate is that of the same probability.
    return max(norm.isf(chi2.sf(statistic, freedom)), 0)


@pytest.mark.parametrize("bands", [1, 2])
def test_evidence_is_that_of_the_formula(bands):
    generator = np.random.default_rng(bands)
    streams, shares = [], (0.7, 0.4)
    for share in shares:
        power = generator.gamma(ENL, 0.1 / ENL, (30, 2, 3, bands)).astype(np.float32)
        power[15:, 1] *= 6
        fresh = generator.random((30, 2, 3)) < share
        streams.append(Looks(power, fresh, np.ones_like(fresh)))
    spans = np.array([[0, 30], [5, 25], [10, 12], [13, 14]])
    found = change_evidence(streams, spans, enl=ENL)
    assert found.shape == (4, 2, 3)
    for w, (first, stop) in enumerate(spans):
        for y, x in np.ndindex(2, 3):
            series = [s.values[first:stop, y, x][s.fresh[first:stop, y, x]] for s in streams]
            assert found[w, y, x] == pytest.approx(naive_evidence(series), rel=0.05, abs=0.06)
    assert found[0, 1].min() > found[0, 0].max()


def test_steady_ground_has_evidence_as_seldom_as_chance():
    generator = np.random.default_rng(0)
    fresh = np.ones((15, 100, 100), bool)
    power = generator.gamma(ENL, 0.1 / ENL, (2, 15, 100, 100, 2)).astype(np.float32)
    streams = [Looks(one, fresh, fresh) for one in power]
    found = change_evidence(streams, np.array([[0, 15]]), enl=ENL)
    assert (found > norm.isf(0.05)).mean() == pytest.approx(0.05, abs=0.01)
    assert (found > 0).mean() == pytest.approx(0.5, abs=0.03)


def test_ground_without_a_look_has_no_change():
    power = np.zeros((6, 1, 2, 2), np.float32)
    power[3:] = 1e-7  # below every sensor's noise, as 0: no measurement either
    fresh = np.zeros((6, 1, 2), bool)
    fresh[:, 0, 1] = True
    assert not change_evidence([Looks(power, fresh, fresh)], np.array([[0, 6]]), enl=ENL).any()
