"""`groundshift pull`, `tag`, `explain`, `reproduce` and `gc`: what the store holds, and why."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundshift.artifacts import ArtifactStore
from groundshift.errors import SettingsError
from groundshift.settings import STAGES
from pipelines.commands import options
from pipelines.lineage import naming, pulling

if TYPE_CHECKING:
    from groundshift.artifacts.sweeping import Sweep

Name = Annotated[str, typer.Argument(help=naming.HELP)]

_LISTED = 20  # lines of a kind that are printed


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (pull, tag, explain, reproduce, gc):
        app.command()(command)


def pull(
    name: Name,
    to: Annotated[Path, typer.Option(help="Folder that gets one for each contract.")] = Path(
        "data/pulled"
    ),
    itself: Annotated[
        bool, typer.Option("--itself", help="The artifact itself, not what it was made from.")
    ] = False,
    store: options.Store = options.STORE_FOLDER,
) -> None:
    """Bring back exactly what a run's results, a model or maps were made from."""
    with options.reported():
        opened = ArtifactStore.open(store)
        found = naming.find(opened, name)
        if itself:
            wanted = {reference.contract: {"": reference} for reference in found}
        else:
            wanted = pulling.inputs(opened, found)
        for contract, folder in pulling.pull(opened, wanted, to).items():
            typer.echo(f"{contract:<13} {folder}")


def tag(
    tag_name: Annotated[str, typer.Argument(metavar="TAG", help="Name of the tag.")],
    name: Name,
    store: options.Store = options.STORE_FOLDER,
) -> None:
    """Keep an artifact, and all that it was made from, from being swept."""
    with options.reported():
        opened = ArtifactStore.open(store)
        reference = naming.one(opened, name)
        opened.tag(tag_name, reference)
        typer.echo(f"tag:{tag_name} is {reference.contract} {reference.content_hash}")


def explain(
    name: Name,
    at: Annotated[str, typer.Option(help="Point: longitude,latitude.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    store: options.Store = options.STORE_FOLDER,
) -> None:
    """Follow a pixel of a map back to the products of the images that it came from."""
    with options.reported():
        from pipelines.lineage import explaining

        longitude, latitude = _point(at)
        opened = ArtifactStore.open(store)
        reference = naming.one(opened, name)
        if reference.contract != "maps":
            raise SettingsError(f"{name}: expected maps, found {reference.contract}")
        found = explaining.explain(opened, reference, longitude, latitude)
        typer.echo(json.dumps(found, indent=1) if as_json else _told(found))


def reproduce(
    name: Name,
    stages: Annotated[
        str,
        typer.Option(
            help="Whose tasks are repeated, e.g. stack,window,infer; the others' results "
            "are taken as they are."
        ),
    ] = "infer",
    store: options.Store = options.STORE_FOLDER,
) -> None:
    """Make an artifact again from the store alone; exit code 1 if a value differs."""
    with options.reported():
        from pipelines.lineage.reproducing import Workshop

        wanted = stages.split(",")
        if unknown := sorted(set(wanted) - set(STAGES)):
            raise SettingsError(f"--stages: expected some of {', '.join(STAGES)}, found {unknown}")
        opened = ArtifactStore.open(store)
        with tempfile.TemporaryDirectory(prefix="groundshift-reproduce-") as folder:
            workshop = Workshop(opened, wanted, Path(folder))
            for reference in naming.find(opened, name):
                workshop.make(reference)
        if not workshop.done:
            raise SettingsError(f"--stages {stages}: none of them made {name}")
        for repeated in workshop.done:
            verdict = "equal values" if repeated.equal else "OTHER VALUES"
            made = repeated.reference
            typer.echo(f"{made.contract:<13} {made.content_hash[:12]}  {verdict}")
        if not all(repeated.equal for repeated in workshop.done):
            raise typer.Exit(options.FAILED)


def gc(
    days: Annotated[
        float, typer.Option(min=1, help="What came or was used in the last days stays.")
    ] = 30.0,
    delete: Annotated[
        bool, typer.Option("--delete", help="Do it; otherwise it is only said.")
    ] = False,
    store: options.Store = options.STORE_FOLDER,
) -> None:
    """Remove what no champion, published map, tag or young run leads to."""
    with options.reported():
        from groundshift.artifacts.sweeping import Sweeper

        sweeper = Sweeper(ArtifactStore.open(store), days)
        plan = sweeper.sweep() if delete else sweeper.plan()
        typer.echo("\n".join(_counted(plan, delete)))


def _point(text: str) -> tuple[float, float]:
    try:
        longitude, latitude = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"--at: expected longitude,latitude, found {text!r}") from error
    return longitude, latitude


def _counted(plan: "Sweep", deleted: bool) -> list[str]:
    lines = [
        f"  {each.reference.contract:<13} {each.reference.content_hash[:12]}"
        for each in plan.artifacts[:_LISTED]
    ]
    if len(plan.artifacts) > _LISTED:
        lines.append(f"  and {len(plan.artifacts) - _LISTED} more")
    verb = "removed" if deleted else "would go (--delete removes them)"
    objects = f", {len(plan.objects)} objects" if plan.objects else ""
    lines.append(
        f"{len(plan.artifacts)} artifacts{objects}, {len(plan.incoming)} left behind by killed "
        f"tasks: {plan.bytes / 1e6:.1f} MB {verb}; {plan.kept} artifacts stay"
    )
    return lines


def _told(found: dict[str, Any]) -> str:
    """An explanation in lines."""
    longitude, latitude = found["at"]
    lines = [f"{longitude:g}, {latitude:g} is pixel {found['pixel']} of cell {found['cell']}"]
    if found["window"]:
        start, end = found["window"]
        lines.append(f"greatest score {found['score']:.3f}, window {start} to {end}")
    else:
        lines.append("no score: nothing was seen there")
    lines.append(f"maps          {found['maps'][:12]}")
    for contract, made in found["chain"].items():
        revised = f", revised from {made['revised_from'][:12]}" if made["revised_from"] else ""
        run = f", MLflow run {made['mlflow']}" if made["mlflow"] else ""
        lines.append(
            f"{contract:<13} {made['content_hash'][:12]} of {made['started']}, groundshift "
            f"{made['code']}{revised}{run}"
        )
    lines.append(f"{len(found['observations'])} observations carried its values:")
    for seen in found["observations"]:
        product = seen.get("product_id") or seen.get("source", "")
        carried = ", carried in" if seen["carried_in"] else ""
        lines.append(f"  {seen['time']} {seen['sensor']:<8} {product}{carried}")
    return "\n".join([*lines, "licences:", *(f"  {line}" for line in found["licences"])])
