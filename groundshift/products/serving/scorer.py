"""A model artifact that answers requests: a row of texts in, a row of texts out.

A request is a place of a cube that the server reads itself (`place`), or a raw series of arrays
(`sample`). `format` says what the scores come as: `npz` (base64, the default), `json`, or for a
place `cog`, a Cloud Optimized GeoTIFF in base64. What answers is told beside the scores, in
`about`: model, data, window, grid, and that scores are no probabilities.
"""

import base64
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift import __version__
from groundshift.domain.signature import Signature
from groundshift.domain.time import isoformat
from groundshift.errors import ContractError
from groundshift.models.inference import score_window
from groundshift.models.store import PROBE, Detector
from groundshift.products.maps import write_cog
from groundshift.products.serving.cubes import Cubes
from groundshift.products.serving.limits import Limits
from groundshift.products.serving.place import Place, Places
from groundshift.products.serving.sample import check_sample, read_arrays
from groundshift.services.packed import pack

OPENER = f"{__name__}:open_scorer"
"""What a logged model names to be opened by."""

Request = Mapping[str, str]
Answer = dict[str, str]
Scores = NDArray[np.float32]

KIND = "score"
_BELONGS = {
    "sample": {"sample", "signature", "format"},
    "cube": {"cube", "cell", "start", "end", "date", "bbox", "crs", "format"},
}
_FORMATS = {"sample": ("npz", "json"), "cube": ("npz", "json", "cog")}
_DIGITS = 4
"""Of a score in JSON."""


@dataclass(frozen=True)
class Scorer:
    """Answers requests with one model, one at a time: TensorFlow takes all processors for each."""

    detector: Detector
    limits: Limits
    places: Places
    lock: Lock

    def __call__(self, request: Request) -> Answer:
        """Score what a request asks for.

        Raises:
            ContractError: the request makes no sense, asks for too much or for what may not be
                read, or its numbers are not what the model takes.
        """
        given = {name: value for name, value in request.items() if value}
        kind = _kind(given)
        form = given.get("format", "npz")
        if form not in _FORMATS[kind]:
            expected = " or ".join(_FORMATS[kind])
            raise ContractError(f"format: expected {expected}, found {form[:40]!r}")
        if kind == "sample":
            return self._series(given, form)
        return self._place(self.places.find(given), form)

    def _series(self, given: Request, form: str) -> Answer:
        if "signature" in given:
            self.detector.require(_signature(given["signature"]), owner="the model")
        streams, steps = check_sample(read_arrays(given["sample"], self.limits), self.detector)
        with self.lock:
            scores = self.detector.score_streams(streams, steps).mean(axis=0)
        return {"result": _shown(scores, form), "about": self._about({"data": None})}

    def _place(self, place: Place, form: str) -> Answer:
        with self.lock:
            scores = score_window(self.detector, place.cell, place.steps, place.rows, place.columns)
        grid = place.grid
        about = {
            "data": place.cube,
            "cell": place.cell.cell.id,
            "start": isoformat(place.start),
            "end": isoformat(place.end),
            "steps": place.steps[1] - place.steps[0],
            "crs": str(grid.crs),
            "transform": list(grid.transform)[:6],
            "licences": list(place.licences),
        }
        result = _cog(scores, place, self.model) if form == "cog" else _shown(scores, form)
        return {"result": result, "about": self._about(about)}

    @property
    def model(self) -> str:
        """Content hash of the model."""
        return self.detector.manifest.content_hash

    def _about(self, values: Mapping[str, Any]) -> str:
        own = {"kind": KIND, "model": self.model, "version": __version__}
        return json.dumps(own | dict(values))


def open_scorer(folder: Path) -> Callable[[Request], Answer]:
    """Open an artifact for answering requests, with the limits that the environment sets.

    Raises:
        ContractError: not a whole model, or one that scores its probe differently here.
        SettingsError: limits that make no sense.
    """
    detector, limits = Detector.open(folder), Limits.from_environment()
    return Scorer(detector, limits, Places(detector, limits, Cubes(limits)), Lock())


def example(folder: Path) -> dict[str, NDArray[Any]]:
    """The sample of an artifact's probe."""
    with np.load(folder / PROBE, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive if name != "score"}


def _kind(given: Request) -> str:
    """Whether a request brings a sample or names a place of a cube."""
    named = [name for name in _BELONGS if name in given]
    if len(named) != 1:
        found = " and ".join(named) or "neither"
        raise ContractError(f"expected either a sample or a cube, found {found}")
    if odd := sorted(set(given) - _BELONGS[named[0]]):
        raise ContractError(f"{', '.join(odd)[:80]}: means nothing beside a {named[0]}")
    return named[0]


def _signature(text: str) -> Signature:
    """The signature that a request says its numbers have."""
    try:
        return Signature.from_dict(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ContractError(
            f"signature: expected that of a cube's or a model's manifest as JSON, found one that "
            f"can't be read ({error!r})"
        ) from None


def _shown(scores: Scores, form: str) -> str:
    if form == "npz":
        return pack({"score": scores})
    rounded = np.round(scores.astype(np.float64), _DIGITS)
    return json.dumps({"score": rounded.tolist()})


def _cog(scores: Scores, place: Place, model: str) -> str:
    tags = {"MODEL": model, "CUBE": place.cube, "ATTRIBUTION": "; ".join(place.licences)}
    tags |= {"START": isoformat(place.start), "END": isoformat(place.end)}
    with tempfile.TemporaryDirectory(prefix="groundshift-served-") as folder:
        path = Path(folder) / "score.tif"
        write_cog(path, {KIND: scores}, place.grid, nodata=float("nan"), tags=tags)
        return base64.b64encode(path.read_bytes()).decode()
