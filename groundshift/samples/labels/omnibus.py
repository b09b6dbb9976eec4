"""The radar part of a synthetic label: evidence for one permanent step within a window.

Speckle: the mean power of an intensity image of L looks is gamma distributed, and VV and VH are
taken as independent (the diagonal case of the polarimetric covariance matrix). The omnibus
statistic for "all looks of a series have the same mean",

    -2 ln Q = 2 L sum_channel (T ln m - sum_t ln x_t),    m the mean of x_1 ... x_T,

splits into parts (Conradsen, Nielsen and Skriver, IEEE TGRS 54(5), 2016): for a cut after look k,

    -2 ln Q = S_k + (-2 ln Q of looks 1 ... k) + (-2 ln Q of looks k+1 ... T).

S_k asks whether the mean before differs from the mean after, the parts left over whether either
side is steady. The published label instead adds up tests of each single look against those before
it: a permanent step counts once in T, and with four looks even a doubling often goes unseen. Here
every polarisation's sum starts with the first look and starts anew at the cut, for every cut, and

    evidence = clip((S - c) / c, 0, 1) * S / (S + V),    S = max_k S_k,

where c is the value that S exceeds by chance in a share `significance` of steady series (Sidak
over the cuts; S_k is compared with chi-square of one degree of freedom per channel after Box's
correction rho, as in Conradsen et al., IEEE TGRS 41(1), 2003), and V the unrest of the two sides
beyond speckle, -2 ln Q minus its expectation, at least 0. A clean step has evidence
near 1, a steady series 0, one that rises and falls again less than one that stays.

Only looks count: a frame that is carried forward is none. Sums over looks are made once per pixel,
so that a window is two subtractions away from them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from groundshift.samples.labels.compiling import compiled

MIN_LOOKS = 3
"""Fewest looks of a pixel in a window for a label, and of either side of a cut where possible."""

FLOOR = 1e-6
"""Linear power at or below which (-60 dB, far under any sensor's noise) there is no measurement."""

_CHUNK = 256  # pixels per pass: their sums over a window stay in the processor's cache


@dataclass(frozen=True)
class Looks:
    """Sums over the looks of every pixel of a block, before each frame and after the last.

    Attributes:
        steps: [frame] step at which each frame came.
        sums: [frame + 1, 2, pixel] sums of power; 1 per look in place of a missing channel.
        logs: [frame + 1, pixel] sums of ln(power) over the channels.
        counts: [frame + 1, pixel] number of looks.
        channels: Number of polarisations, 1 or 2.
        shape: (y, x) of the block.
    """

    steps: NDArray[np.int64]
    sums: NDArray[np.float64]
    logs: NDArray[np.float64]
    counts: NDArray[np.float32]
    channels: int
    shape: tuple[int, int]


@dataclass(frozen=True)
class StepTest:
    """Parameters of the test.

    Attributes:
        looks: Equivalent number of looks of one image.
        significance: Share of steady series in which chance alone gives evidence.
    """

    looks: float
    significance: float

    def critical(self, most: int, channels: int) -> NDArray[np.float64]:
        """Value that S exceeds by chance, [T] for T = 0 ... most looks."""
        return _critical(most, channels, self.significance)


def accumulate(
    power: NDArray[np.float32], fresh: NDArray[np.bool_], steps: NDArray[np.int64]
) -> Looks:
    """Sum the looks of a block.

    Args:
        power: [frame, y, x, channel] linear power of one or two polarisations.
        fresh: [frame, y, x] whether the frame brought the pixel a new valid look.
        steps: [frame] step at which each frame came, ascending.
    """
    frames, rows, columns, channels = power.shape
    pixels = rows * columns
    sums = np.zeros((frames + 1, 2, pixels))
    logs = np.zeros((frames + 1, pixels))
    counts = np.zeros((frames + 1, pixels), np.float32)
    flat = np.ascontiguousarray(power, np.float32).reshape(frames, pixels, channels)
    _accumulate(flat, np.ascontiguousarray(fresh).reshape(frames, pixels), sums, logs, counts)
    return Looks(np.asarray(steps, np.int64), sums, logs, counts, channels, (rows, columns))


def evidence(
    looks: Looks, first: int, stop: int, test: StepTest
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Evidence for a step within the steps [first, stop), and the number of looks it rests on.

    Returns:
        Evidence 0 ... 1 (0 below `MIN_LOOKS` looks) and looks, [y, x] each.
    """
    begin, end = (int(i) for i in np.searchsorted(looks.steps, (first, stop)))
    result = np.zeros(looks.sums.shape[2], np.float32)
    counts = looks.counts[end] - looks.counts[begin]
    if end - begin >= MIN_LOOKS:
        critical = test.critical(end - begin, looks.channels)
        _evidence(looks.sums, looks.logs, looks.counts, begin, end, test.looks,
                  looks.channels, critical, result)  # fmt: skip
    return result.reshape(looks.shape), counts.reshape(looks.shape)


@lru_cache(maxsize=256)
def _critical(most: int, channels: int, significance: float) -> NDArray[np.float64]:
    counts = np.arange(most + 1)
    cuts = np.maximum(counts - 2 * np.minimum(MIN_LOOKS, counts // 2) + 1, 1)
    return np.asarray(chi2.isf(1 - (1 - significance) ** (1 / cuts), channels))


@compiled
def _log(bits: np.int32) -> np.float32:
    """Natural logarithm of a positive float32 given by its bits, within 1e-5.

    The exponent plus a polynomial in the mantissa: unlike the library's logarithm it compiles to
    vector instructions. It only picks the cut; the statistic is computed in full precision.
    """
    exponent = np.float32((bits >> 23) - 127)
    m = np.float32(bits & 0x7FFFFF) * np.float32(1 / 8388608)
    p = np.float32(0.121797910687826) + m * np.float32(-0.025848689866538)
    p = np.float32(0.45754919692582) + m * (np.float32(-0.27790423655) + m * p)
    p = np.float32(1.4425449435951) + m * (np.float32(-0.7181452567504) + m * p)
    return (exponent + m * p) * np.float32(0.6931471805599453)


@compiled
def _accumulate(
    power: NDArray[np.float32],
    fresh: NDArray[np.bool_],
    sums: NDArray[np.float64],
    logs: NDArray[np.float64],
    counts: NDArray[np.float32],
) -> None:
    """Fill running sums; power [frame, pixel, channel], fresh [frame, pixel]."""
    frames, pixels, channels = power.shape
    for frame in range(frames):
        for p in range(pixels):
            a = np.float64(power[frame, p, 0])
            b = np.float64(power[frame, p, 1]) if channels == 2 else 1.0
            # Written so that NaN is no look.
            look = fresh[frame, p] and FLOOR < a < np.inf and FLOOR < b < np.inf
            sums[frame + 1, 0, p] = sums[frame, 0, p] + (a if look else 0.0)
            sums[frame + 1, 1, p] = sums[frame, 1, p] + (b if look else 0.0)
            logs[frame + 1, p] = logs[frame, p] + (np.log(a * b) if look else 0.0)
            counts[frame + 1, p] = counts[frame, p] + np.float32(look)


@compiled
def _best_cuts(
    sums: NDArray[np.float64],
    counts: NDArray[np.float32],
    frames: tuple[int, int],
    low: int,
    high: int,
    cut: NDArray[np.int32],
) -> None:
    """The frame before which a cut gives the largest S_k, for the pixels [low, high); 0 if none."""
    begin, end = frames
    width = np.uint64(high - low)
    least = np.empty(width, np.float32)
    best = np.full(width, np.inf, np.float32)
    means = np.empty((2, width), np.float32)
    left, right = means[0], means[1]
    left_bits, right_bits = left.view(np.int32), right.view(np.int32)
    old_a, old_b = sums[begin, 0, low:high], sums[begin, 1, low:high]
    new_a, new_b = sums[end, 0, low:high], sums[end, 1, low:high]
    old, new = counts[begin, low:high], counts[end, low:high]
    for p in range(width):
        half = np.float32(np.int32((new[p] - old[p]) / 2))
        least[p] = max(min(np.float32(MIN_LOOKS), half), np.float32(1))
        cut[p] = 0
    for frame in range(begin + 1, end):
        sum_a, sum_b = sums[frame, 0, low:high], sums[frame, 1, low:high]
        count = counts[frame, low:high]
        for p in range(width):
            before, after = count[p] - old[p], new[p] - count[p]
            product = (sum_a[p] - old_a[p]) * (sum_b[p] - old_b[p])
            left[p] = np.float32(product) / (before * before)
            product = (new_a[p] - sum_a[p]) * (new_b[p] - sum_b[p])
            right[p] = np.float32(product) / (after * after)
        for p in range(width):
            before, after = count[p] - old[p], new[p] - count[p]
            rest = before * _log(left_bits[p]) + after * _log(right_bits[p])
            better = (rest < best[p]) & (before >= least[p]) & (after >= least[p])
            best[p] = rest if better else best[p]
            cut[p] = frame if better else cut[p]


@compiled
def _evidence(
    sums: NDArray[np.float64],
    logs: NDArray[np.float64],
    counts: NDArray[np.float32],
    begin: int,
    end: int,
    enl: float,
    channels: int,
    critical: NDArray[np.float64],
    result: NDArray[np.float32],
) -> None:
    """Evidence of every pixel from the frames [begin, end)."""
    pixels = sums.shape[2]
    cut = np.empty(_CHUNK, np.int32)
    for low in range(0, pixels, _CHUNK):
        high = min(low + _CHUNK, pixels)
        _best_cuts(sums, counts, (begin, end), low, high, cut)
        for p in range(low, high):
            k = cut[p - low]
            total = counts[end, p] - counts[begin, p]
            if k == 0 or total < MIN_LOOKS:
                continue
            before, after = counts[k, p] - counts[begin, p], counts[end, p] - counts[k, p]
            whole = _fit(sums, begin, end, p, total)
            left, right = _fit(sums, begin, k, p, before), _fit(sums, k, end, p, after)
            rho = 1 - (1 / before + 1 / after - 1 / total) / (6 * enl)
            step = 2 * enl * rho * (whole - left - right)
            unrest = _unrest(left - logs[k, p] + logs[begin, p], before, enl, channels)
            unrest += _unrest(right - logs[end, p] + logs[k, p], after, enl, channels)
            bound = critical[int(total)]
            if step > bound:
                certainty = min((step - bound) / bound, 1.0)
                result[p] = certainty * step / (step + max(unrest, 0.0))


@compiled
def _fit(sums: NDArray[np.float64], begin: int, end: int, p: int, count: float) -> float:
    """Looks times the log of their mean power, summed over the channels."""
    product = (sums[end, 0, p] - sums[begin, 0, p]) * (sums[end, 1, p] - sums[begin, 1, p])
    return float(count * np.log(product / (count * count)))


@compiled
def _unrest(spread: float, count: float, enl: float, channels: int) -> float:
    """-2 ln Q of one side minus its expectation (Box's rho for `count` groups of one look)."""
    rho = 1 - (count + 1) / (6 * enl * count)
    return 2 * enl * rho * spread - channels * (count - 1)
