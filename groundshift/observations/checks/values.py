"""Checks of an observation's values: what looks odd is written beside it, nothing is changed."""

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.signature import Sensor

_LOUD = 100.0  # of median linear power; the brightest city stays well below
_BRIGHT = 2.0  # of median reflectance; snow and cloud stay below
_SAMPLE = 20_000  # pixels looked at
_NOTABLE = 0.001  # share of pixels worth a word


def odd(values: NDArray[np.float32], valid: NDArray[np.bool_], sensor: Sensor) -> str:
    """What looks odd about an observation's physical values.

    Args:
        values: [y, x, band].
        valid: [y, x], at least one true.
        sensor: Tells what the values should be.

    Returns:
        Findings separated by "; ", empty if there are none.
    """
    # Medians of whole cells would cost more than reading them.
    places = np.flatnonzero(valid)
    places = places[:: -(-len(places) // _SAMPLE)]
    seen = values.reshape(-1, values.shape[-1])[places]
    findings = []
    if sensor.units == "linear power":
        findings += _radar(seen)
    elif sensor.units == "reflectance":
        findings += _optical(seen, sensor)
    if seen.shape[0] > 1 and np.ptp(seen, axis=0).max() == 0:
        findings.append("all valid pixels are equal")
    return "; ".join(findings)


def _radar(seen: NDArray[np.float32]) -> list[str]:
    findings = []
    share = np.mean(seen <= 0)
    if share > _NOTABLE:
        findings.append(f"{share:.1%} of the power is not positive (are the files in db?)")
    if np.median(seen) > _LOUD:
        findings.append("power above any ground's (are the files in db, or whole numbers?)")
    return findings


def _optical(seen: NDArray[np.float32], sensor: Sensor) -> list[str]:
    # Brightness temperature in kelvin stands beside reflectance in Landsat's band 6.
    reflective = [i for i, name in enumerate(sensor.bands) if not is_thermal(sensor.mission, name)]
    seen = seen[:, reflective]
    findings = []
    if seen.size and np.median(seen) > _BRIGHT:
        findings.append("reflectance above any ground's (is scale missing?)")
    if sensor.dtype == "uint16":
        top = np.iinfo(np.uint16).max * sensor.scale
        share = np.mean((seen < 0) | (seen > top))
        if share > _NOTABLE:
            findings.append(f"{share:.1%} of the reflectance was outside 0 to {top:g}: clipped")
    return findings


def is_thermal(mission: str, band: str) -> bool:
    """Whether a band measures emitted heat, as brightness temperature in kelvin."""
    return mission in ("landsat_tm", "landsat_etm") and band == "B6"
