"""A model card: where, when and on what a model was trained, how good it is, what it is not for.

model_card.md      for people; MLflow shows it with the model's version
model.stac.json    the same as a STAC item with the fields of the Machine Learning Model
                   extension, for catalogues
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import mapping

from groundshift.assessment.gate import Gate
from groundshift.assessment.protocol import LEVEL_MEANING
from groundshift.assessment.results import LevelResult
from groundshift.cube.store import Cube
from groundshift.models.store import WEIGHTS, Detector
from groundshift.samples.store import Samples

CARD, ITEM = "model_card.md", "model.stac.json"

_STAC = "1.1.0"
_MLM = "https://stac-extensions.github.io/mlm/v1.6.0/schema.json"
_FRAMEWORK = "Keras"
_ARCHITECTURE = "two-branch convolutional LSTM"
_LIMITS = (
    "Scores order pixels by how likely they changed; they are no probabilities.",
    (
        "It takes numbers of this signature only: other missions, levels, units, resolutions or "
        "steps are refused."
    ),
    (
        "How good it is was measured on blocks of this area and period. Elsewhere, and in later "
        "years, it has to be measured again."
    ),
)


@dataclass(frozen=True)
class Subject:
    """What a card is about.

    Attributes:
        area: name of the area.
        detector: the model, opened from its artifact.
        cube: the images it was judged on.
        samples: their windows.
        result: of the level that counts.
        gate: the verdict.
        licences: licence and attribution lines.
    """

    area: str
    detector: Detector
    cube: Cube
    samples: Samples
    result: LevelResult
    gate: Gate
    licences: Sequence[str]

    @property
    def name(self) -> str:
        """Area and content hash of the model."""
        return f"groundshift-{self.area}-{self.detector.manifest.content_hash[:12]}"

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = shapely.union_all(self._footprints).bounds
        return (round(west, 6), round(south, 6), round(east, 6), round(north, 6))

    @property
    def dates(self) -> tuple[str, str]:
        """First and last instant of the images, ISO 8601 in UTC."""
        times = [cell.times for cell in self.cube.cells.values()]
        ends = min(line[0] for line in times), max(line[-1] for line in times)
        first, last = (str(np.datetime64(int(end), "s")) + "Z" for end in ends)
        return first, last

    @property
    def data(self) -> dict[str, str]:
        """Content hash of the model and of what it was trained on, by contract."""
        manifest = self.detector.manifest
        return {"model": manifest.content_hash, **manifest.inputs}

    @property
    def _footprints(self) -> list[Any]:
        return [cell.cell.core.extent.to_crs("EPSG:4326").geom for cell in self.cube.cells.values()]


def write_model_card(folder: Path, subject: Subject) -> None:
    """Write both forms of the card into an artifact."""
    (folder / CARD).write_text(_markdown(subject))
    document = json.dumps(_item(subject), indent=1, allow_nan=False)
    (folder / ITEM).write_text(document + "\n")


def _markdown(subject: Subject) -> str:
    detector, signature = subject.detector, subject.detector.signature
    found, level = subject.result.headline(), subject.result.level
    first, last = subject.dates
    streams = [
        f"- `{stream.role}`: {stream.mission} {stream.level or ''} {stream.units or ''}".rstrip()
        + f", bands {', '.join(stream.bands)}"
        for stream in signature.streams
    ]
    west, south, east, north = subject.bounds
    lines = [
        f"# {subject.name}",
        "",
        (
            "Scores where the ground changed within a window of time, from series of radar and "
            "optical images."
        ),
        "",
        "## Trained on",
        "",
        f"- area `{subject.area}`: {west} to {east} degrees east, {south} to {north} north",
        (
            f"- images of {first[:10]} to {last[:10]}, {signature.resolution:g} m, a step of "
            f"{signature.step_seconds / 86400:g} days"
        ),
        f"- windows: {_listed(detector.windows)}",
        *(f"- {kind} `{content_hash}`" for kind, content_hash in subject.data.items()),
        "",
        "## Takes",
        "",
        *streams,
        f"- {detector.radius} pixels of context around what is mapped",
        *(f"- {line}" for line in _ahead(detector)),
        "",
        "## How good",
        "",
        (
            f"{LEVEL_MEANING[level].capitalize()}; {len(subject.result.network.blocks)} test "
            f"blocks. Verdict of the gate: **{subject.gate.verdict}**."
        ),
        "",
        "| measure | value |",
        "| --- | ---: |",
        *(f"| {name} | {value:.3f} |" for name, value in found.items() if _is_number(value)),
        *(f"\n- {reason}" for reason in subject.gate.reasons),
        "",
        "## Not for",
        "",
        *(f"- {limit}" for limit in _LIMITS),
        "",
        "## Licences",
        "",
        *(f"- {line}" for line in subject.licences or ("none recorded",)),
    ]
    return "\n".join(lines) + "\n"


def _ahead(detector: Detector) -> list[str]:
    """What a network that sees neighbours needs beside a window."""
    length = detector.windows.get("length")
    if not detector.inputs.neighbours:
        return []
    return [f"the mean looks of the windows before and after: maps come {length} later"]


def _item(subject: Subject) -> dict[str, Any]:
    first, last = subject.dates
    footprint = shapely.set_precision(shapely.union_all(subject._footprints), 1e-6)
    return {
        "type": "Feature",
        "stac_version": _STAC,
        "stac_extensions": [_MLM],
        "id": subject.name,
        "geometry": mapping(footprint),
        "bbox": list(subject.bounds),
        "properties": {
            "datetime": None,
            "start_datetime": first,
            "end_datetime": last,
            "title": f"Change of the ground in {subject.area}",
            "license": "other",
            **_described(subject),
            "groundshift:data": subject.data,
            "groundshift:licences": list(subject.licences),
            "groundshift:limits": list(_LIMITS),
            "groundshift:metrics": subject.result.headline(),
            "groundshift:verdict": subject.gate.verdict,
        },
        "links": [],
        "assets": {
            "weights": {
                "href": f"./{WEIGHTS}",
                "type": "application/octet-stream; application=safetensors",
                "title": "Weights as plain arrays",
                "roles": ["mlm:model", "mlm:weights"],
                "bands": _bands(subject),
                "mlm:artifact_type": "safetensors",
            }
        },
    }


def _bands(subject: Subject) -> list[dict[str, str]]:
    """The bands that the inputs name, each once, as STAC wants them described."""
    streams = subject.detector.signature.streams
    return [{"name": name} for name in dict.fromkeys(b for s in streams for b in s.bands)]


def _described(subject: Subject) -> dict[str, Any]:
    """The fields of the Machine Learning Model extension."""
    detector = subject.detector
    return {
        "mlm:name": subject.name,
        "mlm:architecture": _ARCHITECTURE,
        "mlm:tasks": ["semantic-segmentation"],
        "mlm:framework": _FRAMEWORK,
        "mlm:total_parameters": int(sum(array.size for array in detector.arrays().values())),
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:accelerator_constrained": False,
        "mlm:hyperparameters": {
            "network": detector.spec.to_dict(),
            "members": len(detector.members),
            "radius": detector.radius,
            "windows": dict(detector.windows),
        },
        "mlm:input": [
            {
                "name": stream.role,
                "bands": [{"name": band} for band in stream.bands],
                "input": {
                    "shape": [-1, -1, -1, -1, len(stream.bands)],
                    "dim_order": ["batch", "time", "height", "width", "bands"],
                    "data_type": "float32",
                },
                "description": " ".join(filter(None, (stream.mission, stream.level, stream.units))),
                "pre_processing_function": None,
            }
            for stream in detector.signature.streams
        ],
        "mlm:output": [
            {
                "name": "score",
                "tasks": ["semantic-segmentation"],
                "result": {
                    "shape": [-1, -1, -1],
                    "dim_order": ["batch", "height", "width"],
                    "data_type": "float32",
                },
                "classification:classes": [
                    {"value": 0, "name": "unchanged"},
                    {"value": 1, "name": "changed"},
                ],
                "post_processing_function": None,
            }
        ],
    }


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "not recorded"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
