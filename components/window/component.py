"""Kubeflow faces of the window stage: coefficients per cell, their reduce, samples per cell."""

from kfp import dsl

from components import faces
from components.faces import Component, IntPath


def coefficients(image: str) -> Component:
    """The component that sums the index of one cell."""

    @faces.component
    def coefficients(
        settings: str,
        store: str,
        as_of: str,
        cell: str,
        key: str,
        cube: dsl.Input[dsl.Dataset],
        coefficients: dsl.Output[dsl.Dataset],
        done: IntPath,
    ) -> dsl.ContainerSpec:
        """Sum the index of every window of one cell, for the area's regression."""
        return faces.command(
            image,
            "window",
            *faces.common(settings, store, as_of),
            *faces.one_cell(cell, key),
            *("--cube", cube.path, "--coefficients", coefficients.path),
        )

    return coefficients


def betas(image: str) -> Component:
    """The component that turns the sums of all cells into the area's regression."""

    @faces.component
    def betas(
        settings: str,
        store: str,
        as_of: str,
        coefficients: dsl.Input[dsl.Dataset],
        done: list[int],
        betas: dsl.Output[dsl.Dataset],
    ) -> dsl.ContainerSpec:
        """Add up the sums of all cells and solve for the area's regression per window."""
        return faces.command(
            image,
            "window",
            *faces.common(settings, store, as_of),
            *("--coefficients", coefficients.path, "--betas", betas.path),
        )

    return betas


def window(image: str) -> Component:
    """The component that indexes and labels one cell for training."""

    @faces.component
    def window(
        settings: str,
        store: str,
        as_of: str,
        cell: str,
        key: str,
        observations: dsl.Input[dsl.Dataset],
        cube: dsl.Input[dsl.Dataset],
        betas: dsl.Input[dsl.Dataset],
        samples: dsl.Output[dsl.Dataset],
        card: dsl.Output[dsl.Markdown],
        done: IntPath,
    ) -> dsl.ContainerSpec:
        """Index the cell's cube by windows and patches, and label every complete window."""
        return faces.command(
            image,
            "window",
            *faces.common(settings, store, as_of),
            *faces.one_cell(cell, key),
            *("--observations", observations.path, "--cube", cube.path),
            *("--betas", betas.path, "--samples", samples.path),
        )

    return window


def window_index(image: str) -> Component:
    """The component that indexes one cell for mapping, without labels."""

    @faces.component
    def window_index(
        settings: str,
        store: str,
        as_of: str,
        cell: str,
        key: str,
        observations: dsl.Input[dsl.Dataset],
        cube: dsl.Input[dsl.Dataset],
        samples: dsl.Output[dsl.Dataset],
    ) -> dsl.ContainerSpec:
        """Index the cell's cube by windows, without labels."""
        return faces.command(
            image,
            "window",
            *faces.common(settings, store, as_of),
            *faces.one_cell(cell, key),
            *("--observations", observations.path, "--cube", cube.path),
            *("--index", "--samples", samples.path),
        )

    return window_index
