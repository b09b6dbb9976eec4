"""Command line of the fetch stage: `python -m components.fetch`."""

from pathlib import Path
from typing import Annotated

import typer

from components import shell
from components.fetch import planning, stage
from groundshift.artifacts import Summary
from groundshift.errors import SettingsError
from groundshift.settings import FetchStage

app = shell.app("fetch", "--params params.yaml --area demo --observations data/demo/observations")

Plan = Annotated[
    Path | None,
    shell.Folder(written=True),
    shell.folder("Folder the plan is written to: the area's cells and their keys, no pixels."),
]
Variant = Annotated[
    str, typer.Option(help="With --plan: digest of the other stages' settings, for the keys.")
]
ChangedOnly = Annotated[
    bool,
    typer.Option(
        "--changed-only", help="With --plan: work on cells only whose results are not published."
    ),
]


@shell.command(app, "fetch")
def main(
    task: shell.Task[FetchStage],
    plan: Plan = None,
    observations: shell.OptionalOutput = None,
    variant: Variant = "",
    changed_only: ChangedOnly = False,
) -> Summary:
    """Bring the images of every sensor onto the grid of the area's cells, masked and checked."""
    if plan is not None:
        if changed_only:
            _require_champion(task)
        return planning.run(
            task.settings,
            plan=plan,
            variant=variant,
            changed_only=changed_only,
            store=task.store,
        )
    assert observations is not None  # one of the two is the output
    return stage.run(
        task.settings,
        observations=observations,
        cell=task.cell,
        digests=task.store.file_digests(task.area) if task.store else None,
        earlier=task.current("observations") or observations,
    )


def _require_champion(task: shell.Task[FetchStage]) -> None:
    if task.store is None:
        raise SettingsError("--changed-only compares with what is published: give --store")
    if task.store.champion(task.area) is None:
        raise SettingsError(
            f"--changed-only names cells to map with the champion, and the area {task.area} has "
            "none: run the training pipeline first"
        )


if __name__ == "__main__":
    app()
