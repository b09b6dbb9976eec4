"""Numbers in files become physical values, and those become the numbers that are stored.

Stored is reflectance or linear power. Reflectance from whole numbers is kept as uint16 in units
of 1e-4 (`Sensor.scale`), which is what the agencies publish and so exact where nothing is
interpolated; interpolation and planting round to the nearest 1e-4, and what lies outside of 0 to
6.5535 is clipped to it. Everything else is float32.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.signature import Sensor
from groundshift.observations.rows import strips

Units = Literal["dn", "reflectance", "linear", "db"]

REFLECTANCE_STEP = 1e-4
"""Unit of reflectance stored as uint16."""

UNIT_NAMES: dict[Units, str] = {
    "dn": "dn",
    "reflectance": "reflectance",
    "linear": "linear power",
    "db": "linear power",
}
"""What a sensor's stored values are called, by the units of its files."""


class Conversion(Protocol):
    """What the numbers of a file mean."""

    def physical(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Physical values of an array of numbers."""


@dataclass(frozen=True)
class Scaling:
    """Numbers that are values, up to scale, offset and decibels.

    Attributes:
        scale: value = number * scale + offset.
        offset: See scale.
        decibel: Whether the value is 10 log10(power) and becomes the power.
    """

    scale: float = 1.0
    offset: float = 0.0
    decibel: bool = False

    def physical(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Physical values of an array of numbers."""
        values = numbers.astype(np.float64)
        values *= self.scale
        values += self.offset
        return np.power(10.0, values / 10) if self.decibel else values


def encode(
    values: NDArray[np.float32], valid: NDArray[np.bool_], sensor: Sensor
) -> NDArray[np.uint16 | np.float32]:
    """Physical values as a sensor stores them.

    Args:
        values: [y, x, band].
        valid: [y, x].
        sensor: Tells the stored type and scale.

    Returns:
        [y, x, band], 0 where invalid.
    """
    if sensor.dtype == "float32":
        return np.where(valid[..., None], values, np.float32(0))
    codes = np.empty(values.shape, np.uint16)
    for part in strips(len(valid)):
        kept = np.where(valid[part, :, None], values[part], np.float32(0)).astype(np.float64)
        codes[part] = np.clip(np.rint(kept / sensor.scale), 0, np.iinfo(np.uint16).max)
    return codes
