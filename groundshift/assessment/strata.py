"""Strata of a map for a sample of its pixels: where change was mapped, and where it was missed.

Most of an area did not change, and what the map missed there decides how far off an area from a
sample may be. The remedy of Olofsson et al. (Remote Sensing of Environment 236, 2020): pixels in
which omissions are likelier than elsewhere make strata of their own, so that a rare omission that
the sample finds stands for less ground. Likelier they are next to what was mapped, and where the
score is high but not high enough.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

BESIDE, DOUBTFUL, ELSEWHERE = "beside change", "doubtful", "no change"
"""Strata of the pixels that were not mapped as change."""

_EXPECTED = {BESIDE: 0.1, DOUBTFUL: 0.05, ELSEWHERE: 0.02}
_EXPECTED_OF_CHANGE = 0.5
_NEAR = 2  # pixels around what was mapped
_DOUBTFUL = 0.2  # of the pixels that are neither mapped nor next to it


def expected_change(stratum: str) -> float:
    """The share of a stratum's pixels that is thought to have changed, to allocate units by.

    Rather too much than too little: of a stratum that scatters more than was thought too few
    units are drawn. Where change was mapped it is a half, which asks for the most units.
    """
    return _EXPECTED.get(stratum, _EXPECTED_OF_CHANGE)


def beside(mapped: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels next to what was mapped, which itself is left out; [y, x] each."""
    near: NDArray[np.bool_] = binary_dilation(mapped, iterations=_NEAR) & ~mapped
    return near


def doubtful_above(scores: Iterable[NDArray[np.float32]]) -> float:
    """The score above which a pixel is doubtful: a fifth of those asked for are, where none tie.

    Args:
        scores: of the pixels that were not mapped and don't lie next to what was, in any number
            of pieces.
    """
    pooled = np.concatenate([*scores, np.empty(0, np.float32)])
    return float(np.quantile(pooled, 1 - _DOUBTFUL, overwrite_input=True)) if len(pooled) else 1.0
