"""Masks that call clear what is cloud: a white image of which every pixel is valid.

A pixel looks like cloud if it is bright, much brighter than it usually is, and brighter also in the
short-wave infrared, which snow darkens. Without an infrared band snow can't be told apart; then an
image must also show nothing of the ground's own pattern.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from groundshift.observations.checks.series import Floats, Measure, Series, median
from groundshift.settings import ChecksSettings

_BRIGHT = 0.25  # reflectance in the visible from which on cloud is opaque
_BRIGHTER = 0.15  # than the same ground is else
_INFRARED = 0.05  # by which cloud is brighter there
_FEWEST_POINTS = 25
_PATTERN = 0.3  # correlation with the ground's usual brightness that opaque cloud stays below


def check(series: Series, limits: ChecksSettings) -> Iterator[Measure]:
    """Measure which share of every optical image is valid and looks like cloud."""
    if limits.cloud is None or series.sensor.units != "reflectance":
        return
    visible = [b for role in ("blue", "green", "red") if (b := series.band(role)) is not None]
    if not visible:
        return
    usual = series.level[:, visible].mean(axis=1)
    for number, record in enumerate(series.records):
        sample = series.samples[number]
        now = sample[:, visible].mean(axis=1)
        known = np.isfinite(now) & np.isfinite(usual)
        if known.sum() < _FEWEST_POINTS:
            continue
        white = (now > _BRIGHT) & (now > usual + _BRIGHTER) & _brighter_infrared(series, sample)
        share = float((white & known).mean())
        if share > limits.cloud and _shows_ground(series, now[known], usual[known]):
            share = 0.0
        problem = ""
        if share > limits.cloud:
            bright, else_ = (float(median(each[known], axis=0)) for each in (now, usual))
            problem = (
                f"{share:.0%} of the pixels are valid and look like cloud (reflectance "
                f"{bright:.2f}, else {else_:.2f}), and the mask calls {record.valid_share:.0%} of "
                "the image valid"
            )
        yield Measure(record.time, "cloud", share, limits.cloud, problem)


def _brighter_infrared(series: Series, sample: Floats) -> NDArray[np.bool_]:
    """Points that are brighter than usual in the short-wave infrared, as far as bands can tell."""
    infrared = series.band("swir1")
    if infrared is None:
        return np.ones(len(sample), bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(sample[:, infrared] > series.level[:, infrared] + _INFRARED)


def _shows_ground(series: Series, now: Floats, usual: Floats) -> bool:
    """Whether an image without infrared has the ground's own pattern, as one of snow has."""
    if series.band("swir1") is not None or usual.std() == 0 or now.std() == 0:
        return False
    return bool(abs(np.corrcoef(now, usual)[0, 1]) > _PATTERN)
