"""The published change test on radar: a sequential omnibus test as programmed (method section 7.5).

After Conradsen et al. 2016, https://doi.org/10.1109/TGRS.2015.2510160, in Canty's sequential form.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from groundshift.errors import SettingsError

Image = NDArray[np.float64]

SMALLEST = 2.2250738585072014e-308
"""Products at or below it count as this much before the logarithm."""
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Comparison:
    """One look against those since the last change, [y, x] each."""

    statistic: Image
    """Z of the test."""
    low: Image
    """Chi-square distribution of Z with as many degrees of freedom as polarisations."""
    high: Image
    """The same with four degrees more."""
    change: NDArray[np.bool_]


class Omnibus:
    """State of the test over the looks of a window: sums and counter per pixel, [y, x] float64.

    Quirk Q11: the second polarisation's sum starts at 0 instead of the first look. Quirk Q12: a
    change does not reset it. Both make the first look with data a change in the dual case.
    """

    def __init__(self, first: NDArray[np.float32], *, looks: float, significance: float) -> None:
        """Start with the first look.

        Args:
            first: [y, x, polarisation] linear power, one or two polarisations.
            looks: equivalent number of looks n.
            significance: probability at or below which a look is a change.
        """
        self.looks = looks
        self.significance = significance
        self.polarisations = first.shape[-1]
        self.sum_first = self._scaled(first[..., 0])
        self.sum_second = np.zeros(first.shape[:2])
        self.count = np.ones(first.shape[:2])

    def compare(self, look: NDArray[np.float32]) -> Comparison:
        """Test the next look, [y, x, polarisation], and carry the state on."""
        dual = self.polarisations == 2
        before = self.sum_first * self.sum_second if dual else self.sum_first
        first = self._scaled(look[..., 0])
        self.count = self.count + 1
        self.sum_first = self.sum_first + first
        if dual:
            second = self._scaled(look[..., 1])
            self.sum_second = self.sum_second + second
            logs = _log(before), _log(first * second), _log(self.sum_first * self.sum_second)
        else:
            logs = _log(before), _log(first), _log(self.sum_first)
        result = self._test(*logs)
        self.count = np.where(result.change, 1.0, self.count)
        self.sum_first = np.where(result.change, first, self.sum_first)
        return result

    def _test(self, before: Image, now: Image, total: Image) -> Comparison:
        """The test of one look from the logarithms of the determinants, with p = 1."""
        n, f, j = self.looks, self.polarisations, self.count
        entropy = f * (j * np.log(j) - (j - 1) * np.log(j - 1))
        log_ratio = n * (entropy + (j - 1) * before + now - j * total)
        rho = 1 - (1 + 1 / (j * (j - 1))) / (6 * n)
        omega = -(f / 4) * (1 - 1 / rho) ** 2
        statistic = -2 * rho * log_ratio
        low, high = chi_square(statistic, f)
        probability = 1 - ((1 - omega) * low + omega * high)
        return Comparison(statistic, low, high, probability <= self.significance)

    def _scaled(self, power: NDArray[np.float32]) -> Image:
        """`looks` times a band, as float64."""
        return self.looks * power.astype(np.float64)


def change_frequency(
    series: NDArray[np.float32], *, looks: float, significance: float
) -> NDArray[np.float64]:
    """Number of changes in a radar series divided by its number of looks.

    Frames carried forward count as looks.

    Args:
        series: [t, y, x, polarisation] linear power; one or two polarisations.
        looks: equivalent number of looks (4 for Sentinel-1, 3 for ERS).
        significance: probability at or below which a look is a change.

    Returns:
        [y, x] from 0 to 1.

    Raises:
        SettingsError: no look, or another number of polarisations.
    """
    series = np.asarray(series)
    if series.ndim != 4 or len(series) == 0 or series.shape[-1] not in (1, 2):
        raise SettingsError(
            "radar series: expected [t, y, x, polarisation] with at least one look and one or two "
            f"polarisations, found shape {series.shape}"
        )
    test = Omnibus(series[0], looks=looks, significance=significance)
    changes = np.zeros(series.shape[1:3])
    for look in series[1:]:
        changes += test.compare(look).change
    return changes / len(series)


def chi_square(statistic: Image, freedom: int) -> tuple[Image, Image]:
    """Chi-square distribution functions of `freedom` and `freedom` + 4 degrees, 0 below 0.

    In closed form, which one and two degrees have: the general function takes ten times as long.
    """
    half = np.maximum(statistic, 0) / 2
    decay = np.exp(-half)
    if freedom == 2:
        return -np.expm1(-half), 1 - decay * (1 + half + half**2 / 2)
    low = erf(np.sqrt(half))
    return low, low - decay * np.sqrt(4 * half / np.pi) * (1 + 2 * half / 3)


def _log(determinant: Image) -> Image:
    """Logarithm with undefined values as 0 and no value below the smallest normal number."""
    usual = np.where(determinant > SMALLEST, determinant, SMALLEST)  # NaN is not above
    return np.log(np.minimum(usual, _LARGEST))
