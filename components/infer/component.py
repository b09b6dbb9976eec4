"""Kubeflow faces of the infer stage: maps of one cell, and the report of all.

Each comes twice: with a model and its evaluation as artifacts of this run, or with the champion
by its hash. (An optional artifact in a command is resolved differently by kfp's engines.)
"""

from kfp import dsl

from components import faces
from components.faces import Component, IntPath


def infer(image: str) -> Component:
    """The component that maps one cell with the model of this run."""

    @faces.component
    def infer(
        settings: str,
        store: str,
        as_of: str,
        cell: str,
        key: str,
        cube: dsl.Input[dsl.Dataset],
        samples: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
        evaluation: dsl.Input[dsl.Dataset],
        scores: dsl.Output[dsl.Dataset],
        done: IntPath,
    ) -> dsl.ContainerSpec:
        """Map the change scores of every window of one cell, and date its events."""
        return faces.command(
            image,
            "infer",
            *faces.common(settings, store, as_of),
            *faces.one_cell(cell, key),
            *("--cube", cube.path, "--samples", samples.path),
            *("--model", model.path, "--evaluation", evaluation.path, "--scores", scores.path),
        )

    return infer


def infer_champion(image: str) -> Component:
    """The component that maps one cell with the champion."""

    @faces.component
    def infer_champion(
        settings: str,
        store: str,
        as_of: str,
        cell: str,
        key: str,
        cube: dsl.Input[dsl.Dataset],
        samples: dsl.Input[dsl.Dataset],
        champion: str,
        scores: dsl.Output[dsl.Dataset],
        done: IntPath,
    ) -> dsl.ContainerSpec:
        """Map the windows of one cell that a new scene touched, and date its events."""
        return faces.command(
            image,
            "infer",
            *faces.common(settings, store, as_of),
            *faces.one_cell(cell, key),
            *("--cube", cube.path, "--samples", samples.path),
            *("--champion", champion, "--scores", scores.path),
        )

    return infer_champion


def report(image: str) -> Component:
    """The component that joins all cells' maps of this run's model and publishes them."""

    @faces.component
    def report(
        settings: str,
        store: str,
        as_of: str,
        cube: dsl.Input[dsl.Dataset],
        samples: dsl.Input[dsl.Dataset],
        scores: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
        evaluation: dsl.Input[dsl.Dataset],
        done: list[int],
        maps: dsl.Output[dsl.Dataset],
        report: dsl.Output[dsl.HTML],
        metrics: dsl.Output[dsl.Metrics],
    ) -> dsl.ContainerSpec:
        """Join the maps and events of all cells, write the report, publish."""
        return faces.command(
            image,
            "infer",
            *faces.common(settings, store, as_of),
            *("--cube", cube.path, "--samples", samples.path),
            *("--model", model.path, "--evaluation", evaluation.path),
            *("--scores", scores.path, "--maps", maps.path),
        )

    return report


def report_champion(image: str) -> Component:
    """The component that joins all cells' maps of the champion and publishes them."""

    @faces.component
    def report_champion(
        settings: str,
        store: str,
        as_of: str,
        cube: dsl.Input[dsl.Dataset],
        samples: dsl.Input[dsl.Dataset],
        scores: dsl.Input[dsl.Dataset],
        champion: str,
        done: list[int],
        maps: dsl.Output[dsl.Dataset],
        report: dsl.Output[dsl.HTML],
        metrics: dsl.Output[dsl.Metrics],
    ) -> dsl.ContainerSpec:
        """Join the maps and events of all cells, write the report, publish."""
        return faces.command(
            image,
            "infer",
            *faces.common(settings, store, as_of),
            *("--cube", cube.path, "--samples", samples.path),
            *("--champion", champion, "--scores", scores.path, "--maps", maps.path),
        )

    return report_champion
