"""Command line of the infer stage: `python -m components.infer`."""

from pathlib import Path

from components import shell
from components.infer.stage import run

app = shell.app(
    "infer",
    "--params params.yaml --area demo --cube data/demo/cube --samples data/demo/samples "
    "--model data/demo/model --evaluation data/demo/evaluation --maps data/demo/maps",
)


@app.command()
def main(
    cube: shell.Input,
    samples: shell.Input,
    model: shell.Input,
    evaluation: shell.Input,
    maps: shell.Output,
    params: shell.Params = Path("params.yaml"),
    area: shell.Area = None,
    settings: shell.Settings = None,
    overrides: shell.Overrides = None,
) -> None:
    """Map the change scores of every window, date the events, and write the report."""
    shell.execute(
        "infer",
        run,
        params=params,
        area=area,
        settings=settings,
        overrides=overrides,
        cube=cube,
        samples=samples,
        model=model,
        evaluation=evaluation,
        maps=maps,
    )


if __name__ == "__main__":
    app()
