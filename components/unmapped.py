"""What is left of a run that can't map anything: a report and a page that say so plainly."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.task import Task
from groundshift.artifacts import is_artifact, read_manifest
from groundshift.artifacts.writing import replace
from groundshift.errors import NoDataError
from groundshift.settings import StageSettings

if TYPE_CHECKING:
    # They take seconds to import, which a stage that finds what it needs shall not.
    from groundshift.products.report.unmapped import Unmapped

UNMAPPED = "unmapped"

_REPORT = "report.html"


def place_of(task: Task[StageSettings], output: Path) -> Path | None:
    """Where the two lie: in the store, else beside a stage's output; None for a store in S3."""
    if task.store is None:
        return output.parent / UNMAPPED
    return task.store.root / UNMAPPED / task.area if task.store.root is not None else None


def report_of(place: Path, since: float) -> Path | None:
    """The report in such a place, if it was written since a time (seconds since 1970)."""
    path = place / _REPORT
    return path if path.is_file() and path.stat().st_mtime >= since else None


def tell(
    error: NoDataError,
    stage: str,
    task: Task[StageSettings],
    read: Mapping[str, Path],
    output: Path,
) -> str:
    """Write report and page of an area that can't be mapped; those of an earlier run go.

    Args:
        error: why it can't.
        stage: that found so.
        task: at hand.
        read: folders of its inputs, by contract.
        output: where its artifact was to go.

    Returns:
        Where the report lies, empty if nowhere.
    """
    from groundshift.products.page.site import write_empty_site
    from groundshift.products.report.unmapped import write_unmapped

    place = place_of(task, output)
    if place is None:
        return ""
    run = _run(error, stage, task, read)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="groundshift-unmapped-") as scratch:
        folder = Path(scratch) / UNMAPPED
        folder.mkdir()
        page = write_empty_site(folder, run)
        report = write_unmapped(folder, run, str(page.relative_to(folder)))
        replace(folder, place)
        return str(place / report.name)


def forget(task: Task[StageSettings], output: Path) -> None:
    """Remove what an earlier run left, once there are maps."""
    place = place_of(task, output)
    if place is not None and (place / _REPORT).is_file():
        shutil.rmtree(place)


def _run(
    error: NoDataError, stage: str, task: Task[StageSettings], read: Mapping[str, Path]
) -> "Unmapped":
    from groundshift.cube.commit import CONTRACT as CUBE
    from groundshift.cube.store import Cube
    from groundshift.observations.areas import cells_of
    from groundshift.products.report.unmapped import Unmapped, licences_of, order_of

    settings = task.settings
    chain = order_of(
        [read_manifest(folder, name) for name, folder in read.items() if is_artifact(folder)]
    )
    return Unmapped(
        area=task.area,
        task=settings.task,
        stage=stage,
        period=(settings.period.start_seconds, settings.period.end_seconds),
        cells=cells_of(settings.area),
        found=error.found,
        remedy=error.remedy,
        settings=settings.affecting(),
        looks=error.looks,
        cubes=dict(Cube.open(read[CUBE]).cells) if CUBE in read else {},
        chain=chain,
        licences=licences_of(chain),
    )
