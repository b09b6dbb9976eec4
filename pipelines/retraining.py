"""The retraining pipeline: monitoring, then training where the drift makes it pay."""

from kfp import dsl

from pipelines.monitoring import follow
from pipelines.tasks import Cell, Tasks
from pipelines.training import learn


def retraining(tasks: Tasks) -> None:
    """Bring all cells up to date, look at the drift, and train anew if that pays."""
    plan = tasks.plan()
    index = tasks.index(plan)
    cells = plan.outputs["cells"]
    # All cells and not only the changed ones: monitoring may have mapped the news already, and
    # the drift since the training counts all the same. A cell that is up to date costs little.
    published = follow(tasks, plan, index)
    retrain = tasks.drift(index, plan.outputs["champion"], after=published)
    with dsl.If(retrain == True, name="training pays"):  # noqa: E712 (a comparison for kfp)
        with tasks.every_cell(cells, "every cell: coefficients") as item:
            summed = tasks.coefficients(Cell(item.cell, item.key), index)
        learn(tasks, cells, index, summed=summed)
