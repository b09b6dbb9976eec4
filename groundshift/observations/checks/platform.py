"""Bias of one Sentinel-1 platform against the others of the same relative orbit.

Each image of a platform is compared, point by point, with its neighbours in time of the other
platforms; the bias is the median over the platform's images, so that rain, frost and floods, which
come and go, don't count.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from groundshift.observations.checks.series import Floats, Measure, Series, median
from groundshift.settings import ChecksSettings

_NEIGHBOURS = 4
_NEAR = 60 * 86400  # seconds
_FEWEST_POINTS = 25
_FEWEST_IMAGES = 3
_ALIKE = 0.8  # of the largest bias: from here on it can't be said which platform is the cause
_SIGNIFICANT = 3.0  # standard errors of the median, from the median absolute deviation


def check(series: Series, limits: ChecksSettings) -> Iterator[Measure]:
    """Measure every platform's bias in dB, orbit by orbit."""
    if limits.platform is None or series.sensor.units != "linear power":
        return
    for numbers in series.by_orbit():
        if len(numbers) >= limits.minimum:
            yield from _orbit(series, numbers, limits.platform)


def _orbit(series: Series, numbers: Sequence[int], limit: float) -> Iterator[Measure]:
    """Find the platform that is off most, then look at the others without it."""
    left = list(numbers)
    while len({series.records[n].platform for n in left} - {""}) > 1:
        biases = _biases(series, left)
        if not biases:
            return
        count = {name: sum(series.records[n].platform == name for n in left) for name in biases}
        # Of two, each is off the other by the same: the one with fewer images is named.
        most = max(abs(bias) for bias in biases.values())
        alike = [name for name, bias in biases.items() if abs(bias) >= _ALIKE * most]
        worst = max(alike, key=lambda name: (-count[name], name))
        failed = abs(biases[worst]) > limit
        measured = {worst: biases[worst]} if failed else biases
        for name, bias in sorted(measured.items()):
            problem = (
                f"{name} lies {bias:+.1f} dB off the other platforms of orbit "
                f"{series.records[left[0]].orbit or 'unknown'} (over {count[name]} images)"
            )
            for number in left:
                if series.records[number].platform == name:
                    time = series.records[number].time
                    yield Measure(time, "platform", bias, limit, problem if failed else "")
        if not failed:
            return
        left = [n for n in left if series.records[n].platform != worst]


def _biases(series: Series, numbers: Sequence[int]) -> dict[str, float]:
    """Bias in dB of each platform, in the band where it is largest; 0 where it may be chance."""
    gaps: dict[str, list[Floats]] = {}
    for number in numbers:
        name = series.records[number].platform
        gap = _gap(series, number, numbers) if name else None
        if gap is not None:
            gaps.setdefault(name, []).append(gap)
    biases = {}
    for name, found in gaps.items():
        if len(found) < _FEWEST_IMAGES:
            continue
        middle = np.median(found, axis=0)
        error = 1.4826 * np.median(np.abs(found - middle), axis=0) * 1.2533 / np.sqrt(len(found))
        middle = np.where(np.abs(middle) > _SIGNIFICANT * error, middle, 0.0)
        biases[name] = float(middle[np.abs(middle).argmax()])
    return biases


def _gap(series: Series, number: int, numbers: Sequence[int]) -> Floats | None:
    """By how many dB an image differs from its neighbours of other platforms, [band]."""
    record = series.records[number]
    others = [
        n
        for n in numbers
        if series.records[n].platform not in ("", record.platform)
        and abs(series.records[n].time - record.time) <= _NEAR
    ]
    nearest = sorted(others, key=lambda n: (abs(series.records[n].time - record.time), n))
    if not nearest:
        return None
    gap = series.decibels[number] - median(series.decibels[nearest[:_NEIGHBOURS]], axis=0)
    gap = gap[np.isfinite(gap).all(axis=1)]
    return median(gap, axis=0) if len(gap) >= _FEWEST_POINTS else None
