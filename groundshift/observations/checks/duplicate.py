"""Images that show the same ground from the same pass twice.

Neighbouring frames of a pass are 14 s (Sentinel-2) to 25 s (Sentinel-1) apart and may overlap; what
is closer in time and shows the same ground is one frame in two products. Only one of them can
count: the newest processing, of those the fuller one.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from groundshift.observations.checks.series import Floats, Measure, Series
from groundshift.observations.store import Record
from groundshift.settings import ChecksSettings

_SAME_FRAME = 10  # seconds
_RELATIVE, _ABSOLUTE = 0.02, 0.002  # to which rounding and resampling differ


def check(series: Series, limits: ChecksSettings) -> Iterator[Measure]:
    """Compare images of one platform that follow each other at once."""
    if limits.duplicate is None:
        return
    for one, other in pairwise(range(len(series.records))):
        first, second = series.records[one], series.records[other]
        same = second.time - first.time <= _SAME_FRAME and first.platform == second.platform
        seen, again = (np.isfinite(series.samples[n]).all(axis=1) for n in (one, other))
        fewest = min(seen.sum(), again.sum())
        if not same or not fewest:
            continue
        share = float((seen & again).sum() / fewest)
        worse, better = (one, other) if rank(first) < rank(second) else (other, one)
        problem = ""
        if share >= limits.duplicate:
            problem = superseded(series.records[worse], series.records[better])
            problem += "; " + difference(series.samples[worse], series.samples[better])
        yield Measure(series.records[worse].time, "duplicate", share, limits.duplicate, problem)


def rank(record: Record) -> tuple[str, float]:
    """What makes one of two images of the same ground and pass the better one."""
    return record.baseline, record.valid_share


def superseded(worse: Record, better: Record) -> str:
    """Why one image gives way to another of the same pass, in words."""
    if better.baseline > worse.baseline:
        return (
            f"superseded by {better.source}: the same pass, processed again "
            f"(baseline {better.baseline} after {worse.baseline or 'an unknown one'})"
        )
    return f"same time as {better.source}, which has at least as many valid pixels"


def difference(one: Floats, other: Floats) -> str:
    """Whether two images agree where both are valid (else NaN), in words."""
    known = np.isfinite(one).all(axis=-1) & np.isfinite(other).all(axis=-1)
    if not known.any():
        return "they share no valid pixel"
    equal = np.isclose(one[known], other[known], rtol=_RELATIVE, atol=_ABSOLUTE).all(axis=-1)
    if equal.all():
        return "their pixels are equal"
    return f"they contradict each other in {float((~equal).mean()):.0%} of their pixels"
