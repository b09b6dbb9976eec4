"""The optical part of a synthetic label: an index of impervious surfaces, and its betas.

The Enhanced Normalized Difference Impervious Surface Index (Chen et al., Journal of Applied Remote
Sensing 13(1), 2019) as the published label uses it (method section 7.4), for the blue, green and
two shortwave infrared bands of any mission:

    mndwi = nd(green, swir1);  ratio = swir1 / swir2;  nd(a, b) = (a - b) / (a + b)
    raw = nd(blue, beta (ratio + mndwi^2))
    wet = 2 max(mndwi, 0) + max(nd(swir1, blue), 0)
    index = clip(max(raw + shift, 0) - wet, 0, 1)

beta makes blue and (ratio + mndwi^2) comparable over a region:

    beta = 2 sum(blue) / (sum(ratio) + sum(mndwi^2))          (method section 7.3)

What is different: a pixel without a clear look, or with a reflectance that no ground has, has no
index and takes no part in beta (the published code gives x / 0 the value 3.4e38, which alone drives
the beta of a region to 0, and counts never-seen pixels as black ground).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.bands import Role, role_index
from groundshift.domain.signature import Sensor
from groundshift.samples.labels.compiling import compiled

FLOOR = 1e-4
"""Mean reflectance at or below which (one digital number) a ratio means nothing."""

SUMS = ("pixels", "blue", "ratio", "mndwi2")
"""What betas are made from, summed over pixels."""


@dataclass(frozen=True)
class IndexParts:
    """What the index of a mean image needs besides beta and shift: [y, x], NaN if undefined."""

    blue: NDArray[np.float32]
    ratio: NDArray[np.float32]
    mndwi2: NDArray[np.float32]
    wet: NDArray[np.float32]

    @classmethod
    def of(cls, mean: NDArray[np.float32]) -> "IndexParts":
        """The parts of a mean image [y, x, 4] of blue, green, swir1, swir2."""
        undefined = ~(mean > FLOOR).all(axis=-1, keepdims=True)
        kept = np.where(undefined, np.float32(np.nan), mean)
        blue, green, swir1, swir2 = np.moveaxis(kept, -1, 0)
        mndwi = _nd(green, swir1)
        wet = 2 * np.maximum(mndwi, 0) + np.maximum(_nd(swir1, blue), 0)
        return cls(blue, swir1 / swir2, mndwi * mndwi, wet)

    def sums(self) -> NDArray[np.float64]:
        """The sums named in `SUMS` over the defined pixels."""
        parts = (self.blue, self.ratio, self.mndwi2)
        count = np.isfinite(self.blue).sum()
        return np.array([count, *(np.nansum(part, dtype=np.float64) for part in parts)])

    def raw(self, beta: float) -> NDArray[np.float32]:
        """The index before shift and clipping, -1 ... 1 [y, x]."""
        return _nd(self.blue, np.float32(beta) * (self.ratio + self.mndwi2))

    def endisi(self, beta: float, shift: float) -> NDArray[np.float32]:
        """The index, 0 ... 1 [y, x]; NaN where it is not defined."""
        raised = np.maximum(self.raw(beta) + np.float32(shift), 0)
        return np.asarray(np.clip(raised - self.wet, 0, 1))


def index_bands(sensor: Sensor) -> tuple[int, ...]:
    """Where blue, green, swir1 and swir2 stand among a sensor's bands.

    Raises:
        SettingsError: one of them was not fetched.
    """
    roles: tuple[Role, ...] = ("blue", "green", "swir1", "swir2")
    return tuple(role_index(sensor.mission, sensor.bands, role) for role in roles)


@dataclass(frozen=True)
class ClearMeans:
    """Sums over the clear looks of every pixel of a block, before each frame and after the last.

    Attributes:
        steps: [frame] step at which each frame came.
        sums: [frame + 1, y, x, 4] sums of reflectance.
        counts: [frame + 1, y, x] number of looks.
    """

    steps: NDArray[np.int64]
    sums: NDArray[np.float64]
    counts: NDArray[np.int32]

    @classmethod
    def of(
        cls, values: NDArray[np.float32], fresh: NDArray[np.bool_], steps: NDArray[np.int64]
    ) -> "ClearMeans":
        """Sum the looks: values [frame, y, x, 4], fresh [frame, y, x], steps [frame] ascending."""
        sums = np.zeros((len(values) + 1, *values.shape[1:]))
        counts = np.zeros((len(values) + 1, *values.shape[1:3]), np.int32)
        _accumulate(values, fresh, sums, counts)
        return cls(np.asarray(steps, np.int64), sums, counts)

    def mean(self, first: int, stop: int) -> NDArray[np.float32]:
        """Mean of the clear looks within the steps [first, stop), [y, x, 4]; NaN if there is none.

        A frame that is carried forward is no new look, and one carried into a window shows what
        was before it.
        """
        begin, end = np.searchsorted(self.steps, (first, stop))
        count = self.counts[end] - self.counts[begin]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (self.sums[end] - self.sums[begin]) / count[..., None]
        return np.asarray(mean, np.float32)


@compiled
def _accumulate(
    values: NDArray[np.float32],
    fresh: NDArray[np.bool_],
    sums: NDArray[np.float64],
    counts: NDArray[np.int32],
) -> None:
    """Fill running sums over the frames; the arguments are those of `ClearMeans.of`."""
    frames, rows, columns, bands = values.shape
    for frame in range(frames):
        for y in range(rows):
            for x in range(columns):
                look = fresh[frame, y, x]
                counts[frame + 1, y, x] = counts[frame, y, x] + look
                for band in range(bands):
                    value = values[frame, y, x, band] if look else 0.0
                    sums[frame + 1, y, x, band] = sums[frame, y, x, band] + value


def beta(sums: NDArray[np.float64]) -> float:
    """The beta of a region from the sums named in `SUMS`; NaN where no pixel is defined."""
    _, blue, ratio, mndwi2 = sums
    weight = ratio + mndwi2
    return float(2 * blue / weight) if weight > 0 else float("nan")


def _nd(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised difference; both are above 0 or NaN."""
    quotient: NDArray[np.float32] = (a - b) / (a + b)
    return quotient
