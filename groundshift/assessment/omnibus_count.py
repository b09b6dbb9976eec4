"""The sequential omnibus test as a detector: how often radar power changes within a window.

The test of the published label (Conradsen, Nielsen and Skriver, IEEE TGRS 54(5), 2016, in Canty's
sequential form) as its authors meant it: each look is compared with the sum of those since the
last change, in all polarisations; a change starts every sum anew; only looks count.
"""

from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import gammainc

from groundshift.assessment.window_statistics import Looks


def change_share(
    looks: Looks, spans: NDArray[np.int64], *, enl: float, significance: float
) -> NDArray[np.float32]:
    """Changes found per look in each window: [window, y, x], 0 where there is no look.

    Args:
        looks: one radar stream in linear power.
        spans: [window, 2] first step, and the step after the last.
        enl: equivalent number of looks of an image.
        significance: probability below which a comparison counts as a change.
    """
    steps, rows, columns, bands = looks.values.shape
    power = np.ascontiguousarray(looks.values.reshape(steps, -1, bands).transpose(1, 0, 2))
    valid = looks.fresh[..., None] & (looks.values > 0)
    usable = np.ascontiguousarray(valid.all(axis=-1).reshape(steps, -1).T)
    limits = critical_values(steps, bands, enl, significance)
    shares = _shares(power, usable, np.ascontiguousarray(spans), limits, enl)
    return np.asarray(shares).reshape(len(spans), rows, columns)


@lru_cache(maxsize=16)
def critical_values(most: int, bands: int, enl: float, significance: float) -> NDArray[np.float64]:
    """What the statistic -2 rho ln R of the j-th look exceeds by chance: [most + 1], by j.

    Its distribution is a mixture of chi-square with f and f + 4 degrees of freedom, f being the
    number of polarisations (method section 7.5, steps 7 to 9, with p = 1).
    """
    limits = np.full(most + 1, np.inf)
    for j in range(2, most + 1):
        rho, omega = _correction(j, bands, enl)

        def excess(value: float, omega: float = omega) -> float:
            low, high = gammainc(bands / 2, value / 2), gammainc(bands / 2 + 2, value / 2)
            return float(1 - ((1 - omega) * low + omega * high) - significance)

        limits[j] = brentq(excess, 1e-9, 1e3) / (2 * rho)
    return limits


def _correction(j: int, bands: int, enl: float) -> tuple[float, float]:
    """Box's correction rho of the statistic and weight omega of the second chi-square."""
    rho = 1 - (1 + 1 / (j * (j - 1))) / (6 * enl)
    return rho, -(bands / 4) * (1 - 1 / rho) ** 2


@numba.njit(error_model="numpy", nogil=True)  # type: ignore[untyped-decorator]
def _shares(
    power: NDArray[np.float32],
    usable: NDArray[np.bool_],
    spans: NDArray[np.int64],
    limits: NDArray[np.float64],
    enl: float,
) -> NDArray[np.float32]:
    """Change shares [window, pixel] of power [pixel, t, band]."""
    pixels, _, bands = power.shape
    shares = np.zeros((len(spans), pixels), np.float32)
    sums = np.empty(bands)
    for window in range(len(spans)):
        for pixel in range(pixels):
            count, looks, changes = 0, 0, 0
            for t in range(spans[window, 0], spans[window, 1]):
                if not usable[pixel, t]:
                    continue
                looks += 1
                count += 1
                statistic = 0.0
                for band in range(bands):
                    value = np.float64(power[pixel, t, band])
                    before = 0.0 if count == 1 else sums[band]
                    after = before + value
                    if count > 1:
                        statistic -= count * np.log(count) - (count - 1) * np.log(count - 1)
                        statistic += count * np.log(after) - np.log(value)
                        statistic -= (count - 1) * np.log(before)
                    sums[band] = after
                if count > 1 and enl * statistic >= limits[count]:
                    changes += 1
                    count = 1
                    for band in range(bands):
                        sums[band] = power[pixel, t, band]
            if looks:
                shares[window, pixel] = changes / looks
    return shares
