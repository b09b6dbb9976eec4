"""The golden data of the published system."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"

Archive = Mapping[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="session")
def golden() -> Path:
    return GOLDEN


def load(name: str) -> Archive:
    """An archive of the golden data, e.g. `label/omnibus`."""
    with np.load(GOLDEN / f"{name}.npz") as archive:
        return dict(archive)
