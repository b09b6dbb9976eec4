"""Command line of the evaluate stage."""

from pathlib import Path

from components.evaluate.stage import run
from components.shell import Area, Input, Output, Overrides, Params, Settings, app, execute

cli = app(
    "evaluate",
    "--cube data/demo/cube --samples data/demo/samples --model data/demo/model "
    "--evaluation data/demo/evaluation",
)


@cli.command()
def main(
    cube: Input,
    samples: Input,
    model: Input,
    evaluation: Output,
    params: Params = Path("params.yaml"),
    area: Area = None,
    settings: Settings = None,
    overrides: Overrides = None,
) -> None:
    """Score a model and every baseline on the same held-out blocks."""
    execute(
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
    cli()
