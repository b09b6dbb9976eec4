"""The published networks as detectors, beside the ones trained here.

They score the same windows through the same code: padding by a step mask instead of the published
reading of one pixel (quirk Q13), blocks with a halo instead of tiles with a dead zone (Q23).
"""

from groundshift.domain.eras import era as find_era
from groundshift.domain.signature import Signature, Stream
from groundshift.models.inputs import Inputs
from groundshift.models.networks import NetworkSpec
from groundshift.models.store import Detector
from groundshift.reference.network import read_weights

RADIUS = {"s12": 17, "ers12ls5": 24}
"""Measured influence radius of each network in pixels, see `benchmarks/halo.py`."""

_RESOLUTION = {"s12": 10.0, "ers12ls5": 12.5}
_RADAR_MISSION = {"s12": "sentinel1", "ers12ls5": "ers"}


def published_detector(era: str) -> Detector:
    """The published network of an era, taking raw values.

    Args:
        era: `s12` or `ers12ls5`.

    Raises:
        SettingsError: there is no such era.
        SourceError: the weight files are not installed.
    """
    bands = find_era(era)
    radar = tuple(
        Stream(role, _RADAR_MISSION[era], bands.radar_bands, units="linear power")
        for role in ("radar_a", "radar_b")
    )
    optical = Stream("optical", bands.optical_mission, bands.optical_bands, units="reflectance")
    signature = Signature((*radar, optical), _RESOLUTION[era], bands.step_seconds)
    windows = {
        "length": f"{bands.window_days}d",
        "min_steps": bands.min_steps,
        "max_steps": bands.max_steps,
        "labels": "synthetic",
    }
    return Detector(
        NetworkSpec.of_era(era),
        Inputs.raw(signature),
        signature,
        RADIUS[era],
        (read_weights(era),),
        windows,
    )
