"""`groundshift predict`: scores of a place or a series, from a served model."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import options


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(predict)


def predict(
    out: Annotated[Path, typer.Option(help="Where the scores go: .npz, .json or .tif.")],
    server: Annotated[
        str, typer.Option(help="Address of a served model.")
    ] = "http://localhost:8080",
    cube: Annotated[str, typer.Option(help="Cube that the server reads, as it sees it.")] = "",
    cell: Annotated[str, typer.Option(help="Which of its cells, if it has several.")] = "",
    date: Annotated[str, typer.Option(help="The newest window that ends by this date.")] = "",
    start: Annotated[str, typer.Option(help="Instead: first instant of the window (UTC).")] = "",
    end: Annotated[str, typer.Option(help="First instant after the window.")] = "",
    bbox: Annotated[str, typer.Option(help="left,bottom,right,top; all of the cell if not.")] = "",
    crs: Annotated[str, typer.Option(help="Reference system of bbox; EPSG:4326 if not.")] = "",
    series: Annotated[
        Path | None, typer.Option(help="Instead of a cube: npz file of a raw series.")
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(help="JSON of what the series' numbers are, to be compared.")
    ] = None,
) -> None:
    """Ask a served model for scores, and print which model gave them of which data."""
    with options.reported():
        from pipelines import predict as client

        request = {"cube": cube, "cell": cell, "date": date, "start": start, "end": end}
        request |= {"bbox": bbox, "crs": crs}
        if series is not None:
            request["sample"] = client.read_series(series)
        if signature is not None:
            request["signature"] = signature.read_text()
        about = client.predict(server, request, out)
        typer.echo(json.dumps(about))
