"""What Kubeflow expects of a task: files and metadata for every output that its executor names.

No kfp here: `{{$}}` is the executor's input, JSON that names every output with its address, and
`executor_output.json` answers it.
"""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundshift.artifacts import Summary
from groundshift.errors import SettingsError

_MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
"""Where Kubeflow's launcher looks for what it uploads afterwards."""
_NOTHING = "Nothing to show in this run.\n"


@dataclass(frozen=True)
class Executor:
    """The outputs that a task's executor names."""

    artifacts: Mapping[str, Mapping[str, Any]]
    """By name: name, type, uri and metadata as they were given."""
    parameters: Mapping[str, Path]
    """File of each."""
    answer: Path
    """The file `executor_output.json`."""

    @classmethod
    def parse(cls, text: str) -> "Executor":
        """Read an executor's input.

        Raises:
            SettingsError: it is not what Kubeflow passes for `{{$}}`.
        """
        try:
            outputs = json.loads(text)["outputs"]
            artifacts, parameters = outputs.get("artifacts", {}), outputs.get("parameters", {})
            return cls(
                {name: entry["artifacts"][0] for name, entry in artifacts.items()},
                {name: Path(entry["outputFile"]) for name, entry in parameters.items()},
                Path(outputs["outputFile"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise SettingsError(
                f"--executor-output: expected what Kubeflow passes for {{{{$}}}}, found {error!r}"
            ) from error

    def respond(self, summary: Summary, output: str, contract: str) -> None:
        """Answer the executor: a file at every output's path, and what is known of each.

        Args:
            summary: of the stage.
            output: name of the output that is the stage's artifact; its files are there already.
            contract: what that artifact is.
        """
        artifacts: dict[str, Any] = {}
        for name, given in self.artifacts.items():
            path = local_path(given["uri"])
            if name == output:
                metadata = _identity(summary, contract)
            else:
                metadata = _put(path, name, given["type"]["schemaTitle"], summary)
            artifacts[name] = {"artifacts": [{**given, "metadata": metadata}]}
        values: dict[str, Any] = {"done": 1, **summary.parameters}
        missing = sorted(self.parameters.keys() - values.keys())
        if missing:
            raise RuntimeError(f"{summary.stage} gives the pipeline no {', '.join(missing)}")
        for name, path in self.parameters.items():
            value = values[name]
            _write(path, value if isinstance(value, str) else json.dumps(value, allow_nan=False))
        parameters = {name: values[name] for name in self.parameters}
        document = {"parameterValues": parameters, "artifacts": artifacts}
        _write(self.answer, json.dumps(document, allow_nan=False))


def local_path(uri: str) -> Path:
    """Where a task finds or puts an artifact that has an address."""
    for scheme, mount in _MOUNTS.items():
        if uri.startswith(scheme):
            return Path(mount + uri.removeprefix(scheme))
    return Path(uri)


def _identity(summary: Summary, contract: str) -> dict[str, Any]:
    """What the metadata of the stage's artifact says."""
    version = summary.version
    return {
        "contract": contract,
        "content_hash": summary.content_hash,
        "value_hash": summary.value_hash,
        **({f"dvc_{name}": value for name, value in version.to_dict().items()} if version else {}),
        **_finite(summary.metrics),
    }


def _put(path: Path, name: str, kind: str, summary: Summary) -> dict[str, Any]:
    """Put a file at the path of an output, and give its metadata.

    Local caching finds nothing again where a path stays empty, so that an output which this run
    has nothing for gets a file that says so.
    """
    if name in summary.pages:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(summary.pages[name], path)
        return {}
    if name in summary.curves:
        metadata = dict(summary.curves[name])
    elif kind == "system.Metrics":
        metadata = _finite(summary.metrics)
    else:
        _write(path, _NOTHING)
        return {}
    _write(path, json.dumps(metadata, allow_nan=False))
    return metadata


def _finite(metrics: Mapping[str, float]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
