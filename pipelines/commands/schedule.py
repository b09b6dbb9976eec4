"""`groundshift schedule apply`, `list`, `diff` and `remove`."""

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands import options

if TYPE_CHECKING:
    from pipelines.kubeflow.schedule_file import ScheduleFile
    from pipelines.kubeflow.schedules import Change, Resolver
    from pipelines.kubeflow.server import Server

File = Annotated[Path, typer.Option("--file", "-f", help="File of the schedules.")]
_FILE = Path("schedules.yaml")


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Start runs on a schedule: what a file says, on the server."
    )
    group.command("apply")(apply_file)
    group.command("list")(list_existing)
    group.command("diff")(show_difference)
    group.command("remove")(remove)
    app.add_typer(group, name="schedule")


def apply_file(
    file: File = _FILE,
    params: options.Params = options.PARAMS,
    packages: options.Packages = options.PACKAGES,
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Make the server's schedules what the file says; those of other names stay."""
    with options.reported():
        from pipelines.kubeflow.schedules import Schedules

        wanted = _read(file)
        server = options.connect(host, namespace)
        wished = _resolver(server, wanted, params, packages).wished(create=True)
        for change in Schedules(server).apply(wished):
            _show(change)
            _show_times(wanted, change.name)


def show_difference(
    file: File = _FILE,
    params: options.Params = options.PARAMS,
    packages: options.Packages = options.PACKAGES,
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Print what `apply` would change. Exit code 0: nothing, 1: something."""
    with options.reported():
        from pipelines.kubeflow.schedules import Schedules

        wanted = _read(file)
        server = options.connect(host, namespace)
        wished = _resolver(server, wanted, params, packages).wished(create=False)
        changes = Schedules(server).plan(wished)
        for change in changes:
            _show(change)
        if any(change.needed for change in changes):
            raise typer.Exit(options.FAILED)


def list_existing(host: options.Host = "", namespace: options.Namespace = "") -> None:
    """Print the schedules on the server that groundshift made."""
    with options.reported():
        from pipelines.kubeflow.schedules import Schedules, ours

        existing = Schedules(options.connect(host, namespace)).existing()
        for name, items in sorted(existing.items()):
            for item in filter(ours, items):
                state = "enabled" if item.mode == "ENABLE" else "disabled"
                typer.echo(f"{name}  {state}  {item.description}  {item.recurring_run_id}")


def remove(
    name: Annotated[str, typer.Argument(help="Name of the schedule.")],
    host: options.Host = "",
    namespace: options.Namespace = "",
) -> None:
    """Delete a schedule; its runs stay, also those that go on."""
    with options.reported():
        from pipelines.kubeflow.schedules import Schedules

        removed = Schedules(options.connect(host, namespace)).remove(name)
        typer.echo(f"{name}: {'removed' if removed else 'was not there'}")


def _read(file: Path) -> "ScheduleFile":
    from pipelines.kubeflow.schedule_file import ScheduleFile

    return ScheduleFile.read(file)


def _resolver(server: "Server", file: "ScheduleFile", params: Path, packages: Path) -> "Resolver":
    from pipelines.kubeflow.schedules import Resolver
    from pipelines.parameters import arguments

    return Resolver(server, file, params, packages, arguments)


def _show(change: "Change") -> None:
    typer.echo(f"{change.name}: {change.verb}")
    for line in change.differences:
        typer.echo(f"  {line}")


def _show_times(file: "ScheduleFile", name: str) -> None:
    schedule = file.schedules[name]
    if not schedule.enabled:
        typer.echo("  disabled: starts nothing")
        return
    for time in file.next_times(schedule):
        day = time.astimezone(UTC)
        typer.echo(f"  next {time:%a %Y-%m-%d %H:%M:%S %Z}, as_of {day:%Y-%m-%d}")
