"""The way to MLflow: where runs are kept, and what to say when it doesn't answer.

MLflow takes a second to import, so it is imported inside functions: a command that only prints
its help or finds bad settings never pays for it.
"""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from groundshift.errors import SourceError

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_FILE = "mlflow.db"
DEFAULT_EXPERIMENT = "groundshift"

_SQLITE = "sqlite:///"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY = re.compile(r"(\w+://[^\s?'\"]*)\?[^\s'\")]*")


@dataclass(frozen=True)
class Store:
    """An open way to MLflow and the experiment that new runs belong to."""

    client: "MlflowClient"
    experiment: str
    """Id of the experiment."""
    uri: str

    @property
    def name(self) -> str:
        """The URI as it may be shown: without credentials, from the current folder if below it."""
        return masked(self.uri).replace(f"{Path.cwd()}{os.sep}", "")


def tracking_uri() -> str:
    """Where runs are kept: `MLFLOW_TRACKING_URI`, or a SQLite file in the current folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{Path(DEFAULT_FILE).resolve()}"


def masked(text: str) -> str:
    """A text without the credentials and query strings of the URIs in it."""
    return _QUERY.sub(r"\1?***", _CREDENTIALS.sub("***@", text))


def open_store() -> Store:
    """Connect to MLflow and find or make the experiment.

    The experiment is `MLFLOW_EXPERIMENT_ID`, else `MLFLOW_EXPERIMENT_NAME`, else `groundshift`.

    Raises:
        SourceError: MLflow can't be reached or refuses; transient where a retry may help.
    """
    # MLflow reports its use over the network unless told not to; this must work without one.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = tracking_uri()
    with reaching(uri), impatient():
        client = mlflow.MlflowClient(uri)
        return Store(client, _experiment(client, uri), uri)


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Turn a tracking service that doesn't answer or refuses into an error with its remedy.

    Raises:
        SourceError: transient unless the service answered that the request itself is wrong.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except failures() as error:
        status = error.get_http_status_code() if isinstance(error, MlflowException) else 500
        transient = status >= 500 or status == 429
        remedy = (
            "Start it or wait for it and run again"
            if transient
            else "Check MLFLOW_TRACKING_URI, MLFLOW_RUN_ID, MLFLOW_EXPERIMENT_ID and the "
            "credentials (MLFLOW_TRACKING_USERNAME, _PASSWORD or _TOKEN)"
        )
        raise SourceError(
            f"MLflow at {masked(uri)}: expected an answer, found: {_cause(error)}. {remedy}, "
            f"or unset MLFLOW_TRACKING_URI to keep runs in {DEFAULT_FILE} here",
            transient=transient,
        ) from error


def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises where its store fails: also its database's errors, if it uses one here."""
    from mlflow.exceptions import MlflowException

    database = sys.modules.get("sqlalchemy.exc")  # the light image has none
    return (MlflowException, OSError, *([database.SQLAlchemyError] if database else ()))


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without credentials; its kind if it has none."""
    lines = str(error).strip().splitlines()
    return masked(lines[0])[:500] if lines else type(error).__name__


def _cause(error: BaseException) -> str:
    """What a chain of HTTP errors began with, or the error's first line."""
    return first_line(error).rpartition("(Caused by ")[-1]


def source_tags(command: str) -> dict[str, str]:
    """MLflow's own tags of where a run comes from: command, and commit of the current folder."""
    tags = {"mlflow.source.name": command, "mlflow.source.type": "LOCAL"}
    user = os.environ.get("USER")
    commit = _commit()
    return (
        tags
        | ({"mlflow.user": user} if user else {})
        | ({"mlflow.source.git.commit": commit} if commit else {})
    )


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names with short texts: `{"a": {"b": 1}}` is `{"a.b": "1"}`."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
            flat |= flatten({str(index): item for index, item in enumerate(value)}, f"{name}.")
        elif value is not None:
            flat[name] = masked(str(value))[:6000]  # MLflow's limit
    return flat


def _experiment(client: "MlflowClient", uri: str) -> str:
    from mlflow.exceptions import MlflowException

    if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return given
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, artifact_location=_artifacts(uri)))
    except MlflowException:  # another process was faster
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        raise


def _artifacts(uri: str) -> str | None:
    """Beside a SQLite file, so that both move and go together; a server knows its own place."""
    if not uri.startswith(_SQLITE):
        return None
    return str(Path(uri.removeprefix(_SQLITE)).resolve().parent / "mlartifacts")


@contextmanager
def impatient() -> Iterator[None]:
    """Learn within seconds, not MLflow's four minutes, that a server is not there.

    Limits that the user has set hold.
    """
    limits = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
    added = {name: value for name, value in limits.items() if name not in os.environ}
    os.environ.update(added)
    retries = logging.getLogger("urllib3.connectionpool")
    level = retries.level
    retries.setLevel(logging.ERROR)  # what comes of them is told once, at the end
    try:
        yield
    finally:
        retries.setLevel(level)
        for name in added:
            os.environ.pop(name, None)


def _commit() -> str | None:
    """The commit of the current folder, where settings and pipeline lie, if it is versioned."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None
