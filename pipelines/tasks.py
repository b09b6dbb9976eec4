"""The tasks that the pipelines are built from: component, title, profile, settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl

from components.evaluate import component as evaluate
from components.faces import Component
from components.fetch import component as fetch
from components.infer import component as infer
from components.notify import component as notify
from components.stack import component as stack
from components.train import component as train
from components.window import component as window
from pipelines import cluster
from pipelines.profile import STAGE_OF, Profile, TaskName

Channel = Any
"""A pipeline parameter, or an output of a task: known when the pipeline runs."""


@dataclass(frozen=True)
class Cell:
    """Where a task works: one cell, with the key under which its results are found."""

    cell: Channel
    key: Channel


@dataclass(frozen=True)
class Result:
    """What a model is judged by and maps with."""

    model: Channel
    evaluation: Channel


class Tasks:
    """Makes the tasks of one pipeline.

    A task that needs the results of all cells waits for what the last task of the loop says: it
    takes that as `done`, and finds the results themselves through the index.

    Args:
        profile: the cluster's.
        given: the pipeline's parameters by name, see `pipelines.parameters`.
    """

    def __init__(self, profile: Profile, given: Mapping[str, Channel]) -> None:
        """Keep what all tasks are given."""
        self._profile = profile
        self._given = given

    def every_cell(self, cells: Channel, title: str) -> Any:
        """A loop over cells: `with tasks.every_cell(...) as cell`."""
        return dsl.ParallelFor(cells, name=title, parallelism=self._profile.parallelism)

    def plan(self, *, changed_only: bool = False) -> Any:
        """Name the cells to work on. Never cached: the catalogue may have changed."""

        def component(image: str) -> Component:
            return fetch.plan(image, changed_only=changed_only)

        task = self._task("plan", component, "Plan", variant=self._given["variant"])
        return task.set_caching_options(False)

    def index(self, plan: Any) -> Channel:
        """The index of all cells, cached by the plan's digest."""
        task = self._task(
            "index",
            fetch.index,
            "Index",
            variant=self._given["variant"],
            digest=plan.outputs["digest"],
        )
        return task.outputs["plan"]

    def fetch(self, cell: Cell) -> Channel:
        """The cell's observations."""
        return self._task("fetch", fetch.fetch, "Fetch", cell).outputs["observations"]

    def stack(self, cell: Cell, observations: Channel, *, revise: bool = False) -> Channel:
        """The cell's cube; a revised one shares what didn't change with the newest published."""

        def component(image: str) -> Component:
            return stack.stack(image, revise=revise)

        title = "Revise cube" if revise else "Stack"
        return self._task("stack", component, title, cell, observations=observations).outputs[
            "cube"
        ]

    def coefficients(self, cell: Cell, cube: Channel) -> Channel:
        """Sum up the cell's share of the area's regression, and say that it is done."""
        task = self._task("coefficients", window.coefficients, "Coefficients", cell, cube=cube)
        return task.outputs["done"]

    def betas(self, index: Channel, done: Channel) -> Channel:
        """The area's regression."""
        task = self._task(
            "betas", window.betas, "Betas", coefficients=index, done=dsl.Collected(done)
        )
        return task.outputs["betas"]

    def window(self, cell: Cell, index: Channel, betas: Channel) -> Channel:
        """Make the cell's windows, patches and labels, and say that it is done."""
        task = self._task(
            "window",
            window.window,
            "Window",
            cell,
            observations=index,
            cube=index,
            betas=betas,
        )
        return task.outputs["done"]

    def window_index(self, cell: Cell, observations: Channel, cube: Channel) -> Channel:
        """The cell's windows, without labels."""
        task = self._task(
            "window", window.window_index, "Windows", cell, observations=observations, cube=cube
        )
        return task.outputs["samples"]

    def train(self, index: Channel, done: Channel) -> Channel:
        """The model."""
        task = self._task(
            "train", train.train, "Train", cube=index, samples=index, done=dsl.Collected(done)
        )
        return task.outputs["model"]

    def evaluate(self, index: Channel, model: Channel) -> Any:
        """Evaluation, and whether the model became the champion by it."""
        return self._task(
            "evaluate", evaluate.evaluate, "Evaluate", cube=index, samples=index, model=model
        )

    def drift(self, index: Channel, champion: Channel, *, after: Any) -> Channel:
        """Whether training pays; asked once the champion's maps are published."""
        task = self._task("drift", evaluate.drift, "Drift", cube=index, champion=champion)
        return task.after(after).outputs["retrain"]

    def infer(self, cell: Cell, index: Channel, result: Result) -> Channel:
        """Map the cell by the model of this run, and say that it is done."""
        task = self._task(
            "infer",
            infer.infer,
            "Map",
            cell,
            cube=index,
            samples=index,
            model=result.model,
            evaluation=result.evaluation,
        )
        return task.outputs["done"]

    def infer_champion(
        self, cell: Cell, cube: Channel, samples: Channel, champion: Channel
    ) -> Channel:
        """Map the windows of the cell that something new touched, and say that it is done."""
        task = self._task(
            "infer",
            infer.infer_champion,
            "Map",
            cell,
            cube=cube,
            samples=samples,
            champion=champion,
        )
        return task.outputs["done"]

    def report(self, index: Channel, result: Result, done: Channel) -> None:
        """Join all cells' maps and publish them, with the page to read."""
        self._task(
            "report",
            infer.report,
            "Report",
            cube=index,
            samples=index,
            scores=index,
            model=result.model,
            evaluation=result.evaluation,
            done=dsl.Collected(done),
        )

    def report_champion(self, index: Channel, champion: Channel, done: Channel) -> Any:
        """Join all cells' maps by the champion and publish them, with the page to read."""
        return self._task(
            "report",
            infer.report_champion,
            "Report",
            cube=index,
            samples=index,
            scores=index,
            champion=champion,
            done=dsl.Collected(done),
        )

    def notify(self) -> Any:
        """Tells how the run ended, whatever happens. Never cached."""
        sinks = self._profile.notify
        component = notify.notify(
            self._profile.images.of("notify"), webhook_env=sinks.webhook_env, file=sinks.file
        )
        task = component(store=self._given["store"], area=self._given["area"])
        cluster.apply(task.set_display_name("Notify"), self._profile.tasks["notify"])
        return task.set_caching_options(False)

    def _task(
        self,
        name: TaskName,
        component: Callable[[str], Component],
        title: str,
        cell: Cell | None = None,
        **inputs: Channel,
    ) -> Any:
        stage = STAGE_OF[name]
        where = {} if cell is None else {"cell": cell.cell, "key": cell.key}
        task = component(self._profile.images.of(stage))(
            settings=self._given[f"{stage}_settings"],
            store=self._given["store"],
            as_of=self._given["as_of"],
            **where,
            **inputs,
        )
        cluster.apply(task.set_display_name(title), self._profile.tasks[name])
        return task
