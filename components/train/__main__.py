"""Command line of the train stage: `python -m components.train`."""

from pathlib import Path

from components import shell
from components.train.stage import run

app = shell.app(
    "train",
    "--params params.yaml --area demo --cube data/demo/cube --samples data/demo/samples "
    "--model data/demo/model",
)


@app.command()
def main(
    cube: shell.Input,
    samples: shell.Input,
    model: shell.Output,
    params: shell.Params = Path("params.yaml"),
    area: shell.Area = None,
    settings: shell.Settings = None,
    overrides: shell.Overrides = None,
) -> None:
    """Train networks on the windows of the training blocks; stop and go on as you like."""
    shell.execute(
        "train",
        run,
        params=params,
        area=area,
        settings=settings,
        overrides=overrides,
        cube=cube,
        samples=samples,
        model=model,
    )


if __name__ == "__main__":
    app()
