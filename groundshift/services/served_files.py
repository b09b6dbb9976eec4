"""What a logged model brings, looked through before it is served: data, and no code that is run.

A logged model is a folder of MLflow's: a description, lists of packages, a copy of this package's
sources for `mlflow models serve`, and the model artifact. The artifact alone is opened, by the
package that is installed; whatever else lies there is refused, since nobody put it there in good
faith.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from groundshift.artifacts.manifest import FILE_NAME, check_files, read_single
from groundshift.errors import ContractError
from groundshift.services.mlflow_store import reaching, tracking_uri

ARTIFACT = "artifacts/model"

_KNOWN = re.compile(
    r"MLmodel|conda\.yaml|python_env\.yaml|requirements\.txt|registered_model_meta"
    r"|(serving_)?input_example\.json|served_model\.py|code/groundshift/(\w+/)*\w+\.py"
)
_LOADER = "mlflow.pyfunc.loaders.code_model"
_FLAVOUR = {
    *("artifacts", "cloudpickle_version", "code", "config", "env", "loader_module"),
    *("model_code_path", "python_version", "streamable"),
}
"""What MLflow writes of a model from code; one with pickled code has `python_model` too."""


def open_logged_model(uri: str) -> tuple[Any, str]:
    """A logged model as MLflow's scoring server takes it, and the content hash of its artifact.

    Args:
        uri: of MLflow, or a folder.

    Raises:
        ContractError: it is not whole, or holds what no model of ours does.
        SourceError: MLflow can't be reached, or has no such model.
    """
    from mlflow.models import Model
    from mlflow.pyfunc import PyFuncModel

    from groundshift.services.served_model import ServedModel

    folder = _fetched(uri)
    described = check_logged_model(folder)
    artifact = folder / ARTIFACT
    content_hash = read_single(artifact, "model").content_hash
    served = ServedModel()
    served.open(described["config"]["opener"], artifact)
    return PyFuncModel(Model.load(str(folder)), _Predictor(served)), content_hash


def check_logged_model(folder: Path) -> dict[str, Any]:
    """Refuse a logged model that holds more than data.

    Args:
        folder: of the logged model.

    Returns:
        What its description says of how to open it.

    Raises:
        ContractError: naming the first thing that doesn't belong there.
    """
    artifact = folder / ARTIFACT
    manifest = read_single(artifact, "model")
    check_files(artifact, manifest, hashes=True)
    listed = {f"{ARTIFACT}/{entry.path}" for entry in manifest.files} | {f"{ARTIFACT}/{FILE_NAME}"}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or (
            path.is_file() and name not in listed and not _KNOWN.fullmatch(name)
        ):
            raise ContractError(
                f"{folder}: {name}: expected a model's description, its sources and what the "
                "manifest of its artifact lists, found another file. Register the model again"
            )
    return _described(folder / "MLmodel")


def _described(path: Path) -> dict[str, Any]:
    try:
        flavours = yaml.safe_load(path.read_text())["flavors"]
        flavour: dict[str, Any] = flavours["python_function"]
        odd = {*flavours} - {"python_function"} | {*flavour} - _FLAVOUR
        opener = flavour["config"]["opener"]
        loader = flavour["loader_module"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ContractError(
            f"{path}: can't be read ({error!r}). Register the model again"
        ) from None
    if odd or loader != _LOADER or not _is_ours(opener):
        raise ContractError(
            f"{path}: expected a model of ours, opened by groundshift, found "
            f"{', '.join(sorted(odd)) or opener or loader}. Register the model again"
        )
    return flavour


def _is_ours(opener: Any) -> bool:
    return isinstance(opener, str) and bool(
        re.fullmatch(r"groundshift\.(\w+\.)*\w+:open_scorer", opener)
    )


def _fetched(uri: str) -> Path:
    """The folder of a logged model, fetched where it is elsewhere."""
    if Path(uri).is_dir():
        return Path(uri)
    import mlflow
    from mlflow.artifacts import download_artifacts

    mlflow.set_tracking_uri(tracking_uri())
    with reaching(tracking_uri()):
        return Path(download_artifacts(uri))


class _Predictor:
    """What MLflow calls."""

    def __init__(self, served: Any) -> None:
        self._served = served

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer a table of requests."""
        return self._served.predict(None, data, params)
