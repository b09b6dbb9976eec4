"""The published system as it was: its formats, quirks and weights.

Nothing else in the library uses it, and importing it does not import TensorFlow.
"""

from typing import Any

from groundshift.reference.convert import convert_geotiffs
from groundshift.reference.labels import (
    beta,
    beta_coefficients,
    endisi,
    mean_image,
    synthetic_label,
)
from groundshift.reference.omnibus import change_frequency
from groundshift.reference.splits import limassol_sea, split_tiles
from groundshift.reference.transfer import aggregate_maximum, augment, draw_windows
from groundshift.reference.weights import weights_folder
from groundshift.reference.windows import (
    single_windows,
    triple_windows,
    triple_windows_2021,
    window_values,
    windows_list,
)

__all__ = [
    "aggregate_maximum",
    "augment",
    "beta",
    "beta_coefficients",
    "change_frequency",
    "convert_geotiffs",
    "draw_windows",
    "endisi",
    "limassol_sea",
    "load_network",
    "mean_image",
    "published_detector",
    "single_windows",
    "split_tiles",
    "synthetic_label",
    "triple_windows",
    "triple_windows_2021",
    "weights_folder",
    "window_values",
    "windows_list",
]


def __getattr__(name: str) -> Any:
    """Import the networks, and with them TensorFlow, only when they are asked for."""
    if name == "load_network":
        from groundshift.reference.network import load_network

        return load_network
    if name == "published_detector":
        from groundshift.reference.detector import published_detector

        return published_detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
