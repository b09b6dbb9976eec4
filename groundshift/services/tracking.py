"""Runs in MLflow: one parent run per pipeline run, one nested run per stage."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from groundshift.artifacts import Summary
from groundshift.settings import StageSettings


class StageRun:
    """The MLflow run of one stage."""

    def finish(self, summary: Summary) -> None:
        """Log the stage's numbers and figures."""


@contextmanager
def stage_run(stage: str, settings: StageSettings, folders: Mapping[str, Path]) -> Iterator[StageRun]:
    """Track a stage: settings and inputs at the start, numbers and figures at the end."""
    yield StageRun()
