"""Sentinel-2's radiometric offset, left in or taken off once too often.

Since processing baseline 04.00, numbers of Sentinel-2 have 1000 added, a reflectance of 0.1; older
images have it too once they are processed again. Whether it was taken off is decided by metadata;
here it is verified. Nothing in nature adds the same 0.1 to dark ground in every band: haze and
cloud add most to the blue, snow takes from the short-wave infrared.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from groundshift.observations.checks.series import Floats, Measure, Series, median
from groundshift.observations.store import Record
from groundshift.settings import ChecksSettings

OFFSET = 0.1
_SEASON = 9  # images of the same season that an image is compared with
_YEAR = 365.25 * 86400
_FEWEST_VALID = 0.6  # of the image: around large clouds more is haze
_FEWEST_BANDS = 3
_FEWEST_IMAGES = 3
_HAS_OFFSET = "0400"
_CIRRUS = "B10"
"""The band that sees no ground."""
_CLIPPED = 0.01  # reflectance up to which a pixel is one that was clipped at zero


def check(series: Series, limits: ChecksSettings) -> Iterator[Measure]:
    """Compare Sentinel-2 images with others of their season, each by itself and by baseline."""
    sensor = series.sensor
    fits = sensor.mission == "sentinel2" and sensor.units == "reflectance"
    # Without a short-wave infrared band, thin cloud looks like an offset.
    infrared = series.band("swir1") is not None or series.band("swir2") is not None
    if limits.offset is None or not fits or not infrared or len(sensor.bands) < _FEWEST_BANDS:
        return
    judged = [n for n, record in enumerate(series.records) if record.valid_share >= _FEWEST_VALID]
    wrong = _wrong_baselines(series, judged, limits.offset)
    # What all images of a baseline have wrong must not be what others are measured by.
    trusted = [n for n in judged if _has_offset(series.records[n]) not in wrong]
    whole = median(series.samples[trusted], axis=0)
    for number in judged:
        record = series.records[number]
        newer = _has_offset(record)
        if newer in wrong:
            miss, added = wrong[newer], newer is True
        else:
            miss, added = _miss(series, number, [n for n in trusted if n != number], whole)
        problem = ""
        if miss <= limits.offset:
            problem = (
                f"all {len(sensor.bands)} bands lie {OFFSET if added else -OFFSET:+g} off other "
                f"images of the season (to within {miss:.3f}), as of an image "
                f"{f'of baseline {record.baseline} ' if record.baseline else ''}that "
                f"{'still has its offset' if added else 'lost an offset it never had'}"
            )
        if np.isfinite(miss):
            yield Measure(record.time, "offset", miss, limits.offset, problem)


def _wrong_baselines(
    series: Series, judged: Sequence[int], limit: float
) -> dict[bool | None, float]:
    """Whether all images with, or all without an offset in their numbers are off the others.

    One image may be hazy; the median over many is not.

    Returns:
        Which of the two, the fewer ones, and by how much they miss the offset; empty if neither.
    """
    groups = [[n for n in judged if _has_offset(series.records[n]) is has] for has in (False, True)]
    newer = len(groups[True]) <= len(groups[False])
    own, others = groups[newer], groups[not newer]
    if min(len(own), len(others)) < _FEWEST_IMAGES:
        return {}
    gaps = [_gaps(series.samples[n], _reference(series, n, others)) for n in own]
    typical = median(np.stack([gap[0 if newer else 1] for gap in gaps]), axis=0)
    miss = float(np.abs(typical).max())
    clipped = newer or np.mean([_clipped(series, n) for n in own]) > 0.5
    return {newer: miss} if miss <= limit and clipped else {}


def _has_offset(record: Record) -> bool | None:
    """Whether 1000 was added to a product's numbers, by its metadata; None: not known."""
    return record.baseline >= _HAS_OFFSET if record.baseline else None


def _miss(series: Series, number: int, others: Sequence[int], whole: Floats) -> tuple[float, bool]:
    """By how much an image's worst band misses an offset, and whether one that was left in.

    A known baseline decides which of the two can be.
    """
    sample, newer = series.samples[number], _has_offset(series.records[number])
    added, removed = np.inf, np.inf
    if len(others) < _FEWEST_IMAGES:
        return added, False
    for reference in (_reference(series, number, others), whole):
        left_in, taken = (np.abs(gap).max() for gap in _gaps(sample, reference))
        if newer is not False:
            added = min(added, float(np.nan_to_num(left_in, nan=np.inf)))
        if newer is not True and _clipped(series, number):
            removed = min(removed, float(np.nan_to_num(taken, nan=np.inf)))
    return min(added, removed), added <= removed


def _reference(series: Series, number: int, others: Sequence[int]) -> Floats:
    """Median of the images that are nearest in season, whatever the year, [point, band]."""
    times = np.array([series.records[n].time for n in others], np.float64)
    apart = np.abs(times - series.records[number].time) % _YEAR
    nearest = np.argsort(np.minimum(apart, _YEAR - apart), kind="stable")[:_SEASON]
    return median(series.samples[[others[i] for i in nearest]], axis=0)


def _gaps(sample: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """What an image differs by, band by band, from one with an offset left in, or taken twice."""
    dark = reference <= np.nanquantile(reference, 0.25, axis=0)
    left_in = sample - (reference + np.float32(OFFSET))
    taken = sample - np.maximum(reference - np.float32(OFFSET), 0)  # services clip below zero
    return median(np.where(dark, left_in, np.float32(np.nan)), axis=0), median(taken, axis=0)


def _clipped(series: Series, number: int) -> bool:
    """Whether most of an image's darkest band, of those that see the ground, is zero."""
    seen = [i for i, name in enumerate(series.sensor.bands) if name != _CIRRUS]
    return bool(np.nanmin(median(series.samples[number][:, seen], axis=0)) <= _CLIPPED)
