"""Landsat metadata (`*_MTL.txt`): when, by which satellite, and what the digital numbers mean.

Formulas and constants: Chander, Markham and Helder (2009), "Summary of current radiometric
calibration coefficients for Landsat MSS, TM, ETM+, and EO-1 ALI sensors", Remote Sensing of
Environment 113, 893-903. Where a product carries reflectance factors of its own (Collection 1
and later), these are used, as the Landsat data users handbooks say.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.errors import SourceError
from groundshift.observations.radiometry import Scaling

_LINE = re.compile(r"\s*(\w+)\s*=\s*\"?([^\"]*?)\"?\s*\Z")

_ESUN: Mapping[str, Mapping[int, float]] = {
    "LANDSAT_4": {1: 1983, 2: 1795, 3: 1539, 4: 1028, 5: 219.8, 7: 83.49},
    "LANDSAT_5": {1: 1983, 2: 1796, 3: 1536, 4: 1031, 5: 220.0, 7: 83.44},
}
"""Mean solar irradiance outside of the atmosphere by band, W / (m2 um) (Chander table 3)."""

_THERMAL: Mapping[str, tuple[float, float]] = {
    "LANDSAT_4": (671.62, 1284.30),
    "LANDSAT_5": (607.76, 1260.56),
}
"""K1 in W / (m2 sr um) and K2 in kelvin (Chander table 7)."""


@dataclass(frozen=True)
class BrightnessTemperature:
    """Digital numbers of a thermal band become temperatures in kelvin (Chander equation 3).

    Attributes:
        radiance: From digital numbers to W / (m2 sr um).
        k1: First calibration constant, W / (m2 sr um).
        k2: Second calibration constant, kelvin.
    """

    radiance: Scaling
    k1: float
    k2: float

    def physical(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        """Temperatures; NaN where there is no positive radiance."""
        radiance = self.radiance.physical(numbers)
        radiance = np.where(radiance > 0, radiance, np.nan)
        return np.asarray(self.k2 / np.log(self.k1 / radiance + 1))


@dataclass(frozen=True)
class Metadata:
    """The metadata of one product.

    Attributes:
        path: The MTL file.
        values: Its entries as text, without their groups.
    """

    path: Path
    values: Mapping[str, str]

    @property
    def time(self) -> int:
        """Scene centre, seconds since 1970-01-01 UTC."""
        day = self.text("DATE_ACQUIRED", "ACQUISITION_DATE")
        clock = self.text("SCENE_CENTER_TIME", "SCENE_CENTER_SCAN_TIME")
        text = f"{day}T{clock.rstrip('Z').split('.')[0]}"
        try:
            return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
        except ValueError as error:
            raise self._lacks(f"a scene time ({error})") from error

    @property
    def platform(self) -> str:
        """Satellite, `LANDSAT_5`; older files call it `Landsat5`."""
        name = self.text("SPACECRAFT_ID").upper()
        return re.sub(r"LANDSAT_?(\d)", r"LANDSAT_\1", name)

    @property
    def product_id(self) -> str:
        """The agency's name of the product."""
        named = ("LANDSAT_PRODUCT_ID", "LANDSAT_SCENE_ID")
        return next((self.values[key] for key in named if key in self.values), self.path.stem)

    @property
    def baseline(self) -> str:
        """Version of the processor."""
        return self.values.get("PROCESSING_SOFTWARE_VERSION", "")

    @property
    def orbit(self) -> str:
        """WRS path and row, e.g. `224/063`."""
        row = next((self.values[k] for k in ("WRS_ROW", "STARTING_ROW") if k in self.values), "")
        return f"{self.values.get('WRS_PATH', '')}/{row}".strip("/")

    @property
    def level(self) -> int:
        """Processing level: 1 digital numbers, 2 surface reflectance."""
        return 2 if self.values.get("PROCESSING_LEVEL", "L1").startswith("L2") else 1

    def text(self, *names: str) -> str:
        """The first of several entries that is there: names changed over the years."""
        for name in names:
            if name in self.values:
                return self.values[name]
        raise self._lacks(" or ".join(names))

    def number(self, *names: str) -> float:
        """The same as a number."""
        text = self.text(*names)
        try:
            return float(text)
        except ValueError as error:
            raise self._lacks(f"a number {' or '.join(names)}", repr(text)) from error

    def file_of(self, band: int) -> Path:
        """A band's file, whatever the case of its name's letters."""
        name = self.text(f"FILE_NAME_BAND_{band}", f"BAND{band}_FILE_NAME")
        path = self.path.parent / name
        if path.is_file():
            return path
        same = (p for p in self.path.parent.iterdir() if p.name.lower() == name.lower())
        return next(same, path)

    def reflectance(self, band: int) -> Scaling:
        """Digital numbers of a reflective band to reflectance at the top of the atmosphere.

        With the product's own factors M and A, (M Q + A) / sin(sun elevation); without, Chander
        equation 2: pi L d^2 / (ESUN cos(zenith)) with the radiance L of equation 1.
        """
        sine = math.sin(math.radians(self.number("SUN_ELEVATION")))
        if sine <= 0:
            raise self._lacks("a SUN_ELEVATION above 0", self.text("SUN_ELEVATION"))
        if f"REFLECTANCE_MULT_BAND_{band}" in self.values:
            factor = self.number(f"REFLECTANCE_MULT_BAND_{band}")
            return Scaling(factor / sine, self.number(f"REFLECTANCE_ADD_BAND_{band}") / sine)
        irradiance = _ESUN.get(self.platform, {}).get(band)
        if irradiance is None:
            raise self._lacks(f"REFLECTANCE_MULT_BAND_{band}, or Landsat 4 or 5 TM", self.platform)
        radiance = self.radiance(band)
        factor = math.pi * self._earth_sun_distance() ** 2 / (irradiance * sine)
        return Scaling(radiance.scale * factor, radiance.offset * factor)

    def temperature(self, band: int) -> BrightnessTemperature:
        """Digital numbers of a thermal band to brightness temperature in kelvin."""
        if f"K1_CONSTANT_BAND_{band}" in self.values:
            k1, k2 = (self.number(f"K{n}_CONSTANT_BAND_{band}") for n in (1, 2))
        elif self.platform in _THERMAL:
            k1, k2 = _THERMAL[self.platform]
        else:
            raise self._lacks(f"K1_CONSTANT_BAND_{band}, or Landsat 4 or 5 TM", self.platform)
        return BrightnessTemperature(self.radiance(band), k1, k2)

    def radiance(self, band: int) -> Scaling:
        """Digital numbers to radiance at the sensor, W / (m2 sr um) (Chander equation 1).

        From the calibrated range, since the gain that the files also give is cut to three digits.
        """
        names = (
            (f"RADIANCE_MAXIMUM_BAND_{band}", f"LMAX_BAND{band}"),
            (f"RADIANCE_MINIMUM_BAND_{band}", f"LMIN_BAND{band}"),
            (f"QUANTIZE_CAL_MAX_BAND_{band}", f"QCALMAX_BAND{band}"),
            (f"QUANTIZE_CAL_MIN_BAND_{band}", f"QCALMIN_BAND{band}"),
        )
        brightest, darkest, last, first = (self.number(*pair) for pair in names)
        gain = (brightest - darkest) / (last - first)
        return Scaling(gain, darkest - gain * first)

    def _earth_sun_distance(self) -> float:
        """In astronomical units: the product's, or by the day of the year (within 1e-4)."""
        if "EARTH_SUN_DISTANCE" in self.values:
            return self.number("EARTH_SUN_DISTANCE")
        day = datetime.fromtimestamp(self.time, UTC).timetuple().tm_yday
        return 1 - 0.01672 * math.cos(math.radians(0.9856 * (day - 4)))

    def _lacks(self, wanted: str, found: str = "none") -> SourceError:
        return SourceError(
            f"{self.path}: expected {wanted}, found {found}. Download the product again, or take "
            "it out of the folder"
        )


def read_metadata(path: Path) -> Metadata:
    """Read an MTL file.

    Raises:
        SourceError: it can't be read, or holds no entries.
    """
    try:
        # Some archives pad the file with NUL characters or blanks.
        lines = path.read_text(encoding="latin-1").replace("\0", " ").splitlines()
    except OSError as error:
        raise SourceError(f"{path} can't be read ({error}). Download it again") from error
    matches = (_LINE.match(line) for line in lines)
    entries = {match[1]: match[2] for match in matches if match}
    for key in ("GROUP", "END_GROUP"):
        entries.pop(key, None)
    if not entries:
        raise SourceError(
            f"{path}: expected lines KEY = VALUE as in a Landsat MTL file, found none. "
            "Download the product again"
        )
    return Metadata(path, entries)
