"""What a run on this machine made, told to the person who started it."""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundshift.artifacts.manifest import FILE_NAME

if TYPE_CHECKING:
    from pipelines.engines import RunResult

ARTIFACTS = ("observations", "cube", "samples", "model", "evaluation", "maps")

_NAMED = 20  # failed tasks that are named


def describe(folder: Path, *, since: float) -> str:
    """Say what was made anew of the artifacts in an area's folder, and name its maps and scores.

    Args:
        folder: the area's folder of six artifacts.
        since: when the run began (seconds since 1970): older artifacts were left as they were.
    """
    records = {name: _record(folder / name) for name in ARTIFACTS}
    made = [name for name, record in records.items() if record.get("started", 0) >= since]
    done = (
        f"Made anew: {', '.join(made)}."
        if made
        else "Nothing to do: all six artifacts are up to date."
    )
    return "\n".join(["", done, named(folder / "maps", folder / "evaluation")])


def tasks(result: "RunResult") -> str:
    """Say how many tasks of a run did their work, and which failed and why."""
    counts = Counter(task.state for task in result.tasks)
    counted = (
        f"{counts['SUCCEEDED']} tasks done, {counts['CACHED']} taken over from earlier runs, "
        f"{counts['FAILED']} failed"
    )
    lines = ["", f"{counted}, in {result.seconds:.0f} s; logs in {result.folder / 'logs'}"]
    lines += [f"  {task}: {task.reason}, see {task.log}" for task in result.failed[:_NAMED]]
    if len(result.failed) > _NAMED:
        lines.append(f"  and {len(result.failed) - _NAMED} more, see {result.folder / 'run.json'}")
    return "\n".join(lines)


def named(maps: Path, evaluation: Path) -> str:
    """Name the maps and their report, the scores of their model, the MLflow run."""
    events = "events.geojson, " if (maps / "events.geojson").is_file() else ""
    lines = [
        f"  maps    {maps}/ ({_count(maps, '*.tif')} GeoTIFFs, {events}catalogue)",
        f"  report  {maps / 'report.html'}",
    ]
    lines += _scores(evaluation / "metrics.json")
    tracked = _record(maps).get("mlflow", {})
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
