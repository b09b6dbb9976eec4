"""Compiling a pipeline for a cluster: to what Kubeflow runs, or to manifests for GitOps."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kfp.compiler import Compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from groundshift.artifacts.hashing import file_digest
from pipelines import checks
from pipelines.graph import assemble
from pipelines.monitoring import monitoring
from pipelines.parameters import PipelineName, require
from pipelines.profile import Profile
from pipelines.retraining import retraining
from pipelines.tasks import Tasks
from pipelines.training import training

PIPELINES: dict[PipelineName, Callable[[Tasks], None]] = {
    "training": training,
    "monitoring": monitoring,
    "retraining": retraining,
}


def compile_pipeline(
    name: str,
    profile: Profile,
    output: Path,
    *,
    kubernetes_manifests: bool = False,
    values: Mapping[str, str] | None = None,
) -> None:
    """Compile a pipeline and check what comes out.

    The same pipeline, profile and values always give the same bytes.

    Args:
        name: training, monitoring or retraining.
        profile: the cluster's.
        output: file to write (YAML).
        kubernetes_manifests: write Kubernetes manifests (Pipeline and PipelineVersion) and not
            the IR that is uploaded.
        values: what the pipeline's parameters are when a run doesn't say.

    Raises:
        SettingsError: there is no such pipeline.
        ContractError: the pipeline is not fit to run.
    """
    known = require(name)
    pipeline = assemble(known, profile, PIPELINES[known], values or {})
    output.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        package = Path(folder) / f"{known}.yaml"
        Compiler().compile(pipeline, str(package))
        checks.require(package)
        if kubernetes_manifests:
            _write_manifests(pipeline, known, package, output)
        else:
            output.write_bytes(package.read_bytes())


def _write_manifests(pipeline: Any, name: PipelineName, package: Path, output: Path) -> None:
    """Write the custom resources; a version is named after what is in it."""
    version = f"groundshift-{name}-{file_digest(package)[:12]}"
    Compiler().compile(
        pipeline,
        str(output),
        kubernetes_manifest_format=True,
        kubernetes_manifest_options=KubernetesManifestOptions(
            pipeline_name=f"groundshift-{name}",
            pipeline_display_name=f"groundshift {name}",
            pipeline_version_name=version,
            pipeline_version_display_name=version,
            include_pipeline_manifest=True,
        ),
    )
