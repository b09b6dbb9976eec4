"""`groundshift view`, `page`, `timelapse`: look at maps, and hand on what others can look at."""

import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from groundshift.artifacts import is_artifact, read_manifest
from groundshift.errors import SettingsError
from pipelines.commands import options

Maps = Annotated[Path, typer.Argument(help="Folder of the maps, e.g. data/demo/maps.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(view)
    app.command()(page)
    app.command()(timelapse)


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


def timelapse(
    maps: Maps,
    to: Annotated[Path, typer.Option(help="The film: a name that ends in .mp4 or .gif.")],
    cube: Annotated[
        Path | None, typer.Option(help="The cube of the same run; by default the one beside.")
    ] = None,
) -> None:
    """Make a film of the ground, with the scores of each window and the date."""
    from groundshift.products.timelapse import Scenes, draw_frames, write_gif, write_mp4

    with options.reported():
        writers = {".mp4": write_mp4, ".gif": write_gif}
        if to.suffix not in writers:
            raise SettingsError(f"--to {to}: expected a name that ends in .mp4 or .gif")
        frames = list(draw_frames(Scenes.open(maps, cube or _beside(maps))))
        to.parent.mkdir(parents=True, exist_ok=True)
        writers[to.suffix](to, frames)
        typer.echo(to)


def _beside(maps: Path) -> Path:
    """The cube of the run that made some maps: in a folder of artifacts, or in a store."""
    content = read_manifest(maps, "maps").inputs["cube"]
    places = (maps.parent / "cube", maps.parent.parent / "cube" / content)
    return next((place for place in places if is_artifact(place)), places[0])
