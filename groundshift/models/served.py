"""A model artifact as a function from named arrays to named arrays, for serving it anywhere.

The arrays are those of the artifact's `probe.npz`, for any number of samples b:

    values_<role>     [b, t, y, x, band] float32, physical values of a stream
    age_days_<role>   [b, t, y, x] int16, days since the last look, -1 where there was none
    steps             [b, t] bool, real steps
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.errors import ContractError
from groundshift.models.store import PROBE, Detector

Arrays = Mapping[str, NDArray[Any]]
OPENER = f"{__name__}:open_scorer"
"""What a logged model names to be opened by."""


def open_scorer(folder: Path) -> Callable[[Arrays], dict[str, NDArray[np.float32]]]:
    """Open an artifact for scoring samples.

    Returns:
        A function that gives `score`, the ensemble's mean [b, y, x].

    Raises:
        ContractError: not a whole model, or one that scores its probe differently here.
    """
    detector = Detector.open(folder)

    def score(arrays: Arrays) -> dict[str, NDArray[np.float32]]:
        roles = detector.inputs.roles
        expected = {"steps", *(f"{part}_{r}" for part in ("values", "age_days") for r in roles)}
        if missing := sorted(expected - set(arrays)):
            raise ContractError(
                f"expected the arrays {', '.join(sorted(expected))}; missing: {', '.join(missing)}"
            )
        streams = {role: (arrays[f"values_{role}"], arrays[f"age_days_{role}"]) for role in roles}
        return {"score": detector.score_streams(streams, arrays["steps"]).mean(axis=0)}

    return score


def example(folder: Path) -> dict[str, NDArray[Any]]:
    """The sample of an artifact's probe."""
    with np.load(folder / PROBE, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive if name != "score"}
