"""Command line of the evaluate stage: `python -m components.evaluate`."""

from dataclasses import replace
from typing import Annotated

import typer

from components import by_parts, shell
from components.evaluate import drift as drifting
from components.evaluate.stage import run
from groundshift.artifacts import Summary
from groundshift.errors import SettingsError
from groundshift.settings import StageSettings

app = shell.app(
    "evaluate",
    "--params params.yaml --area demo --cube data/demo/cube --samples data/demo/samples "
    "--model data/demo/model --evaluation data/demo/evaluation",
)

Promote = Annotated[
    bool,
    typer.Option(
        "--promote", help="Make the model the area's champion in the store if it passes the gate."
    ),
]
ChampionHash = Annotated[
    str, typer.Option("--champion", help="Instead of --model: content hash of the champion.")
]


@shell.command(app, "evaluate")
def main(
    task: shell.Task[StageSettings],
    cube: by_parts.Cube,
    samples: shell.OptionalInput = None,
    model: shell.OptionalInput = None,
    evaluation: shell.OptionalOutput = None,
    drift: shell.OptionalOutput = None,
    promote: Promote = False,
    champion: ChampionHash = "",
) -> Summary:
    """Score a model and every baseline on the same held-out blocks; or measure the drift."""
    if drift is not None:
        judged = model or task.champion(champion)[0]
        return drifting.run(task.settings, cube=cube, model=judged, drift=drift)
    if samples is None or model is None or evaluation is None:
        raise SettingsError("--evaluation is made from --cube, --samples and --model: give all")
    if promote and task.store is None:
        raise SettingsError("--promote needs the artifact store: give --store")
    reigning = task.store.champion(task.area) if task.store else None
    rival = task.store.folder(reigning.model) if task.store and reigning else None
    folders = {"cube": cube, "samples": samples, "model": model, "evaluation": evaluation}
    summary = run(task.settings, **folders, champion=rival)
    if not promote:
        return summary
    from components.evaluate.promotion import decide  # TensorFlow, which --help needs not

    promoted = decide(task, model, evaluation, reigning)
    return replace(summary, parameters={**summary.parameters, "promoted": promoted})


if __name__ == "__main__":
    app()
