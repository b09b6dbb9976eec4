"""Border noise of Sentinel-1, and strips without signal, that count as valid.

Products made before March 2018 keep numbers close to zero along their edges, and terrain-corrected
ones may have a fringe of zeros. No ground is that dark: calm water stays above -30 dB.
"""

from collections.abc import Iterator

import numpy as np

from groundshift.observations.checks.series import Measure, Series, median
from groundshift.settings import ChecksSettings

NOISE = -30.0
"""Decibels of the strongest band; what is darker holds no signal."""

_BELOW = 15.0  # dB under what the same ground has else
_FEWEST_POINTS = 25


def check(series: Series, limits: ChecksSettings) -> Iterator[Measure]:
    """Measure which share of every radar image's valid pixels holds no signal."""
    if limits.border is None or series.sensor.units != "linear power":
        return
    for numbers in series.by_orbit():
        usual = median(series.decibels[numbers].max(axis=2), axis=0)
        for number in numbers:
            valid = np.isfinite(series.samples[number]).all(axis=1)
            if valid.sum() < _FEWEST_POINTS:
                continue
            # What has no decibels is below all that has.
            strongest = np.nan_to_num(series.decibels[number], nan=-np.inf).max(axis=1)
            with np.errstate(invalid="ignore"):
                empty = (strongest < NOISE) & (strongest < usual - _BELOW)
            share = float(empty[valid].mean())
            problem = ""
            if share > limits.border:
                problem = (
                    f"{share:.1%} of the valid pixels hold no signal (below {NOISE:g} dB, and "
                    f"{_BELOW:g} dB below the series): border noise or a missing strip"
                )
            record = series.records[number]
            yield Measure(record.time, "border", share, limits.border, problem)
