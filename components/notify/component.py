"""Kubeflow face of notify: the exit handler that tells how a run ended."""

from collections.abc import Sequence

from kfp import dsl

from components import faces
from components.faces import Component


def notify(image: str, *, webhook_env: str = "", file: str = "") -> Component:
    """The component that posts a run's outcome.

    Args:
        image: image of the light stages.
        webhook_env: name of the environment variable that holds the webhook's address.
        file: file to which the outcome is added as a line.
    """
    sinks: Sequence[str] = (
        *(("--webhook-env", webhook_env) if webhook_env else ()),
        *(("--file", file) if file else ()),
    )

    @faces.component
    def notify(
        status: dsl.PipelineTaskFinalStatus,
        store: str,
        area: str,
    ) -> dsl.ContainerSpec:
        """Tell how the run ended: done, nothing new, blocked or broken."""
        return dsl.ContainerSpec(
            image=image,
            command=["python3", "-m", "components.notify"],
            args=["--status", status, "--store", store, "--area", area, *sinks],
        )

    return notify
