"""Command line of the window stage: `python -m components.window`."""

from pathlib import Path

from components import shell
from components.window.stage import run

app = shell.app(
    "window",
    "--params params.yaml --area demo --observations data/demo/observations "
    "--cube data/demo/cube --samples data/demo/samples",
)


@app.command()
def main(
    observations: shell.Input,
    cube: shell.Input,
    samples: shell.Output,
    params: shell.Params = Path("params.yaml"),
    area: shell.Area = None,
    settings: shell.Settings = None,
    overrides: shell.Overrides = None,
) -> None:
    """Index a cube by windows and patches, and label every complete window."""
    shell.execute(
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
    app()
