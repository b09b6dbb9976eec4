"""Runs in MLflow: one parent run per pipeline run, one nested run per stage.

Where a stage's run belongs in the tree, `run_tree` finds. What a stage writes doesn't
depend on any of this: a service that is missing at the start stops the stage before it works, one
that is lost later costs the record, not the work. `GROUNDSHIFT_TRACKING=off` does without,
`server` does without unless `MLFLOW_TRACKING_URI` names one.
"""

import json
import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from groundshift import __version__
from groundshift.artifacts import Outcome, Summary, is_artifact, read_manifest
from groundshift.artifacts.lineage import describe
from groundshift.artifacts.manifest import WRITERS
from groundshift.artifacts.writing import provenance
from groundshift.errors import SourceError
from groundshift.services import logged_model, mlflow_store, run_tree
from groundshift.services.mlflow_store import Store, first_line, flatten, impatient, reaching
from groundshift.services.run_tree import PARENT, RUN_FILE, end_pipeline
from groundshift.settings import StageSettings

log = logging.getLogger(__name__)

_BATCH, _METRICS = 100, 1000
"""Most parameters and most metrics that MLflow takes at once."""
_TRIES = 4
_COLLISION = re.compile("IntegrityError|UNIQUE constraint|duplicate key", re.IGNORECASE)
_DIGEST = 36
"""Longest dataset digest that MLflow takes."""


def with_peers(write: Callable[[], None]) -> None:
    """Write what other runs may be writing at this moment; MLflow then refuses all but one.

    It looks whether a dataset is there and adds it otherwise, in two steps: who comes second finds
    it on the next try.
    """
    for attempt in range(_TRIES):
        try:
            write()
            return
        except mlflow_store.failures() as error:
            if attempt == _TRIES - 1 or not _COLLISION.search(str(error)):
                raise
            time.sleep(0.2 * (attempt + 1))


@dataclass
class StageRun:
    """The MLflow run of one stage; without a store it does nothing."""

    store: Store | None = None
    id: str = ""
    parent: str | None = None
    """Id of the run it is nested in."""
    owned: bool = True
    """Whether this stage made it; Kubeflow ends the runs that its MLflow plugin made."""
    _lost: bool = field(default=False, init=False)
    _unsent: list[Any] = field(default_factory=list, init=False)
    """Metrics that MLflow could not take when they came; they go with the next ones."""

    @property
    def record(self) -> dict[str, Any]:
        """What artifacts written in this run record of it."""
        if self.store is None:
            return {}
        parent = {} if self.parent is None else {"parent": self.parent}
        return {"mlflow": {"store": self.store.name, "run": self.id, **parent}}

    def log_metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers, at a step (an epoch) where given; undefined ones are left out."""
        if self.store is None:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._unsent += [
            Metric(name, float(value), now, step or 0)
            for name, value in values.items()
            if math.isfinite(value)
        ]
        with self._tolerant("metrics"):
            while self._unsent:
                self.store.client.log_batch(self.id, metrics=self._unsent[:_METRICS])
                del self._unsent[:_METRICS]

    def log_settings(self, settings: StageSettings) -> None:
        """Log settings as parameters, `train.epochs` and so on."""
        if self.store is None:
            return
        from mlflow.entities import Param

        flat = flatten(settings.model_dump(mode="json"))
        params = [Param(name, value) for name, value in sorted(flat.items())]
        for first in range(0, len(params), _BATCH):
            self.store.client.log_batch(self.id, params=params[first : first + _BATCH])

    def log_inputs(self, stage: str, folders: Mapping[str, Path]) -> None:
        """Log the artifacts a stage reads as dataset inputs with their content hashes."""
        if self.store is None:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for kind, folder in folders.items():
            if WRITERS.get(kind, stage) == stage or not is_artifact(folder):
                continue
            content = read_manifest(folder, kind).content_hash
            # Of cells that are read as one there is no single version.
            (dvc, *others) = (part.get("dvc") for part in describe({kind: folder})[kind])
            version = {"dvc": dvc["md5"]} if dvc and not others else {}
            source = json.dumps({"uri": str(folder), "content_hash": content, **version})
            dataset = Dataset(kind, content[:_DIGEST], "artifact", source)
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", stage)]))
        if inputs:
            client = self.store.client
            with_peers(lambda: client.log_inputs(self.id, inputs))

    def log_model(
        self, folder: Path, *, opener: str, example: Mapping[str, NDArray[Any]], content_hash: str
    ) -> str | None:
        """Log a model artifact so that MLflow can load and serve it.

        Args:
            folder: the artifact.
            opener: see `logged_model.log_model`.
            example: arrays of one sample.
            content_hash: of the artifact.

        Returns:
            The URI of the logged model; None without MLflow.
        """
        if self.store is None:
            return None
        with self._tolerant("model"):
            return logged_model.log_model(
                self.store,
                self.id,
                folder,
                opener=opener,
                example=example,
                content_hash=content_hash,
            )
        return None

    def finish(self, summary: Summary) -> None:
        """Log the stage's numbers, figures and hashes."""
        if self.store is None:
            return
        self.log_metrics(summary.metrics)
        with self._tolerant("tags and figures"):
            self.store.client.set_tag(self.id, "groundshift.content_hash", summary.content_hash)
            self.store.client.set_tag(self.id, "groundshift.value_hash", summary.value_hash)
            if summary.version is not None:
                self.store.client.set_tag(self.id, "groundshift.dvc", summary.version.md5)
            for figure in summary.figures:
                self.store.client.log_artifact(self.id, str(figure), "figures")

    def end(self, error: BaseException | None = None) -> None:
        """Close the run; with an error as failed (killed, if by the user), with its first line."""
        if self.store is None:
            return
        status = "FINISHED" if error is None else "FAILED"
        if isinstance(error, KeyboardInterrupt):
            status = "KILLED"
        with self._tolerant("end"):
            if error is not None:
                self.store.client.set_tag(self.id, "groundshift.error", first_line(error))
            if self.owned:
                self.store.client.set_terminated(self.id, status)

    @contextmanager
    def _tolerant(self, what: str) -> Iterator[None]:
        """Keep working when MLflow is lost on the way, and say so once."""
        try:
            with impatient() if self._lost else nullcontext():
                yield
        except mlflow_store.failures() as error:
            if not self._lost:
                log.warning(
                    "MLflow run %s: its %s could not be recorded (%s). The artifact is not "
                    "affected",
                    self.id,
                    what,
                    first_line(error),
                )
            self._lost = True


_active = StageRun()


def active() -> StageRun:
    """The run of the stage at work; one that does nothing outside of stages."""
    return _active


def log_metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Log numbers to the active stage's run, if there is one."""
    _active.log_metrics(values, step)


def log_model(
    folder: Path, *, opener: str, example: Mapping[str, NDArray[Any]], content_hash: str
) -> str | None:
    """Log a model artifact to the active stage's run, if there is one; see `StageRun.log_model`."""
    return _active.log_model(folder, opener=opener, example=example, content_hash=content_hash)


@contextmanager
def stage_run(
    stage: str, settings: StageSettings, folders: Mapping[str, Path], *, row: bool = False
) -> Iterator[StageRun]:
    """Track a stage: settings and inputs at the start, numbers and figures at the end.

    Args:
        stage: name of the stage.
        settings: its settings, logged as parameters.
        folders: folders of the artifacts it reads and writes, by kind.
        row: whether it is one cell of many, which is no run of its own; see `log_cells`.

    Raises:
        SourceError: MLflow can't be reached; the stage has not started.
    """
    global _active
    run = StageRun() if row else _start(stage, settings, folders)
    _active = run
    provenance.update(run.record)
    try:
        yield run
    except BaseException as error:
        run.end(error)
        raise
    else:
        run.end()
    finally:
        _active = StageRun()
        provenance.pop("mlflow", None)


@dataclass
class PipelineRun:
    """The parent run that the stages of one pipeline run share.

    Attributes:
        id: of the run in MLflow, known once the pipeline run is over; None if no stage had to run.
    """

    id: str | None = None


@contextmanager
def pipeline_run(name: str, area: str) -> Iterator[PipelineRun]:
    """Let the stages started inside, by this process or its children, share a parent run.

    The first stage that really runs creates it: a pipeline with nothing to do leaves no run and
    never imports MLflow. Where `MLFLOW_RUN_ID` is set already, that run is the parent.

    Args:
        name: name of the parent run.
        area: logged as a tag.
    """
    run = PipelineRun(os.environ.get("MLFLOW_RUN_ID"))
    if run.id is not None:
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="groundshift-run-") as folder:
        shared = Path(folder) / "run.json"
        shared.write_text(json.dumps({"name": name, "area": area}))
        os.environ[RUN_FILE] = str(shared)
        status = "FINISHED"
        try:
            yield run
        except BaseException:
            status = "FAILED"
            raise
        finally:
            del os.environ[RUN_FILE]
            run.id = json.loads(shared.read_text()).get("id")
            if run.id is not None:
                _end_pipeline(run.id, status)


def _start(stage: str, settings: StageSettings, folders: Mapping[str, Path]) -> StageRun:
    if not _wanted():
        return StageRun()
    store = mlflow_store.open_store()
    with reaching(store.uri):
        tags = {
            "groundshift.stage": stage,
            "groundshift.area": settings.name,
            "groundshift.version": __version__,
            **mlflow_store.source_tags(f"python -m components.{stage}"),
        }
        run = _stage_run(store, stage, settings.name, tags)
        try:
            run.log_settings(settings)
            run.log_inputs(stage, folders)
        except BaseException as error:
            run.end(error)
            raise
    return run


def _stage_run(store: Store, stage: str, area: str, tags: dict[str, str]) -> StageRun:
    """The run made for this task, or a new one in its place of the tree."""
    spot = run_tree.find_spot(store, area)
    if spot.own:
        for name, value in tags.items():
            store.client.set_tag(spot.own, name, value)
        return StageRun(store, spot.own, spot.parent, owned=False)
    experiment = store.experiment
    if spot.parent is not None:
        tags = tags | {PARENT: spot.parent}
        experiment = store.client.get_run(spot.parent).info.experiment_id
    created = store.client.create_run(experiment, tags=tags, run_name=stage)
    return StageRun(store, created.info.run_id, spot.parent)


def log_cells(run: str, area: str, outcomes: Sequence[Outcome], *, succeeded: bool) -> None:
    """Write what became of a pipeline run's cells into its run tree; see `run_tree.log_cells`.

    MLflow that is lost by now costs the record, nothing else.
    """
    if not (in_use() and run):
        return
    try:
        store = mlflow_store.open_store()
        with reaching(store.uri), impatient():
            ended = "FINISHED" if succeeded else "FAILED"
            run_tree.log_cells(store, run, area, outcomes, ended)
    except SourceError as error:
        log.warning("the cells of run %s could not be recorded: %s", run, error)


def _wanted() -> bool:
    """Whether to track: not if it is off, and in an image only on a server that is named.

    An image sets `server`: a database in a container would go with it.
    """
    mode = os.environ.get("GROUNDSHIFT_TRACKING")
    return mode != "off" and (mode != "server" or bool(os.environ.get("MLFLOW_TRACKING_URI")))


def in_use() -> bool:
    """Whether there is something to look into: tracking is on, and a place for it is there."""
    named = bool(os.environ.get("MLFLOW_TRACKING_URI"))
    return _wanted() and (named or Path(mlflow_store.DEFAULT_FILE).is_file())


def _end_pipeline(run_id: str, status: str) -> None:
    """Close a parent run, and those of its stages that were killed and could not do so."""
    try:
        store = mlflow_store.open_store()
    except SourceError as error:
        log.warning("MLflow run %s stays open: %s", run_id, error)
        return
    with StageRun(store, run_id)._tolerant("end"):
        end_pipeline(store, run_id, status)
