"""Area of change from a stratified random sample, with its standard error.

Counting the pixels of a map gives a biased area: what the map misses and what it reports in vain
don't cancel. Judging a random sample of pixels does: the estimators of Olofsson et al. (Remote
Sensing of Environment 148, 2014, equations 9 to 11) in the form of Stehman (International Journal
of Remote Sensing 35(13), 2014), in which the reference classes need not be those of the map.
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
        high: upper end.
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
    of freedom of the strata that scatter (Satterthwaite).

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


def allocate(sizes: Mapping[str, int], total: int, least: int) -> dict[str, int]:
    """How many units to draw from each stratum.

    The smaller of `least` and its size for each, since rare classes decide the user's question;
    the rest in proportion to size (Olofsson et al. 2014, section 5.1.2).

    Args:
        sizes: pixels of each stratum.
        total: units in all; more where `least` asks for more.
        least: units of each stratum, as far as it has them.
    """
    counts = {name: min(least, size) for name, size in sizes.items()}
    left = max(total - sum(counts.values()), 0)
    pixels = sum(sizes.values())
    shares = {name: left * size / pixels if pixels else 0.0 for name, size in sizes.items()}
    return {name: min(counts[name] + round(shares[name]), size) for name, size in sizes.items()}


def _estimate(
    strata: Mapping[str, float],
    drawn: NDArray[np.object_],
    member: NDArray[np.bool_],
    confidence: float,
) -> AreaEstimate:
    area, variance, scatter = 0.0, 0.0, 0.0
    for name, size in strata.items():
        own = member[drawn == name]
        share, freedom = float(own.mean()), len(own) - 1
        part = size**2 * share * (1 - share) / freedom
        area += size * share
        variance += part
        scatter += part**2 / freedom
    error = sqrt(variance)
    freedom_of_all = variance**2 / scatter if scatter > 0 else np.inf
    width = float(student.ppf((1 + confidence) / 2, freedom_of_all)) * error
    return AreaEstimate(area, error, max(area - width, 0.0), area + width)
