"""The sequential test against its formulas, step by step for one pixel."""

import math

import numpy as np
import pytest
from scipy.stats import chi2

from groundshift.assessment.omnibus_count import change_share, critical_values
from groundshift.assessment.window_statistics import Looks


def naive_changes(series, enl, significance):
    """Method section 7.5 for the looks [t, band] of one pixel, both sums started and reset."""
    f = series.shape[1]
    count, total, changes = 1, series[0].astype(float), 0
    for look in series[1:].astype(float):
        count += 1
        j, before, after = count, total, total + look
        ln_r = enl * (
            f * (j * math.log(j) - (j - 1) * math.log(j - 1))
            + (j - 1) * math.log(np.prod(before * enl) / enl**f)
            + math.log(np.prod(look))
            - j * math.log(np.prod(after))
        )
        rho = 1 - (1 + 1 / (j * (j - 1))) / (6 * enl)
        omega = -(f / 4) * (1 - 1 / rho) ** 2
        z = -2 * rho * ln_r
        chance = 1 - ((1 - omega) * chi2.cdf(z, f) + omega * chi2.cdf(z, f + 4))
        total = after
        if chance <= significance:
            changes, count, total = changes + 1, 1, look
    return changes


@pytest.mark.parametrize("bands", [1, 2])
@pytest.mark.parametrize(("enl", "significance"), [(4, 0.001), (3, 0.1)])
def test_counts_equal_the_formulas(bands, enl, significance):
    generator = np.random.default_rng(bands)
    power = generator.gamma(2, 0.05, (30, 2, 3, bands)).astype(np.float32)
    power[15:] *= 6
    fresh = generator.random((30, 2, 3)) < 0.7
    looks = Looks(power, fresh, np.ones_like(fresh))
    spans = np.array([[0, 30], [5, 25], [10, 12]])
    found = change_share(looks, spans, enl=enl, significance=significance)
    assert found.shape == (3, 2, 3)
    for w, (first, stop) in enumerate(spans):
        for y, x in np.ndindex(2, 3):
            series = power[first:stop, y, x][fresh[first:stop, y, x]]
            expected = naive_changes(series, enl, significance) / len(series) if len(series) else 0
            assert found[w, y, x] == pytest.approx(expected)
    assert found.max() > 0


def test_ground_without_a_look_has_no_change():
    power = np.zeros((6, 1, 2, 2), np.float32)
    fresh = np.zeros((6, 1, 2), bool)
    fresh[:, 0, 1] = True  # looks of zero power are no measurement either
    looks = Looks(power, fresh, fresh)
    assert not change_share(looks, np.array([[0, 6]]), enl=4, significance=0.001).any()


def test_the_limit_is_exceeded_by_chance_as_often_as_asked():
    generator = np.random.default_rng(0)
    series = generator.gamma(4, 0.25, (2, 20_000))
    statistic = 2 * np.log(series.sum(0)) - np.log(series[0]) - np.log(series[1]) - 2 * np.log(2)
    limit = critical_values(2, 1, 4, 0.05)[2]
    assert (4 * statistic >= limit).mean() == pytest.approx(0.05, abs=0.005)
