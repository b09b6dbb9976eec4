"""The training pipeline: from the catalogue to a judged model and its maps."""

from kfp import dsl

from pipelines.tasks import Cell, Channel, Result, Tasks


def training(tasks: Tasks) -> None:
    """Fetch, stack and label every cell, train, evaluate, and map if the model becomes champion."""
    plan = tasks.plan()
    index = tasks.index(plan)
    cells = plan.outputs["cells"]
    with tasks.every_cell(cells, "every cell: fetch and stack") as item:
        cell = Cell(item.cell, item.key)
        cube = tasks.stack(cell, tasks.fetch(cell))
        summed = tasks.coefficients(cell, cube)
    learn(tasks, cells, index, summed=summed)


def learn(tasks: Tasks, cells: Channel, index: Channel, *, summed: Channel) -> None:
    """Label every cell, train, judge, and map every cell if the model becomes the champion.

    What is published is the champion's: maps of a model that was kept out replace nothing.

    Args:
        tasks: of the pipeline.
        cells: the cells with their keys.
        index: through which the results of all cells are found.
        summed: of every cell, that its coefficients are there.
    """
    betas = tasks.betas(index, summed)
    with tasks.every_cell(cells, "every cell: label") as item:
        labelled = tasks.window(Cell(item.cell, item.key), index, betas)
    model = tasks.train(index, labelled)
    evaluated = tasks.evaluate(index, model)
    result = Result(model, evaluated.outputs["evaluation"])
    promoted = evaluated.outputs["promoted"]
    with dsl.If(promoted == True, name="it is the champion"):  # noqa: E712 (kfp's)
        with tasks.every_cell(cells, "every cell: map") as item:
            mapped = tasks.infer(Cell(item.cell, item.key), index, result)
        tasks.report(index, result, mapped)
