"""The monitoring pipeline: what is new is stacked, mapped with the champion and published."""

from typing import Any

from kfp import dsl

from pipelines.tasks import Cell, Channel, Tasks


def monitoring(tasks: Tasks) -> None:
    """Map the cells that something new reached with the champion; nothing new costs seconds."""
    plan = tasks.plan(changed_only=True)
    with dsl.If(plan.outputs["count"] > 0, name="something is new"):
        follow(tasks, plan, tasks.index(plan))


def follow(tasks: Tasks, plan: Any, index: Channel) -> Any:
    """Revise the planned cells' cubes, map the windows that changed, publish.

    Args:
        tasks: of the pipeline.
        plan: names the cells and the champion.
        index: through which the results of all cells are found.

    Returns:
        The task that publishes.
    """
    champion = plan.outputs["champion"]
    with tasks.every_cell(plan.outputs["cells"], "every cell: revise and map") as item:
        cell = Cell(item.cell, item.key)
        observations = tasks.fetch(cell)
        cube = tasks.stack(cell, observations, revise=True)
        samples = tasks.window_index(cell, observations, cube)
        mapped = tasks.infer_champion(cell, cube, samples, champion)
    return tasks.report_champion(index, champion, mapped)
