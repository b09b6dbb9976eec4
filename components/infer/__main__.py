"""Command line of the infer stage: `python -m components.infer`."""

from pathlib import Path
from typing import Annotated

import typer

from components import by_parts, shell
from components.infer.stage import run, run_cell, run_report
from groundshift.artifacts import Summary
from groundshift.errors import SettingsError
from groundshift.settings import StageSettings
from groundshift.tasks import task_of
from groundshift.tasks.protocol import Chain

app = shell.app(
    "infer",
    "--params params.yaml --area demo --cube data/demo/cube --samples data/demo/samples "
    "--model data/demo/model --evaluation data/demo/evaluation --maps data/demo/maps",
)

PUBLISHED = ("observations", "cube", "samples", "scores")
"""What the next monitoring of a cell begins with."""

ChampionHash = Annotated[
    str,
    typer.Option(
        "--champion", help="Instead of --model and --evaluation: content hash of the champion."
    ),
]
PreviousScores = Annotated[
    Path | None,
    shell.Folder(contract="scores", read=True),
    shell.folder(
        "Scores of the cell from an earlier run: maps of windows that show the same are taken "
        "over. In a store, by default the published ones."
    ),
]

EarlierMaps = Annotated[
    Path | None,
    shell.Folder(contract="maps", read=True),
    shell.folder(
        "Maps that were published before: their events keep their ids, and are no news. In a "
        "store, by default those published last."
    ),
]


@shell.command(app, "infer")
def main(
    task: shell.Task[StageSettings],
    cube: by_parts.Cube,
    samples: shell.Input,
    model: shell.OptionalInput = None,
    evaluation: shell.OptionalInput = None,
    previous: PreviousScores = None,
    scores: shell.Between = None,
    earlier: EarlierMaps = None,
    maps: shell.OptionalOutput = None,
    champion: ChampionHash = "",
) -> Summary:
    """Map an area with a model, and write the report: of change, scores and dated events.

    With --cell and --scores last: the maps of one cell. With --scores and --maps: the report over
    the maps of all cells.
    """
    if champion:
        model, evaluation = task.champion(champion)
    if model is None or evaluation is None:
        raise SettingsError("give --model and --evaluation, or --champion")
    chain = Chain(cube, samples, model, evaluation)
    settings, folders = task.settings, chain.folders()
    if maps is None:
        assert scores is not None  # one of the two is what is written
        if not task.cell:
            raise SettingsError("--scores is written for one cell: give --cell")
        base = previous or task.current("scores")
        return run_cell(settings, cell=task.cell, **folders, scores=scores, previous=base)
    past = task_of(settings).past(settings, chain=chain, earlier=earlier, store=task.store)
    if scores is None:
        return run(settings, **folders, maps=maps, past=past)
    task.publish(*PUBLISHED)
    return run_report(settings, **folders, scores=scores, maps=maps, past=past)


if __name__ == "__main__":
    app()
