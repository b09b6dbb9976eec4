"""The published synthetic label: radar change frequency times difference of a built-up index.

Method sections 7.1 to 7.4 and 7.6. All optical arithmetic is float32, as numpy 1 did it (Q24).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groundshift.domain.bands import role_index
from groundshift.domain.eras import era as find_era
from groundshift.errors import SettingsError
from groundshift.reference.omnibus import change_frequency

Image = NDArray[np.float32]


@dataclass(frozen=True)
class _Bands:
    """The bands that the index needs, [y, x] each, and what both formulas derive from them."""

    blue: Image
    green: Image
    mir: Image
    mir2: Image

    @property
    def ratio(self) -> Image:
        """SWIR ratio; x / 0 gives the largest number (quirk Q9), 0 / 0 gives 0."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return _numbers(self.mir / self.mir2)


def mean_image(window: ArrayLike) -> Image:
    """Mean of an optical window over time: [t, y, x, band] -> [y, x, band].

    Pixels never seen take part as 0 (quirk Q9).
    """
    return np.mean(np.asarray(window, np.float32), axis=0)  # type: ignore[no-any-return]


def beta_coefficients(mean_image: ArrayLike, era: str) -> NDArray[np.float32]:
    """What one tile adds to beta: means of blue, of the SWIR ratio and of MNDWI squared (7.3).

    Pixels with an undefined MNDWI are left out of the third mean only.

    Args:
        mean_image: [y, x, band] mean of a window over time.
        era: `s12` or `ers12ls5`.

    Returns:
        [3] float32.
    """
    bands = _bands(mean_image, era)
    mndwi, defined = _normalised_difference(bands.green, bands.mir)
    water = np.mean((mndwi * mndwi)[defined]) if defined.any() else np.float32(0)
    with np.errstate(over="ignore"):  # two or more x / 0 overflow the sum, as published
        return np.array([np.mean(bands.blue), np.mean(bands.ratio), water], np.float32)


def beta(coefficients: ArrayLike) -> float:
    """Beta of a window from the coefficients of all tiles of an area (7.3).

    Args:
        coefficients: [tile, 3] of `beta_coefficients`.
    """
    blue, ratio, water = np.asarray(coefficients, np.float64).reshape(-1, 3).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(2 * blue / (ratio + water))


def endisi(mean_image: ArrayLike, beta: float, shift: float, era: str) -> Image:
    """The published form of the built-up index ENDISI of a mean image (7.4).

    It departs from Chen et al. by the shift and by subtracting water and the MIR/blue index.

    Args:
        mean_image: [y, x, band] mean of a window over time.
        beta: of `beta`.
        shift: constant A added to the index: 0.25 (Rotterdam, Liege) or 0.5 (Limassol).
        era: `s12` or `ers12ls5`.

    Returns:
        [y, x] float32 from 0 to 1.
    """
    bands = _bands(mean_image, era)
    mndwi, water_defined = _normalised_difference(bands.green, bands.mir)
    with np.errstate(over="ignore"):
        soil = np.float32(beta) * (bands.ratio + mndwi * mndwi)
    index, defined = _normalised_difference(bands.blue, soil)
    index = np.maximum(index + np.float32(shift), 0)
    # Quirk Q28: masked arrays kept the shift from undefined pixels, and left the first operand of
    # the difference under the mask where MNDWI was the one undefined.
    index[~defined] = 0
    index[~water_defined] = np.maximum(bands.blue, 0)[~water_defined]
    mndbi, _ = _normalised_difference(bands.mir, bands.blue)
    wet, dry = np.maximum(mndwi, 0), np.maximum(mndbi, 0)
    clipped: Image = np.clip(index - 2 * wet - dry, 0, 1)
    return clipped


def synthetic_label(
    sar_ascending: NDArray[np.float32],
    sar_descending: NDArray[np.float32],
    optical_before: ArrayLike,
    optical_after: ArrayLike,
    *,
    era: str,
    shift: float,
    betas: Sequence[float],
) -> Image:
    """The label of one window triple of a tile (7.6).

    Args:
        sar_ascending: [t, y, x, polarisation] of the current window.
        sar_descending: [t, y, x, polarisation] of the current window.
        optical_before: [t, y, x, band] of the previous window.
        optical_after: [t, y, x, band] of the next window.
        era: `s12` or `ers12ls5`.
        shift: constant A of `endisi`.
        betas: beta before and after.

    Returns:
        [y, x] float32 from 0 to 1.

    Raises:
        SettingsError: the four windows differ in height or width.
    """
    constants = find_era(era)
    windows = (sar_ascending, sar_descending, optical_before, optical_after)
    sizes = {np.shape(window)[1:3] for window in windows}
    if len(sizes) != 1:
        raise SettingsError(f"windows of a label: expected one height and width, found {sizes}")
    frequencies = [
        change_frequency(series, looks=constants.looks, significance=constants.significance)
        for series in (sar_ascending, sar_descending)
    ]
    indices = [
        endisi(mean_image(window), value, shift, era)
        for window, value in zip((optical_before, optical_after), betas, strict=True)
    ]
    frequency = (frequencies[0] + frequencies[1]) / 2
    difference = np.abs(indices[1] - indices[0])
    label: NDArray[np.float64] = frequency * difference * constants.label_gain
    return np.clip(label, 0, 1).astype(np.float32)


def _bands(image: ArrayLike, era: str) -> _Bands:
    """The bands of the index by role, NaN as 0."""
    constants = find_era(era)
    values = np.asarray(image, np.float32)
    if values.ndim != 3 or values.shape[-1] != len(constants.optical_bands):
        raise SettingsError(
            f"mean image of {era}: expected [y, x, {len(constants.optical_bands)}] with bands "
            f"{', '.join(constants.optical_bands)}, found shape {values.shape}"
        )
    mission, names = constants.optical_mission, constants.optical_bands
    index = [role_index(mission, names, role) for role in ("blue", "green", "swir1", "swir2")]
    return _Bands(*(_numbers(values[..., position]) for position in index))


def _normalised_difference(first: Image, second: Image) -> tuple[Image, NDArray[np.bool_]]:
    """(first - second) / (first + second), 0 where undefined, and where it is defined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (first - second) / (first + second)
    defined = np.isfinite(ratio)
    return np.where(defined, ratio, np.float32(0)), defined


def _numbers(values: Image) -> Image:
    """NaN as 0, infinities as the largest and lowest numbers."""
    return np.nan_to_num(values)
