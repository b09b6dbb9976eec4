"""The window stage: index a cube by samples, and label them.

Labels may need sums over the region: `regional` makes them where cells are worked on apart.
"""

from pathlib import Path

from components.making import make, require_task
from groundshift.artifacts import Summary, link_tree, read_manifest
from groundshift.settings import StageSettings
from groundshift.tasks import task_of


def run(
    settings: StageSettings,
    *,
    observations: Path,
    cube: Path,
    samples: Path,
    betas: Path | None = None,
) -> Summary:
    """Say which parts of a cube are learnt from and judged by, and label them.

    Args:
        settings: of the stage.
        observations: artifact that holds the planted truth, if any.
        cube: artifact that is indexed: a whole area, or one cell of it.
        samples: where the artifact goes.
        betas: artifact with the sums over the region, where the cube holds one cell of it.

    Raises:
        SettingsError: samples, splits or labels that can't be had from this cube.
        ContractError: a cube that was not made from these observations, or betas of another cube.
    """
    require_task(settings, betas=betas)
    work = task_of(settings).samples(settings, observations=observations, cube=cube, betas=betas)
    return make("window", work, settings, samples)


def run_index(
    settings: StageSettings, *, cube: Path, samples: Path, known: Path | None = None
) -> Summary:
    """Index a cube without labels, for a model that is trained already.

    Args:
        settings: of the stage.
        cube: artifact that is indexed: a whole area, or one cell of it.
        samples: where the artifact goes.
        known: samples that may be of this cube already; they are taken as they are, so that labels
            are not lost to whoever trains.

    Raises:
        SettingsError: samples or splits that can't be had from this cube.
    """
    task = task_of(settings)
    work = task.index(settings, cube=cube)
    if known is not None:
        manifest = read_manifest(known, work.contract)
        theirs = (manifest.settings, manifest.inputs["cube"])
        if theirs == (settings.affecting(), work.inputs["cube"]):
            link_tree(known, samples)
            return task.indexed(manifest).summary("window", samples, manifest)
    return make("window", work, settings, samples)
