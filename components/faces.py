"""What the Kubeflow faces of the stages share: command lines, output types, descriptions.

Only `components/<stage>/component.py` and `pipelines/` import this: images hold no kfp.
"""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kfp import dsl

from components.options import DESCRIPTIONS

if TYPE_CHECKING:
    BoolPath = str
    IntPath = str
    ListPath = str
    TextPath = str
else:  # kfp reads these objects where a type checker wants types
    IntPath, BoolPath = dsl.OutputPath(int), dsl.OutputPath(bool)
    TextPath, ListPath = dsl.OutputPath(str), dsl.OutputPath(list)

Component = Callable[..., Any]
"""A kfp component: called in a pipeline with its inputs by name, it makes a task."""

INPUTS = {
    **DESCRIPTIONS,
    "betas": "the area's regression of the index on its parts, one row per window",
    "cell": "cell of the area to work on",
    "champion": "content hash of the model that monitoring maps with",
    "coefficients": "sums of the index of every cell (or the plan that leads to them)",
    "cube": "carried-forward frames (or the plan that leads to them)",
    "digest": "digest of the catalogue; the command has no use for it, the cache has",
    "done": "results of the loop that must be over before this begins",
    "evaluation": "scores and threshold of the model",
    "key": "digest of all that reaches the cell and of the settings; a new scene changes it",
    "model": "the trained networks",
    "observations": "images of every sensor on the cell's grid",
    "samples": "windows, patches and labels (or the plan that leads to them)",
    "scores": "maps of every cell (or the plan that leads to them)",
    "settings": "settings of the stage as JSON",
    "status": "how the run ended, given by Kubeflow",
    "variant": "digest of settings that later stages' results depend on",
}

OUTPUTS = {
    "betas": "the area's regression of the index on its parts, one row per window",
    "card": "how the labels were made, and what to think of them",
    "cells": "the cells to work on, each with its key",
    "champion": "content hash of the model that monitoring maps with; empty if there is none",
    "coefficients": "sums of the index per window of this cell",
    "confusion": "confusion matrix at the chosen threshold",
    "count": "how many cells there are to work on",
    "cube": "carried-forward frames of every sensor on one time line",
    "digest": "digest of the cells and their keys",
    "done": "1, for the task that waits for all cells",
    "drift": "statistics of the newest observations beside those of the training",
    "evaluation": "scores of the model and every baseline on held-out blocks",
    "maps": "change scores per window, dated events, catalogue",
    "metrics": "numbers that sum the task up",
    "model": "the trained networks with their signature",
    "observations": "images of every sensor on the cell's grid, masked and checked",
    "plan": "index of the area's cells, through which later stages find every cell's results",
    "promoted": "whether the model is the champion now",
    "report": "the page to read",
    "retrain": "whether the drift makes training pay",
    "roc": "receiver operating characteristic on held-out blocks",
    "samples": "windows, patches and labels",
    "scores": "change scores and events of this cell",
    "summary": "the network beside every baseline",
}


def component(function: Callable[..., dsl.ContainerSpec]) -> Component:
    """Make a container component whose inputs and outputs are described in the UI.

    Args:
        function: takes the inputs and outputs as kfp's placeholders, returns the command; what
            they are is looked up in `INPUTS` and `OUTPUTS`.
    """
    names = inspect.signature(function).parameters
    outputs = [name for name, given in names.items() if _is_output(given.annotation)]
    inputs = [name for name in names if name not in outputs]
    function.__doc__ = "\n".join(
        [
            inspect.getdoc(function) or "",
            *_section("Args", inputs, INPUTS),
            *_section("Returns", outputs, OUTPUTS),
        ]
    )
    made: Component = dsl.container_component(function)
    return made


def command(image: str, stage: str, *arguments: Any) -> dsl.ContainerSpec:
    """The shell line of a stage, with kfp's own answer file at its end.

    Args:
        image: the stage's image, by digest or by tag.
        stage: which of `components`.
        arguments: options and values; values are kfp's placeholders.
    """
    return dsl.ContainerSpec(
        image=image,
        command=["python3", "-m", f"components.{stage}"],
        args=[
            *arguments,
            "--executor-output",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )


def common(settings: Any, store: Any, as_of: Any) -> tuple[Any, ...]:
    """The options that every stage is given."""
    return ("--settings", settings, "--store", store, "--as-of", as_of)


def one_cell(cell: Any, key: Any) -> tuple[Any, ...]:
    """The options of a task that works on one cell."""
    return ("--cell", cell, "--key", key)


def _is_output(annotation: Any) -> bool:
    is_path = isinstance(annotation, dsl.OutputPath)
    return is_path or dsl.OutputAnnotation in getattr(annotation, "__metadata__", ())


def _section(title: str, names: list[str], descriptions: dict[str, str]) -> list[str]:
    return ["", f"{title}:", *(f"    {name}: {descriptions[name]}" for name in names)]
