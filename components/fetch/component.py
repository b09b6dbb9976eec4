"""Kubeflow face of the fetch stage: the plan, and the observations of one cell."""

from kfp import dsl

from components import faces
from components.faces import Component, IntPath, ListPath, TextPath


def plan(image: str, *, changed_only: bool = False) -> Component:
    """The component that reads the catalogue and names the cells to work on.

    Args:
        image: image of the stage.
        changed_only: leave out the cells for which nothing new has come.
    """
    flags = ("--changed-only",) if changed_only else ()

    @faces.component
    def plan(
        settings: str,
        store: str,
        as_of: str,
        variant: str,
        plan: dsl.Output[dsl.Dataset],
        cells: ListPath,
        count: IntPath,
        digest: TextPath,
        champion: TextPath,
    ) -> dsl.ContainerSpec:
        """Read the catalogue, no pixels, and name the cells to work on."""
        return faces.command(
            image,
            "fetch",
            *faces.common(settings, store, as_of),
            *("--variant", variant, "--plan", plan.path, *flags),
        )

    return plan


def index(image: str) -> Component:
    """The component that repeats the plan for the tasks that read it.

    A cached task runs again when an input artifact is new, and a plan that is made in every run
    is always new. This one is cached by the catalogue's digest, so that those who read it are
    cached too.
    """

    @faces.component
    def index(
        settings: str,
        store: str,
        as_of: str,
        variant: str,
        digest: str,
        plan: dsl.Output[dsl.Dataset],
    ) -> dsl.ContainerSpec:
        """Write the index of all cells that later stages read."""
        return faces.command(
            image,
            "fetch",
            *faces.common(settings, store, as_of),
            *("--variant", variant, "--plan", plan.path),
        )

    return index


def fetch(image: str) -> Component:
    """The component that brings one cell's images onto its grid."""

    @faces.component
    def fetch(
        settings: str,
        store: str,
        as_of: str,
        cell: str,
        key: str,
        observations: dsl.Output[dsl.Dataset],
        metrics: dsl.Output[dsl.Metrics],
    ) -> dsl.ContainerSpec:
        """Bring the images of every sensor onto the cell's grid, masked and checked."""
        return faces.command(
            image,
            "fetch",
            *faces.common(settings, store, as_of),
            *faces.one_cell(cell, key),
            *("--observations", observations.path),
        )

    return fetch
