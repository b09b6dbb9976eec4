"""A model of land cover that answers requests: series of pixels in, classes out.

A request holds a `sample`: the array `features` [row, feature], packed or as JSON, in the order
that the model's `trees.json` and its signature give. The answer holds `class` [row], from 1, and
`probability` [row, class]; `about` names the classes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift import __version__
from groundshift.errors import ContractError
from groundshift.models.pixel_trees import PROBE, PixelTrees
from groundshift.products.serving.limits import Limits
from groundshift.products.serving.sample import read_arrays
from groundshift.services.packed import pack

_FEATURES = "features"


@dataclass(frozen=True)
class Classifier:
    """Answers requests with one model."""

    trees: PixelTrees
    limits: Limits

    def __call__(self, request: Mapping[str, str]) -> dict[str, str]:
        """Classify the pixels of a request.

        Raises:
            ContractError: the request makes no sense, or its numbers are not what the model takes.
        """
        given = {name: value for name, value in request.items() if value}
        if odd := sorted(set(given) - {"sample", "format"}):
            raise ContractError(f"{', '.join(odd)[:80]}: a model of land cover takes samples only")
        if "sample" not in given:
            raise ContractError("expected a sample with the array features, found none")
        form = given.get("format", "npz")
        if form not in ("npz", "json"):
            raise ContractError(f"format: expected npz or json, found {form[:40]!r}")
        probability = self.trees.probabilities(self._features(given["sample"]))
        result = {"class": probability.argmax(axis=1) + 1, "probability": probability}
        about = {
            "kind": "landcover",
            "model": self.trees.manifest.content_hash,
            "version": __version__,
            "classes": list(self.trees.names),
        }
        listed = {name: array.round(4).tolist() for name, array in result.items()}
        shown = pack(result) if form == "npz" else json.dumps(listed)
        return {"result": shown, "about": json.dumps(about)}

    def _features(self, text: str) -> NDArray[np.float32]:
        arrays = read_arrays(text, self.limits)
        found, wanted = arrays.get(_FEATURES), len(self.trees.series.names)
        if set(arrays) != {_FEATURES} or found is None or found.dtype.kind not in "fiu":
            raise ContractError("expected one array of numbers, features; found another")
        if found.ndim != 2 or found.shape[1] != wanted:
            raise ContractError(f"features: expected [row, {wanted}], found {found.shape}")
        return found.astype(np.float32)


def open_classifier(folder: Path) -> Callable[[Mapping[str, str]], dict[str, str]]:
    """Open an artifact for answering requests, with the limits that the environment sets.

    Raises:
        ContractError: not a whole model, or one that answers its probe differently here.
        SettingsError: limits that make no sense.
    """
    return Classifier(PixelTrees.open(folder), Limits.from_environment())


def example(folder: Path) -> dict[str, NDArray[Any]]:
    """The pixels of an artifact's probe."""
    with np.load(folder / PROBE, allow_pickle=False) as archive:
        return {_FEATURES: archive[_FEATURES]}
