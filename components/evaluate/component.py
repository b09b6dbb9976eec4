"""Kubeflow faces of the evaluate stage: the gate of a model, and the drift since it was trained."""

from kfp import dsl

from components import faces
from components.faces import BoolPath, Component


def evaluate(image: str) -> Component:
    """The component that judges a model and promotes it if it passes."""

    @faces.component
    def evaluate(
        settings: str,
        store: str,
        as_of: str,
        cube: dsl.Input[dsl.Dataset],
        samples: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
        evaluation: dsl.Output[dsl.Dataset],
        metrics: dsl.Output[dsl.Metrics],
        roc: dsl.Output[dsl.ClassificationMetrics],
        confusion: dsl.Output[dsl.ClassificationMetrics],
        summary: dsl.Output[dsl.Markdown],
        promoted: BoolPath,
    ) -> dsl.ContainerSpec:
        """Score the model and every baseline on held-out blocks; promote it if it passes."""
        return faces.command(
            image,
            "evaluate",
            *faces.common(settings, store, as_of),
            *("--cube", cube.path, "--samples", samples.path, "--model", model.path),
            *("--evaluation", evaluation.path, "--promote"),
        )

    return evaluate


def drift(image: str) -> Component:
    """The component that compares the newest observations with those of the training."""

    @faces.component
    def drift(
        settings: str,
        store: str,
        as_of: str,
        cube: dsl.Input[dsl.Dataset],
        champion: str,
        drift: dsl.Output[dsl.Dataset],
        report: dsl.Output[dsl.HTML],
        metrics: dsl.Output[dsl.Metrics],
        retrain: BoolPath,
    ) -> dsl.ContainerSpec:
        """Compare the newest observations with what the champion was trained on."""
        return faces.command(
            image,
            "evaluate",
            *faces.common(settings, store, as_of),
            *("--cube", cube.path, "--champion", champion, "--drift", drift.path),
        )

    return drift
