"""Kubeflow face of the stack stage."""

from kfp import dsl

from components import faces
from components.faces import Component


def stack(image: str, *, revise: bool = False) -> Component:
    """The component that makes one cell's cube.

    Args:
        image: image of the stage.
        revise: start from the cell's newest published cube.
    """
    flags = ("--revise",) if revise else ()

    @faces.component
    def stack(
        settings: str,
        store: str,
        as_of: str,
        cell: str,
        key: str,
        observations: dsl.Input[dsl.Dataset],
        cube: dsl.Output[dsl.Dataset],
        metrics: dsl.Output[dsl.Metrics],
    ) -> dsl.ContainerSpec:
        """Carry every valid pixel forward in time onto one cube."""
        return faces.command(
            image,
            "stack",
            *faces.common(settings, store, as_of),
            *faces.one_cell(cell, key),
            *("--observations", observations.path, "--cube", cube.path, *flags),
        )

    return stack
