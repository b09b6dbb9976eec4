"""Area of change from a stratified random sample, with its standard error.

Counting the pixels of a map gives a biased area: what the map misses and what it reports in vain
don't cancel. Judging a random sample of pixels does: the estimators of Olofsson et al. (Remote
Sensing of Environment 148, 2014, equations 9 to 11) in the form of Stehman (International Journal
of Remote Sensing 35(13), 2014), in which the reference classes need not be those of the map.

Where change is rare, what the map missed decides how far off an area may be, and a sample finds a
unit or two of it, or none. So units go where change is expected to scatter, and a stratum in which
none was found is not taken for one without any: its share in the interval is that of half a unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

LEAST = 2
"""Units of a stratum below which nothing is known of its scatter."""


@dataclass(frozen=True)
class AreaEstimate:
    """An area with its standard error, in the unit of the strata's areas.

    Attributes:
        area: estimate.
        error: its standard error.
        low: lower end of the interval; not below 0.
        high: upper end; not above the area of all strata.
    """

    area: float
    error: float
    low: float
    high: float


def estimate_areas(
    strata: Mapping[str, float],
    stratum: Sequence[str],
    reference: Sequence[str],
    *,
    confidence: float = 0.95,
) -> dict[str, AreaEstimate]:
    """The area of every reference class.

    area of class c = sum over strata h of A_h p_hc, with A_h the stratum's area and p_hc the share
    of its units that are of the class; its variance is the sum of
    A_h^2 p_hc (1 - p_hc) / (n_h - 1). The interval takes Student's distribution, with the degrees
    of freedom of the strata that scatter (Satterthwaite). In the interval, but not in the standard
    error, a stratum whose units are all alike scatters as if half a unit were otherwise,
    p_hc = (m_hc + 1/2) / (n_hc + 1), which is the mean of Jeffreys' posterior (Brown, Cai and
    DasGupta, Statistical Science 16(2), 2001): without it the interval is shortest in the very
    samples that found no omission.

    Args:
        strata: area of each stratum.
        stratum: [unit] stratum that each unit was drawn from.
        reference: [unit] class that each unit turned out to be.
        confidence: of the intervals.

    Returns:
        By class, sorted by name.

    Raises:
        ValueError: units of an unknown stratum, or a stratum with fewer than two.
    """
    drawn, classes = np.array(stratum, object), np.array(reference, object)
    unknown = set(drawn) - set(strata)
    if unknown:
        raise ValueError(f"expected units of the strata {sorted(strata)}, found {sorted(unknown)}")
    few = [name for name in strata if int((drawn == name).sum()) < LEAST]
    if few:
        raise ValueError(
            f"expected at least {LEAST} judged units per stratum, found fewer in {few}"
        )
    return {
        str(name): _estimate(strata, drawn, classes == name, confidence)
        for name in sorted(set(classes))
    }


def allocate(
    sizes: Mapping[str, int], expected: Mapping[str, float], total: int, least: int
) -> dict[str, int]:
    """How many units to draw from each stratum.

    In proportion to the scatter that is expected of it, N_h sqrt(p_h (1 - p_h)) for a stratum of
    N_h pixels (Neyman; Olofsson et al. 2014, section 5.1.2), but `least` of each at least.

    Args:
        sizes: pixels of each stratum.
        expected: share of them that is thought to have changed, by stratum.
        total: units in all; more where `least` asks for more, fewer where there are not so many.
        least: units of each stratum, as far as it has them.
    """
    scatter = {h: size * sqrt(expected[h] * (1 - expected[h])) for h, size in sizes.items()}
    counts: dict[str, int] = {}
    # Who gets more or less than its share changes the shares of all others.
    while len(counts) < len(sizes):
        left, weight = total - sum(counts.values()), sum(scatter.values())
        shares = {h: round(left * own / weight) if weight else 0 for h, own in scatter.items()}
        low = {h: min(least, sizes[h]) for h in shares if shares[h] < min(least, sizes[h])}
        high = {h: sizes[h] for h in shares if shares[h] > sizes[h]}
        settled = low or high or shares
        counts |= settled
        scatter = {h: own for h, own in scatter.items() if h not in settled}
    return {h: counts[h] for h in sizes}


def _estimate(
    strata: Mapping[str, float],
    drawn: NDArray[np.object_],
    member: NDArray[np.bool_],
    confidence: float,
) -> AreaEstimate:
    area = variance = supposed = scatter = 0.0
    for name, size in strata.items():
        own = member[drawn == name]
        units, found = len(own), int(own.sum())
        share = found / units
        likely = share if 0 < found < units else (found + 0.5) / (units + 1)
        seen, part = (size**2 * p * (1 - p) / (units - 1) for p in (share, likely))
        area += size * share
        variance += seen
        supposed += part
        scatter += part**2 / (units - 1)
    width = float(student.ppf((1 + confidence) / 2, supposed**2 / scatter)) * sqrt(supposed)
    whole = sum(strata.values())
    return AreaEstimate(area, sqrt(variance), max(area - width, 0.0), min(area + width, whole))
