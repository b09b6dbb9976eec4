"""Command line of the window stage."""

from pathlib import Path

from components.shell import Area, Input, Output, Overrides, Params, Settings, app, execute
from components.window.stage import run

cli = app(
    "window",
    "--observations data/demo/observations --cube data/demo/cube --samples data/demo/samples",
)


@cli.command()
def main(
    observations: Input,
    cube: Input,
    samples: Output,
    params: Params = Path("params.yaml"),
    area: Area = None,
    settings: Settings = None,
    overrides: Overrides = None,
) -> None:
    """Index a cube by windows and patches, and label every complete window."""
    execute(
        "window",
        run,
        params=params,
        area=area,
        settings=settings,
        overrides=overrides,
        observations=observations,
        cube=cube,
        samples=samples,
    )


if __name__ == "__main__":
    cli()
