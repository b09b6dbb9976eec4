"""A model artifact as an MLflow model: signature, example, pinned packages, no machine's paths."""

import contextlib
import importlib.metadata
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

import groundshift
from groundshift.services.mlflow_store import Store
from groundshift.services.packed import pack
from groundshift.services.signature import model_signature

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel

NAME = "detector"
CONTENT_HASH = "groundshift.content_hash"
"""Tag of a logged model and of its versions: of the model artifact."""

_READY = "READY"
_PACKAGE = Path(groundshift.__file__).parent
_SCRIPT = "services/served_model.py"
_SERVES = re.compile(r"^[^;]*$|extra == .network.")
_FOR_CPUS = "tensorflow-cpu"
"""What a model is served with, whatever it was trained with."""
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*")


def log_model(
    store: Store,
    run_id: str,
    folder: Path,
    *,
    opener: str,
    example: Mapping[str, NDArray[Any]],
    content_hash: str,
) -> str:
    """Log a model artifact into a run as an MLflow pyfunc model (models from code).

    It carries this package's sources, so that what serves it needs only the packages it names.

    Args:
        store: the way to MLflow.
        run_id: the run it belongs to.
        folder: the model artifact.
        opener: `module:function` that takes the artifact's folder and gives a function from the
            texts of a request to those of its answer, both by column.
        example: arrays of one sample.
        content_hash: of the artifact, by which the registry finds the model again.

    Returns:
        The URI of the logged model, `models:/...`.
    """
    import mlflow
    import pandas as pd

    table = pd.DataFrame({"sample": [pack(example)]})
    mlflow.set_tracking_uri(store.uri)
    _remove_halves(store, content_hash)
    with _neutral_folder(folder), _at_work(store, run_id):
        logged = mlflow.pyfunc.log_model(
            name=NAME,
            python_model="served_model.py",
            artifacts={"model": "model"},
            code_paths=["groundshift"],
            pip_requirements=requirements(),
            signature=model_signature(),
            input_example=table,
            model_config={"opener": opener},
            tags={CONTENT_HASH: content_hash},
        )
    return str(logged.model_uri)


def find_logged(store: Store, content_hash: str) -> str | None:
    """Id of the logged model of an artifact; None if there is no whole one."""
    ready = (found.model_id for found in _logged(store, content_hash) if _is_whole(found))
    return next(ready, None)


def _remove_halves(store: Store, content_hash: str) -> None:
    """Remove what was left where MLflow was lost while the same artifact was logged."""
    for found in _logged(store, content_hash):
        if not _is_whole(found):
            store.client.delete_logged_model(found.model_id)


def _logged(store: Store, content_hash: str) -> "Iterator[LoggedModel]":
    """All logged models of an artifact, whole or not."""
    yield from store.client.search_logged_models(
        [store.experiment], f"tags.`{CONTENT_HASH}` = '{content_hash}'"
    )


def _is_whole(logged: "LoggedModel") -> bool:
    return str(logged.status) == _READY


def requirements() -> list[str]:
    """The packages a model needs, those of networks included, pinned to what is installed."""
    needed = importlib.metadata.requires("groundshift") or []
    names = [_REQUIREMENT.match(line) for line in needed if _SERVES.search(line)]
    return sorted(f"{match.group()}=={_version(match.group())}" for match in names if match)


def _version(name: str) -> str:
    """The installed version; an image for accelerators has TensorFlow under another name."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        if name != _FOR_CPUS:
            raise
        return importlib.metadata.version("tensorflow")


@contextlib.contextmanager
def _at_work(store: Store, run_id: str) -> Iterator[None]:
    """Make a run MLflow's active one; it goes on afterwards, which MLflow doesn't foresee."""
    import mlflow

    try:
        with mlflow.start_run(run_id=run_id):
            yield
    finally:
        store.client.update_run(run_id, status="RUNNING")


@contextlib.contextmanager
def _neutral_folder(model: Path) -> Iterator[None]:
    """Work in a folder whose paths say nothing about this machine.

    MLflow writes the paths it is given into the model, so it is given relative ones: the model's
    files, this package's sources and the script that serves them.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="groundshift-model-") as name:
        neutral = Path(name)
        shutil.copytree(model, neutral / "model")
        for source in sorted(_PACKAGE.rglob("*.py")):
            target = neutral / "groundshift" / source.relative_to(_PACKAGE)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        shutil.copyfile(_PACKAGE / _SCRIPT, neutral / "served_model.py")
        os.chdir(neutral)
        try:
            yield
        finally:
            os.chdir(before)
