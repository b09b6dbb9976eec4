"""Command line of the evaluate stage: `python -m components.evaluate`."""

from pathlib import Path

from components import shell
from components.evaluate.stage import run

app = shell.app(
    "evaluate",
    "--params params.yaml --area demo --cube data/demo/cube --samples data/demo/samples "
    "--model data/demo/model --evaluation data/demo/evaluation",
)


@app.command()
def main(
    cube: shell.Input,
    samples: shell.Input,
    model: shell.Input,
    evaluation: shell.Output,
    params: shell.Params = Path("params.yaml"),
    area: shell.Area = None,
    settings: shell.Settings = None,
    overrides: shell.Overrides = None,
) -> None:
    """Score a model and every baseline on the same held-out blocks."""
    shell.execute(
        "evaluate",
        run,
        params=params,
        area=area,
        settings=settings,
        overrides=overrides,
        cube=cube,
        samples=samples,
        model=model,
        evaluation=evaluation,
    )


if __name__ == "__main__":
    app()
