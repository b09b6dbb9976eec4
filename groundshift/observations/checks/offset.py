"""Sentinel-2's radiometric offset, left in or taken off once too often.

Since processing baseline 04.00, numbers of Sentinel-2 have 1000 added, a reflectance of 0.1; older
images have it too once they are processed again. Whether it was taken off is decided by metadata;
here it is verified. Nothing in nature adds the same 0.1 to dark ground in every band: haze and
cloud add most to the blue, snow takes from the short-wave infrared.
"""

from collections.abc import Iterator

import numpy as np

from groundshift.observations.checks.series import Floats, Measure, Series, median
from groundshift.settings import ChecksSettings

OFFSET = 0.1
_FEWEST_POINTS = 25
_FEWEST_BANDS = 3
_HAS_OFFSET = "0400"
_CLIPPED = 0.01  # reflectance up to which a pixel is one that was clipped at zero


def check(series: Series, limits: ChecksSettings) -> Iterator[Measure]:
    """Compare every Sentinel-2 image with the median of its series, band by band."""
    sensor, bands = series.sensor, series.reflective
    fits = sensor.mission == "sentinel2" and sensor.units == "reflectance"
    # Without a short-wave infrared band, thin cloud looks like an offset.
    infrared = series.band("swir1") is not None or series.band("swir2") is not None
    if limits.offset is None or not fits or not infrared or len(bands) < _FEWEST_BANDS:
        return
    level = series.level[:, bands]
    dark = level <= np.nanquantile(level, 0.25, axis=0)
    for number, record in enumerate(series.records):
        sample = series.samples[number][:, bands]
        if np.isfinite(sample).all(axis=1).sum() < _FEWEST_POINTS:
            continue
        added, removed = _misses(sample, level, dark)
        # Known baselines decide which of the two can be.
        newer = record.baseline >= _HAS_OFFSET
        if record.baseline:
            added, removed = (added, np.inf) if newer else (np.inf, removed)
        miss = float(min(added, removed))
        problem = ""
        if miss <= limits.offset:
            done = "still has its offset" if added <= removed else "lost an offset it never had"
            problem = (
                f"dark ground lies {OFFSET if added <= removed else -OFFSET:+g} off the series in "
                f"all {len(bands)} bands (to within {miss:.3f}): the image "
                f"{f'of baseline {record.baseline} ' if record.baseline else ''}{done}"
            )
        if np.isfinite(miss):
            yield Measure(record.time, "offset", miss, limits.offset, problem)


def _misses(sample: Floats, level: Floats, dark: np.ndarray) -> tuple[float, float]:
    """By how much the worst band misses what an offset left in, or taken off twice, would do."""
    gap = sample - level
    on_dark = median(np.where(dark, gap, np.float32(np.nan)), axis=0)
    added = float(np.abs(on_dark - OFFSET).max())
    kept = np.maximum(level - OFFSET, 0)  # services clip below zero
    removed = float(np.abs(median(sample - kept, axis=0)).max())
    darkest = median(level, axis=0).argmin()
    clipped = float(median(sample, axis=0)[darkest]) <= _CLIPPED
    apart = float(np.nanmedian(np.abs(level - kept).max(axis=1))) >= OFFSET * 0.99
    if not (clipped and apart):
        removed = np.inf
    return (np.inf if np.isnan(added) else added), (np.inf if np.isnan(removed) else removed)
