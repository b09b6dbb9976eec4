"""`groundshift compare`: variants of the settings side by side, in quality and cost."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import options

_FOLDER = Path("work/compare")

Vary = Annotated[
    list[str] | None,
    typer.Option("--vary", help="A setting and its values, e.g. stack.step=2d,6d; repeatable."),
]
Repeat = Annotated[
    list[str] | None,
    typer.Option(
        "--repeat",
        help="Repeat every variant at these values, e.g. train.seed=0,100,200: what intervals and "
        "differences are taken over. Several of them step side by side.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    vary: Vary = None,
    repeat: Repeat = None,
    area: options.Area = "demo",
    params: options.Params = options.PARAMS,
    overrides: options.Overrides = None,
    folder: Annotated[
        Path, typer.Option(help="Where artifacts are kept; variants share them, reruns go on.")
    ] = _FOLDER,
    report: Annotated[Path | None, typer.Option(help="File for the table (Markdown).")] = None,
) -> None:
    """Run variants of the settings from images to scores, and print one table of them."""
    with options.reported():
        from pipelines.comparison import Axis, Chain, Compared, RunError, render
        from pipelines.comparison.variants import replicates, variants

        chosen = variants([Axis.parse(text) for text in vary or ()])
        repeats = replicates([Axis.parse(text, "--repeat") for text in repeat or ()])
        chain = Chain(params, area, folder)
        runs = {
            variant.title: [
                (*(overrides or ()), *variant.overrides, *one.overrides) for one in repeats
            ]
            for variant in chosen
        }
        for settings in (settings for mine in runs.values() for settings in mine):
            chain.settings(settings)  # what can't be read is refused before anything is run
        compared, code = [], 0
        for variant in chosen:
            typer.echo(f"groundshift: {variant.title}", err=True)
            try:
                done = tuple(chain.run(settings) for settings in runs[variant.title])
                compared.append(Compared(variant, done))
            except RunError as error:
                typer.echo(f"groundshift: {error}", err=True)
                compared.append(Compared(variant, failure=str(error)))
                code = code or error.code
        given = {"area": [area], "vary": vary, "repeat": repeat, "set": overrides}
        page = render(f"{area}: {len(chosen)} variants", compared, _command(given))
        if report is not None:
            report.parent.mkdir(parents=True, exist_ok=True)
            report.write_text(page)
        typer.echo(page, nl=False)
        if code:
            raise typer.Exit(code)


def _command(given: Mapping[str, Sequence[str] | None]) -> str:
    """The command line that repeats it, an option a line."""
    words = [shlex.join((f"--{name}", value)) for name in given for value in given[name] or ()]
    return " \\\n  ".join(["groundshift compare", *words])
