"""Kubeflow face of the train stage."""

from kfp import dsl

from components import faces
from components.faces import Component


def train(image: str) -> Component:
    """The component that trains the networks."""

    @faces.component
    def train(
        settings: str,
        store: str,
        as_of: str,
        cube: dsl.Input[dsl.Dataset],
        samples: dsl.Input[dsl.Dataset],
        done: list[int],
        model: dsl.Output[dsl.Model],
        metrics: dsl.Output[dsl.Metrics],
    ) -> dsl.ContainerSpec:
        """Train networks on the windows of the training blocks."""
        return faces.command(
            image,
            "train",
            *faces.common(settings, store, as_of),
            *("--cube", cube.path, "--samples", samples.path, "--model", model.path),
        )

    return train
