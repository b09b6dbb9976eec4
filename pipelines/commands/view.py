"""`groundshift view`, `page`: look at maps in a browser, and put their page where others can."""

import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from groundshift.errors import SettingsError
from pipelines.commands import options

Maps = Annotated[Path, typer.Argument(help="Folder of the maps, e.g. data/demo/maps.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(view)
    app.command()(page)


def view(
    maps: Maps,
    port: Annotated[int, typer.Option(help="Where to listen; 0 takes a free port.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Show the map page of some maps, on this machine alone, until Ctrl-C."""
    from groundshift.products.page.serving import serving

    with options.reported(), serving(maps, port) as address:
        typer.echo(f"{address} (Ctrl-C ends it)")
        if browser:
            webbrowser.open(address)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            typer.echo("")


def page(
    maps: Maps,
    to: Annotated[Path, typer.Option(help="A folder that is not there yet, or is empty.")],
) -> None:
    """Copy the map page of some maps to a folder that any web server can show, or a disk."""
    from groundshift.products.page.serving import require_page
    from groundshift.products.page.site import copy_site

    with options.reported():
        require_page(maps)
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise SettingsError(f"--to {to}: expected a new or empty folder. Give another")
        typer.echo(copy_site(maps, to))
