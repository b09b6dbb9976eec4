"""`groundshift submit`, `status`, `wait` and `logs`: single runs on a cluster."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands import options
from pipelines.kubeflow import EXPERIMENT

if TYPE_CHECKING:
    from pipelines.kubeflow.engine import RunStatus, TaskStatus
    from pipelines.kubeflow.server import Server

_DEFAULT_NAMESPACE = "kubeflow"
"""Where the pods are where Kubeflow has one user."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (submit, status, wait, logs):
        app.command()(command)


def submit(
    pipeline: options.Pipeline,
    area: options.Area = "demo",
    params: options.Params = options.PARAMS,
    overrides: options.Overrides = None,
    as_of: options.AsOf = "",
    packages: options.Packages = options.PACKAGES,
    name: Annotated[
        str, typer.Option(help="Name of the run; pipeline, area and day by default.")
    ] = "",
    experiment: options.Experiment = EXPERIMENT,
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Upload a compiled pipeline where needed, start a run of it and print the run's id."""
    with options.reported():
        from pipelines.kubeflow.backfill import run_name
        from pipelines.kubeflow.engine import KubeflowEngine
        from pipelines.kubeflow.packages import Package
        from pipelines.parameters import arguments

        values = arguments(pipeline, area, params, overrides or (), as_of)
        package = Package.read(packages / f"{pipeline}.yaml")
        server = options.connect(host, namespace)
        name = name or run_name(pipeline, area, as_of or f"{datetime.now(UTC):%Y%m%dT%H%M%S}")
        run = KubeflowEngine(server, experiment).submit(package, values, name)
        typer.echo(f"{run.name}: {server.page(run.run_id)}", err=True)
        typer.echo(run.run_id)


def status(run: options.Run, host: options.Host = "", namespace: options.Namespace = "") -> None:
    """Print how a run and its tasks are."""
    with options.reported():
        from pipelines.kubeflow.engine import KubeflowEngine

        found = KubeflowEngine(options.connect(host, namespace)).status(run)
        typer.echo(_headline(found))
        for task in found.tasks:
            typer.echo(f"  {task.state:<10} {_seconds(task):>8}  {task.name}")


def wait(
    run: options.Run,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 24 * 3600,
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Wait for a run to end. Exit code 0: it succeeded, 1: it failed, 4: time is up."""
    with options.reported():
        from pipelines.kubeflow.engine import KubeflowEngine

        found = KubeflowEngine(options.connect(host, namespace)).wait(run, timeout)
        typer.echo(_headline(found))
        for task in found.tasks:
            if task.message:
                typer.echo(f"  {task.state:<10} {task.name}: {task.message}")
        if not found.succeeded:
            raise typer.Exit(options.FAILED)


def logs(
    run: options.Run,
    task: Annotated[str, typer.Option(help="Only tasks with this in their name.")] = "",
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Print the tasks' states and messages, and how to read the pods' own logs."""
    with options.reported():
        from pipelines.kubeflow.engine import KubeflowEngine

        server = options.connect(host, namespace)
        found = KubeflowEngine(server).status(run)
        typer.echo(_headline(found))
        for each in found.tasks:
            if task in each.name:
                typer.echo("\n".join(_details(each)))
        typer.echo(_kubectl(server, run))


def _headline(run: "RunStatus") -> str:
    line = f"{run.state}  {run.name}  {run.run_id}"
    return f"{line}\n  {run.message}" if run.message else line


def _details(task: "TaskStatus") -> list[str]:
    lines = [f"\n{task.name}  {task.state}  {_seconds(task)}"]
    lines += [f"  {_clock(time)}  {state}" for state, time in task.history]
    lines += [f"  {line}" for line in task.message.splitlines()]
    lines += [f"  pod {pod}" for pod in task.pods]
    return lines


def _kubectl(server: "Server", run: str) -> str:
    return (
        "\nThe API has no output of the pods. While they are there:\n"
        f"  kubectl logs --namespace {server.namespace or _DEFAULT_NAMESPACE} "
        f"--selector pipeline/runid={run} --container main --prefix --tail=-1"
    )


def _seconds(task: "TaskStatus") -> str:
    if task.started is None:
        return "-"
    return f"{((task.finished or datetime.now(UTC)) - task.started).total_seconds():.0f} s"


def _clock(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else "-"
