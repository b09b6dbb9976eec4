"""What the readers of each contract say of an artifact, in numbers that any later version gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio

from groundshift.artifacts import read_manifest
from groundshift.artifacts.fan_out import read_cells
from groundshift.assessment.drift import DOCUMENT
from groundshift.assessment.files import read_headline
from groundshift.cube.store import Cube
from groundshift.models.pixel_trees import PixelTrees
from groundshift.models.store import Detector
from groundshift.observations.store import Observations
from groundshift.products.class_maps import ClassMap, class_path, probability_path
from groundshift.products.findings import CellFindings, read_shown
from groundshift.products.maps import read_map
from groundshift.products.report.evidence import Evidence
from groundshift.samples.pixels import PixelSamples
from groundshift.samples.splits import SPLITS
from groundshift.samples.store import Samples
from groundshift.settings import DEFAULT_TASK

WHOLE = slice(None)


def _observations(folder: Path) -> dict[str, Any]:
    observations = Observations.open(folder)
    (cell,) = observations.cells
    told: dict[str, Any] = {"quarantined": len(observations.quarantine)}
    for name in observations.sensors:
        times = observations.times(cell.id, name)
        images = [observations.read(cell.id, name, time) for time in times]
        told[name] = [
            times.tolist(),
            sum(float(values.sum(dtype=float)) for values, _ in images),
            sum(int(valid.sum()) for _, valid in images),
        ]
    return told


def _cube(folder: Path) -> dict[str, Any]:
    cube = Cube.open(folder)
    (cell,) = cube.cells.values()
    told: dict[str, Any] = {"times": cell.times.tolist(), "roles": cell.roles}
    for name in cube.sensors:
        frames = cell.read(name, 0, len(cell.times), WHOLE, WHOLE)
        told[name] = [
            float(frames.values.sum(dtype=float)),
            int(frames.fresh.sum()),
            int(frames.age_days.sum(dtype=int)),
        ]
    return told


def _samples(folder: Path) -> dict[str, Any]:
    samples = Samples.open(folder)
    complete = samples.windows[samples.windows["complete"]]
    (cell,) = complete["cell"].unique()
    labels = [
        float(samples.labels(cell, samples.target, number, WHOLE, WHOLE).sum(dtype=float))
        for number in complete["id"]
    ]
    known = samples.truth
    return {
        "windows": [len(samples.windows), len(complete)],
        "patches": samples.splits["split"].value_counts().to_dict(),
        "labels": labels,
        "truth": sorted(known["id"]) if known is not None else None,
    }


def _model(folder: Path) -> dict[str, Any]:
    detector = Detector.open(folder)  # its probe gives the score that it gave
    return {
        "radius": detector.radius,
        "roles": list(detector.inputs.roles),
        "weights": sum(float(array.sum(dtype=float)) for array in detector.arrays().values()),
    }


def _evaluation(folder: Path) -> dict[str, Any]:
    return {
        "threshold": Evidence.open(folder).threshold,
        "headline": {name: read_headline(folder)[name] for name in ("level", "pr_auc")},
    }


def _maps(folder: Path) -> dict[str, Any]:
    sums = {}
    for path in sorted(folder.rglob("*.tif")):
        with rasterio.open(path) as image:
            sums[path.name] = float(image.read(1, masked=True).sum(dtype=float))
    return {"maps": sums, "events": len(gpd.read_parquet(folder / "events.parquet"))}


def _plan(folder: Path) -> dict[str, Any]:
    return {planned.cell: [planned.key, planned.state] for planned in read_cells(folder)}


def _sums(folder: Path) -> dict[str, Any]:
    # Their reader takes none by other settings, so that a later version refuses them rightly.
    (path,) = folder.glob("*.parquet")
    table = pd.read_parquet(path)
    numbers = table.select_dtypes("number")
    return {"rows": len(table), **{name: float(numbers[name].sum()) for name in numbers}}


def _scores(folder: Path) -> dict[str, Any]:
    findings = CellFindings.read(folder)
    return {
        "cell": findings.cell.id,
        "hectares": findings.hectares.tolist(),
        "events": len(findings.events),
        "shown": len(read_shown(folder)),
    }


def _drift(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / DOCUMENT).read_text())
    return document


def _pixel_samples(folder: Path) -> dict[str, Any]:
    samples = PixelSamples.open(folder)
    splits = {split: samples.of(split)["class"].tolist() for split in SPLITS}
    return splits | {"places": int(samples.table[["y", "x"]].to_numpy().sum())}


def _trees(folder: Path) -> dict[str, Any]:
    trees = PixelTrees.open(folder)  # its probe gives the probabilities that it gave
    return {
        "classes": [[one.name, one.colour] for one in trees.classes],
        "features": len(trees.series.names),
    }


def _headline(folder: Path) -> dict[str, Any]:
    headline = json.loads((folder / "metrics.json").read_text())["headline"]
    return {name: headline[name] for name in ("accuracy", "miou", "baseline_miou")}


def _class_maps(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder, folder.name)
    sums: dict[str, Any] = {}
    for found in map(ClassMap.from_dict, manifest.summary["maps"]):
        classes, sure = (
            read_map(path(folder, found.cell)) for path in (class_path, probability_path)
        )
        sums[found.cell.id] = [
            np.bincount(classes.ravel()).tolist(),
            float(np.nansum(sure)),
            found.hectares,
        ]
    return sums


def _counts(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "counts.json").read_text())
    return document


_READERS: dict[str, dict[str, Callable[[Path], dict[str, Any]]]] = {
    "change": {
        "observations": _observations,
        "cube": _cube,
        "samples": _samples,
        "model": _model,
        "evaluation": _evaluation,
        "maps": _maps,
        "plan": _plan,
        "coefficients": _sums,
        "betas": _sums,
        "scores": _scores,
        "drift": _drift,
    },
    "landcover": {
        "samples": _pixel_samples,
        "model": _trees,
        "evaluation": _headline,
        "maps": _class_maps,
        "coefficients": _counts,
        "betas": _counts,
        "scores": _class_maps,
    },
}
"""By task and contract: those of a task that are its own."""


def contracts_of(task: str) -> list[str]:
    """The contracts whose content is the task's own."""
    return list(_READERS[task])


def told_by(folder: Path) -> dict[str, Any]:
    """What the reader of an artifact says, which lies in a folder of its contract's name."""
    task = read_manifest(folder, folder.name).settings.get("task", DEFAULT_TASK)
    return _READERS[task][folder.name](folder)
