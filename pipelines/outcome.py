"""What a run on this machine made, told to the person who started it."""

import json
from pathlib import Path
from typing import Any

from groundshift.artifacts.manifest import FILE_NAME

ARTIFACTS = ("observations", "cube", "samples", "model", "evaluation", "maps")


def describe(folder: Path, *, since: float) -> str:
    """Name the maps, report, scores and MLflow run in an area's folder.

    Args:
        folder: the area's folder of six artifacts.
        since: when the run began (seconds since 1970): older artifacts were left as they were.
    """
    records = {name: _record(folder / name) for name in ARTIFACTS}
    made = [name for name, record in records.items() if record.get("started", 0) >= since]
    maps = folder / "maps"
    lines = [
        "",
        f"Made anew: {', '.join(made)}."
        if made
        else "Nothing to do: all six artifacts are up to date.",
        f"  maps    {maps}/ ({_count(maps, '*.tif')} GeoTIFFs, events.geojson, catalogue)",
        f"  report  {maps / 'report.html'}",
    ]
    lines += _scores(folder / "evaluation" / "metrics.json")
    tracked = records["maps"].get("mlflow", {})
    if tracked:
        run = tracked.get("parent", tracked["run"])
        lines.append(f"  MLflow  run {run} in {tracked['store']}")
    return "\n".join(lines)


def _record(artifact: Path) -> dict[str, Any]:
    path = artifact / FILE_NAME
    if not path.is_file():
        return {}
    record: dict[str, Any] = json.loads(path.read_text())["record"]
    return record


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.rglob(pattern))


def _scores(path: Path) -> list[str]:
    """The headline of the evaluation, or why there is none."""
    if not path.is_file():
        return []
    headline = json.loads(path.read_text())["headline"]
    numbers = [
        f"{name} {value:.3f}" for name, value in headline.items() if isinstance(value, int | float)
    ]
    return [f"  scores  {', '.join(numbers)} (held-out blocks, see {path})"]
