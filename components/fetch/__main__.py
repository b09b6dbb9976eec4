"""Command line of the fetch stage: `python -m components.fetch`."""

from pathlib import Path

from components import shell
from components.fetch.stage import run

app = shell.app("fetch", "--params params.yaml --area demo --observations data/demo/observations")


@app.command()
def main(
    observations: shell.Output,
    params: shell.Params = Path("params.yaml"),
    area: shell.Area = None,
    settings: shell.Settings = None,
    overrides: shell.Overrides = None,
) -> None:
    """Bring the images of every sensor onto the grid of the area's cells, masked and checked."""
    shell.execute(
        "fetch",
        run,
        params=params,
        area=area,
        settings=settings,
        overrides=overrides,
        observations=observations,
    )


if __name__ == "__main__":
    app()
