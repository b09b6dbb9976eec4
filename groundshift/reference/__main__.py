"""Command line of the published formats: `python -m groundshift.reference`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from groundshift.domain.time import parse_duration
from groundshift.errors import GroundshiftError, SettingsError
from groundshift.reference.convert import convert_geotiffs

BAD_INPUT = 2

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Read and write the formats of the published system.",
)

Image = Annotated[Path, typer.Option(exists=True, dir_okay=False)]
Folder = Annotated[Path, typer.Option(exists=True, file_okay=False)]
Output = Annotated[Path, typer.Option("--out", help="Folder to write to.", file_okay=False)]


@app.command(
    epilog="Example: python -m groundshift.reference convert --bands lt5.tif --mask lt5_mask.tif "
    "--area area.geojson --timestamp 19931010T090051 --out LS5"
)
def convert(
    bands: Image,
    mask: Image,
    area: Image,
    timestamp: Annotated[str, typer.Option(help="YYYYmmddTHHMMSS in UTC.")],
    out: Output,
    normalize: Annotated[float, typer.Option(help="What bands are divided by.")] = 255.0,
) -> None:
    """Cut one observation out of GeoTIFFs of bands and mask into an EOPatch folder."""
    with _advice():
        folder = convert_geotiffs(
            bands, mask, area=area, timestamp=timestamp, normalize=normalize, output=out
        )
    typer.echo(folder)


@app.command(
    epilog="Example: python -m groundshift.reference export-tiles --cube data/demo/cube --out stack"
)
def export_tiles(
    cube: Folder,
    out: Output,
    cell: Annotated[str | None, typer.Option(help="Which cell, if there are several.")] = None,
    tile: Annotated[int, typer.Option(help="Edge of a tile in pixels.")] = 32,
    dead_zone: Annotated[int, typer.Option(help="Pixels a tile shares on each side.")] = 0,
) -> None:
    """Write a cube's frames as a stack: one TFRecord file per tile."""
    from groundshift.cube.store import Cube
    from groundshift.reference.export import export_stack, layout_of

    with _advice():
        cells = Cube.open(cube).cells
        if cell is None and len(cells) == 1:
            (cell,) = cells
        if cell is None or cell not in cells:
            raise SettingsError(
                f"--cell: expected one of {', '.join(cells)}, found {cell or 'none'}"
            )
        layout = layout_of(cells[cell], tile=tile, dead_zone=dead_zone)
        rows, columns = export_stack(cells[cell], layout, out)
    typer.echo(f"{out}: {rows} x {columns} tiles of {len(cells[cell].times)} steps")


@app.command(
    name="export-windows",
    epilog="Example: python -m groundshift.reference export-windows --stack stack --length 182d "
    "--min-steps 35 --max-steps 92 --stride 5 --out windows",
)
def write_window_files(
    stack: Folder,
    length: Annotated[str, typer.Option(help="Length of a window, e.g. 182d.")],
    min_steps: Annotated[int, typer.Option(help="Windows with fewer steps are left out.")],
    max_steps: Annotated[int, typer.Option(help="Windows are cut after as many steps.")],
    out: Output,
    stride: Annotated[int, typer.Option(help="Steps between the starts of windows.")] = 1,
) -> None:
    """Write the windows of a stack's tiles for inference, and their list as CSV."""
    from groundshift.reference.export import export_windows

    with _advice():
        count = export_windows(
            stack,
            out,
            length=_seconds(length),
            stride=stride,
            min_steps=min_steps,
            max_steps=max_steps,
        )
    typer.echo(f"{out}: {count} windows per tile")


def _seconds(length: str) -> float:
    try:
        return parse_duration(length).total_seconds()
    except ValueError as error:
        raise SettingsError(f"--length: {error}") from error


@contextmanager
def _advice() -> Iterator[None]:
    """End with the message alone where the input is at fault."""
    try:
        yield
    except GroundshiftError as error:
        typer.echo(f"{error}", err=True)
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    app()
