"""How a run ended, from what Kubeflow says of it and what its tasks wrote down."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from groundshift.artifacts import ArtifactStore, Outcome

SUCCEEDED = "SUCCEEDED"
_MOST_CELLS = 20
"""Failed cells that a report names; more of them fail for the same reason."""
_REPORT = "report.html"


@dataclass(frozen=True)
class Status:
    """What the pipeline's engine says of the run."""

    state: str
    """`SUCCEEDED`, `FAILED`, `CANCELLED`, or what else was passed."""
    pipeline: str
    message: str

    @classmethod
    def parse(cls, text: str) -> "Status":
        """Read the final status as Kubeflow passes it; what can't be read is no success.

        The backend writes names as protobuf's JSON does, local engines write them as Python does.
        """
        try:
            document = json.loads(text)
            name = document.get("pipelineJobResourceName") or document.get(
                "pipeline_job_resource_name"
            )
            message = (document.get("error") or {}).get("message")
            state = document.get("state")
        except (ValueError, AttributeError):
            return cls("UNKNOWN", "", f"the run's status can't be read: {text[:200]!r}")
        return cls(str(state or "UNKNOWN"), str(name or "").rsplit("/", 1)[-1], str(message or ""))


def report_on(
    status: Status, area: str, run: str, outcomes: Sequence[Outcome], store: ArtifactStore
) -> dict[str, Any]:
    """A run in a few lines, JSON-ready.

    Args:
        status: what the engine says.
        area: name.
        run: id.
        outcomes: what the run's tasks wrote down.
        store: where they wrote it.
    """
    failed = [outcome for outcome in outcomes if outcome.exit != 0]
    if status.state == SUCCEEDED:
        failed = []  # a task that was retried elsewhere, or left behind by a cancelled attempt
    stages: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        name = "-".join(filter(None, (outcome.stage, outcome.mode)))
        stages.setdefault(name, Counter())[outcome.kind] += 1
    cells = sorted({outcome.cell for outcome in failed if outcome.cell})
    return {
        "area": area,
        "pipeline": status.pipeline,
        "run": run,
        "outcome": _outcome(status, outcomes, failed),
        "message": _message(status, failed),
        "stages": {name: dict(counts) for name, counts in sorted(stages.items())},
        "failed_cells": cells[:_MOST_CELLS],
        "failed_cell_count": len(cells),
        "links": _links(outcomes, store),
    }


def _outcome(
    status: Status, outcomes: Sequence[Outcome], failed: Sequence[Outcome]
) -> Literal["done", "nothing new", "blocked", "broken"]:
    if status.state == SUCCEEDED:
        # A run may find nothing new and train all the same.
        idle = any(outcome.kind == "nothing new" for outcome in outcomes)
        planned_only = all(outcome.stage == "fetch" for outcome in outcomes)
        return "nothing new" if idle and planned_only else "done"
    blocked = bool(failed) and all(outcome.kind == "blocked" for outcome in failed)
    return "blocked" if blocked else "broken"


def _message(status: Status, failed: Sequence[Outcome]) -> str:
    """Why it failed: the first task that says so, or what the engine says."""
    if status.state == SUCCEEDED:
        return ""
    told = [f"{outcome.task}: {outcome.message}" for outcome in failed if outcome.message]
    killed = [f"{outcome.task} was killed" for outcome in failed if outcome.kind == "running"]
    return next(iter([*told, *killed]), status.message or f"the run ended as {status.state}")


def _links(outcomes: Sequence[Outcome], store: ArtifactStore) -> dict[str, str]:
    """Where the run's report lies, if it made one."""
    for outcome in outcomes:
        if page := store.page(outcome.artifact, _REPORT):
            return {"report": page}
    return {}
