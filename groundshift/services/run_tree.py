"""One tree of MLflow runs per pipeline run: the run of the pipeline, below it one per stage.

Who a stage's run belongs to, the first of these says that is there:

- `MLFLOW_RUN_ID`. Kubeflow's MLflow plugin names the run that it made for the task, which the stage
  then writes into; any other run becomes the parent.
- `GROUNDSHIFT_RUN`, a file through which the stages that one process starts share a parent.
- `GROUNDSHIFT_RUN_ID`, the id of the pipeline run, which every engine's tasks know.

Cells are no runs: a thousand of them would bury the few that matter. What their tasks wrote down
becomes a table of the one run of their stage, when the pipeline ends.
"""

import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundshift import __version__
from groundshift.artifacts.outcomes import Outcome
from groundshift.services import mlflow_store
from groundshift.services.mlflow_store import Store

if TYPE_CHECKING:
    from mlflow.entities import Run

RUN_FILE = "GROUNDSHIFT_RUN"
"""Environment variable: a file through which the stages of one pipeline run share a parent."""
RUN_ID = "GROUNDSHIFT_RUN_ID"
"""Environment variable: id of the pipeline run that a task belongs to."""

PARENT = "mlflow.parentRunId"
CELLS = "cells.json"
"""The table of a stage's cells, as MLflow shows tables."""

_RUN, _TABLE = "groundshift.run", "groundshift.table"


@dataclass(frozen=True)
class Spot:
    """Where a stage's run belongs.

    Attributes:
        own: id of the run that was made for the task already; empty where there is none.
        parent: id of the run that it is nested in; None where it stands alone.
    """

    own: str = ""
    parent: str | None = None


def find_spot(store: Store, area: str) -> Spot:
    """Where the run of a stage belongs; the pipeline's run is made now if this is its first task.

    Args:
        store: the way to MLflow.
        area: logged as a tag of the pipeline's run.
    """
    if given := os.environ.get("MLFLOW_RUN_ID"):
        parent = store.client.get_run(given).data.tags.get(PARENT)
        return Spot(parent=given) if parent is None else Spot(given, parent)
    shared = os.environ.get(RUN_FILE)
    if shared and Path(shared).is_file():
        return Spot(parent=_shared(store, Path(shared)))
    run = os.environ.get(RUN_ID)
    return Spot(parent=_of_pipeline(store, run, area)) if run else Spot()


def log_cells(store: Store, run: str, area: str, outcomes: Sequence[Outcome], ended: str) -> None:
    """Write what became of a pipeline run's cells: a run per stage with a table, and its end.

    May be called again for the same run: the table is written anew.

    Args:
        store: the way to MLflow.
        run: id of the pipeline run.
        area: name of the area.
        outcomes: of all its tasks.
        ended: status of the pipeline's run, FINISHED or FAILED.
    """
    parent = find_spot(store, area).parent
    if parent is None:
        return
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.cell:
            name = "-".join(filter(None, (outcome.stage, outcome.mode)))
            groups.setdefault(name, []).append(outcome)
    for name, rows in groups.items():
        _log_table(store, parent, name, area, rows)
    if not os.environ.get(RUN_FILE) and not os.environ.get("MLFLOW_RUN_ID"):
        end_pipeline(store, parent, ended)  # who shares the others ends them


def end_pipeline(store: Store, run: str, status: str) -> None:
    """Close the run of a pipeline, and those of its stages that were killed or lost MLflow.

    Args:
        store: the way to MLflow.
        run: id of the pipeline's run.
        status: FINISHED or FAILED.
    """
    experiment = store.client.get_run(run).info.experiment_id
    left = store.client.search_runs(
        [experiment], f"tags.`{PARENT}` = '{run}' and attributes.status = 'RUNNING'"
    )
    for stage in left:
        store.client.set_terminated(stage.info.run_id, "KILLED")
    store.client.set_terminated(run, status)


def _log_table(
    store: Store, parent: str, name: str, area: str, outcomes: Sequence[Outcome]
) -> None:
    import pandas as pd

    client = store.client
    failed = sum(outcome.exit != 0 for outcome in outcomes)
    rows = [
        {"cell": o.cell, "kind": o.kind, "exit": o.exit, "artifact": o.artifact, **o.metrics}
        | {"message": o.message}
        for o in sorted(outcomes, key=lambda each: each.cell)
    ]
    run = _table_run(store, parent, name, area, outcomes[0].stage)
    client.log_dict(run, pd.DataFrame(rows).to_dict(orient="split", index=False), CELLS)
    table = pd.DataFrame(rows).select_dtypes("number").drop(columns="exit", errors="ignore")
    for key, value in {"cells": len(rows), "failed_cells": failed, **table.mean()}.items():
        client.log_metric(run, str(key), float(value))
    client.set_terminated(run, "FAILED" if failed else "FINISHED")


def _table_run(store: Store, parent: str, name: str, area: str, stage: str) -> str:
    """The one run of a stage's cells, made if it is not there."""
    experiment = store.client.get_run(parent).info.experiment_id
    found = store.client.search_runs(
        [experiment], f"tags.`{PARENT}` = '{parent}' and tags.`{_TABLE}` = '{name}'"
    )
    if found:
        return str(found[0].info.run_id)
    tags = {PARENT: parent, _TABLE: name, "groundshift.stage": stage, "groundshift.area": area}
    tags |= {"groundshift.version": __version__}
    return str(store.client.create_run(experiment, tags=tags, run_name=name).info.run_id)


def _shared(store: Store, file: Path) -> str:
    with file.open("r+") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)  # stages may start at the same time
        values: dict[str, Any] = json.load(opened)
        if "id" not in values:
            tags = {"groundshift.area": values["area"], "groundshift.version": __version__}
            tags |= mlflow_store.source_tags("groundshift run")
            run = store.client.create_run(store.experiment, tags=tags, run_name=values["name"])
            values["id"] = run.info.run_id
            opened.seek(0)
            json.dump(values, opened)
        return str(values["id"])


def _of_pipeline(store: Store, run: str, area: str) -> str:
    """The run of a pipeline whose tasks share nothing but its id.

    The first task of every pipeline is alone, so that two seldom make it at once; if they do, both
    take the first and the other one is deleted.
    """
    found = _runs_of(store, run)
    if not found:
        tags = {_RUN: run, "groundshift.area": area, "groundshift.version": __version__}
        tags |= mlflow_store.source_tags("groundshift run")
        made = store.client.create_run(store.experiment, tags=tags, run_name=f"groundshift {run}")
        found = _runs_of(store, run)
        if found and found[0].info.run_id != made.info.run_id:
            store.client.delete_run(made.info.run_id)
        found = found or [made]
    return str(found[0].info.run_id)


def _runs_of(store: Store, run: str) -> "list[Run]":
    found = store.client.search_runs([store.experiment], f"tags.`{_RUN}` = '{run}'")
    return sorted(found, key=lambda each: (each.info.start_time, each.info.run_id))
