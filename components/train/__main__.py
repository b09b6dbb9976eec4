"""Command line of the train stage: `python -m components.train`."""

from components import by_parts, shell
from components.train.stage import run
from groundshift.artifacts import Summary
from groundshift.settings import StageSettings

app = shell.app(
    "train",
    "--params params.yaml --area demo --cube data/demo/cube --samples data/demo/samples "
    "--model data/demo/model",
)


@shell.command(app, "train")
def main(
    task: shell.Task[StageSettings], cube: by_parts.Cube, samples: shell.Input, model: shell.Output
) -> Summary:
    """Train networks on the windows of the training blocks; stop and go on as you like."""
    return run(task.settings, cube=cube, samples=samples, model=model)


if __name__ == "__main__":
    app()
