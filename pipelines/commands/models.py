"""`groundshift models`: which model an area is mapped with, why, and how to change that."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines.commands import options

app = typer.Typer(no_args_is_help=True, help="The champion of an area, and those before it.")

Model = Annotated[str, typer.Argument(help="How its content hash begins, or `champion`.")]
Store = Annotated[str, typer.Option(help="Folder of the artifacts.", metavar="DIR")]
STORE = "data/store"


def register(parent: typer.Typer) -> None:
    """Add the commands."""
    parent.add_typer(app, name="models")


@app.command("list")
def list_(area: options.Area = "demo", store: Store = STORE) -> None:
    """Print the models that were judged, the newest decision first; `*` is the champion."""
    with options.reported():
        from pipelines.champions import Champions

        table = Table(box=None, pad_edge=False)
        for name in ("", "model", "decision", "verdict", "PR-AUC", "decided", "MLflow"):
            table.add_column(name, no_wrap=True)
        for line in Champions.open(store, area).lines():
            made = line.decision
            area_under = made.figures.get("pr_auc")
            table.add_row(
                "*" if line.champion else "",
                made.model[:12],
                made.action,
                made.verdict,
                "" if area_under is None else f"{area_under:.3f}",
                made.time[:16],
                line.version,
            )
        Console(width=120, highlight=False).print(table)


@app.command()
def show(model: Model = "champion", area: options.Area = "demo", store: Store = STORE) -> None:
    """Print a model's card, and everything that was decided about it."""
    with options.reported():
        from groundshift.assessment.model_card import CARD
        from pipelines.champions import Champions

        champions = Champions.open(store, area)
        found = champions.find(model)
        folder = champions.folder("evaluation", found.evaluation)
        typer.echo((folder / CARD).read_text())
        typer.echo(f"artifact: {champions.folder('model', found.model)}")
        typer.echo(f"evaluation: {found.evaluation}")
        for decision in champions.store.decisions(area):
            if decision.model == found.model:
                figures = ", ".join(f"{k} {v:.4g}" for k, v in decision.figures.items())
                typer.echo(f"{decision.time[:19]} {decision.action} ({decision.verdict}) {figures}")
                for reason in decision.reasons:
                    typer.echo(f"  - {reason}")


@app.command()
def promote(model: Model, area: options.Area = "demo", store: Store = STORE) -> None:
    """Make a model the champion that was judged before, whatever the verdict was."""
    with options.reported():
        from pipelines.champions import Champions

        made = Champions.open(store, area).promote(model)
        typer.echo(f"champion of {area}: {made.model[:12]}, was {made.champion[:12] or 'none'}")


@app.command()
def rollback(area: options.Area = "demo", store: Store = STORE) -> None:
    """Make the model the champion again that the present one took over from."""
    with options.reported():
        from pipelines.champions import Champions

        made = Champions.open(store, area).roll_back()
        typer.echo(f"champion of {area}: {made.model[:12]}, was {made.champion[:12]}")
