"""The omnibus test as a detector: do all looks of a window have the same mean power?

The test of Conradsen, Nielsen and Skriver (IEEE TGRS 41(1), 2003; 54(5), 2016) for polarisations
that are taken as independent. It is asked as a whole: where changes are counted look by look, as
the published label does, each look is judged alone, with all its speckle, and a step that stays
counts once, however strong.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groundshift.assessment.window_statistics import FLOOR, Looks, running

_Array = NDArray[np.float64]


def change_evidence(
    streams: Sequence[Looks], spans: NDArray[np.int64], *, enl: float
) -> NDArray[np.float32]:
    """How far the looks of each window are from one mean: [window, y, x].

    It is the standard normal deviate that is exceeded as seldom as the statistic of all streams
    together (Wilson and Hilferty, PNAS 17(12), 1931), and 0 where that is less than 0 or where
    there are no two looks.

    Args:
        streams: radar streams in linear power; one is not compared with another.
        spans: [window, 2] first step, and the step after the last.
        enl: equivalent number of looks of an image.
    """
    parts = [_statistic(looks, spans, enl) for looks in streams]
    statistic = np.sum([part[0] for part in parts], axis=0)
    freedom = np.sum([part[1] for part in parts], axis=0)
    scatter = 2 / (9 * np.maximum(freedom, 1))
    deviate = (np.cbrt(statistic / np.maximum(freedom, 1)) - (1 - scatter)) / np.sqrt(scatter)
    return np.where(freedom > 0, np.maximum(deviate, 0), 0).astype(np.float32)


def _statistic(looks: Looks, spans: NDArray[np.int64], enl: float) -> tuple[_Array, _Array]:
    """-2 rho ln Q of one stream and its degrees of freedom, [window, y, x] each.

    With T looks x of L looks each, -2 ln Q = 2 L sum over polarisations of (T ln mean x - sum ln x)
    has about a chi-square distribution with T - 1 degrees of freedom per polarisation after
    Bartlett's correction rho = 1 - (T + 1) / (6 T L).
    """
    usable = (looks.fresh & (looks.values > FLOOR).all(axis=-1))[..., None]
    power = np.where(usable, looks.values, 1).astype(np.float64)
    counts, sums, logs = (
        _within(values, spans) for values in (usable, np.where(usable, power, 0), np.log(power))
    )
    counts = np.maximum(counts, 1)
    unrest = counts * np.log(np.maximum(sums / counts, FLOOR)) - logs
    looks_seen = counts[..., 0]
    corrected = 2 * enl * (1 - (looks_seen + 1) / (6 * looks_seen * enl))
    statistic = np.where(looks_seen > 1, corrected * unrest.sum(axis=-1), 0)
    return statistic, (looks_seen - 1) * looks.values.shape[-1]


def _within(values: NDArray[np.generic], spans: NDArray[np.int64]) -> _Array:
    """Sums over the steps of each window."""
    sums = running(values.astype(np.float64))
    return np.asarray(sums[spans[:, 1]] - sums[spans[:, 0]])
