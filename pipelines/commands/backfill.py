"""`groundshift backfill`: one run for each past window that has none yet."""

from datetime import date
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated

import typer

from groundshift.errors import SettingsError
from pipelines.commands import options
from pipelines.kubeflow import EXPERIMENT

if TYPE_CHECKING:
    from pipelines.kubeflow.backfill import Window
    from pipelines.kubeflow.engine import RunStatus

RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run windows again that failed.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan only.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(backfill)


def backfill(
    pipeline: options.Pipeline,
    first: Annotated[str, typer.Option("--from", help="First window's day, e.g. 2020-01-31.")],
    last: Annotated[str, typer.Option("--to", help="Last day.")],
    every: Annotated[str, typer.Option(help="From window to window: 7d, 2w, 1mo, 1y.")] = "1mo",
    area: options.Area = "demo",
    params: options.Params = options.PARAMS,
    overrides: options.Overrides = None,
    packages: options.Packages = options.PACKAGES,
    parallel: Annotated[int, typer.Option(min=1, help="Runs at the same time.")] = 1,
    retry_failed: RetryFailed = False,
    dry_run: DryRun = False,
    experiment: options.Experiment = EXPERIMENT,
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Run a pipeline for past days, oldest first; windows that succeeded are skipped.

    Broken off, it goes on when started again. Exit code 1: a window failed.
    """
    with options.reported():
        from pipelines.kubeflow.backfill import Backfill, Step, Todo, days
        from pipelines.kubeflow.engine import KubeflowEngine
        from pipelines.kubeflow.packages import Package, upload
        from pipelines.parameters import arguments

        values = {
            day: arguments(pipeline, area, params, overrides or (), day.isoformat())
            for day in days(_day(first, "--from"), _day(last, "--to"), Step.parse(every))
        }
        package = Package.read(packages / f"{pipeline}.yaml")
        engine = KubeflowEngine(options.connect(host, namespace), experiment)
        filling = Backfill(engine, pipeline, area)
        windows = filling.plan(values, retry_failed=retry_failed)
        for window in windows:
            typer.echo(f"{window.todo:<8} {window.name}")
        failed = any(window.todo is Todo.FAILED for window in windows)
        if not dry_run:
            version = cache(partial(upload, engine.server, package))

            def start(window: "Window") -> "RunStatus":
                return engine.start(version(), values[window.as_of], window.name)

            for run in filling.execute(windows, start, parallel=parallel):
                typer.echo(f"{run.state}  {run.name}  {run.run_id}")
                failed = failed or not run.succeeded
        if failed:
            raise typer.Exit(options.FAILED)


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"{option} {text!r}: expected a day such as 2020-01-31 ({error})"
        ) from error
