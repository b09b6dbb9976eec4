"""The drift report: whether new images still are what the model was trained on."""

from pathlib import Path

from components.making import make, require_task
from groundshift.artifacts import Summary
from groundshift.settings import StageSettings
from groundshift.tasks import task_of


def run(settings: StageSettings, *, cube: Path, model: Path, drift: Path) -> Summary:
    """Compare the newest images of all cells with the training, and say whether to train anew.

    Args:
        settings: of the stage.
        cube: artifact with the images.
        model: artifact that was trained on others.
        drift: where the artifact goes.

    Raises:
        ContractError: a cube whose numbers the model doesn't take.
    """
    require_task(settings, model=model)
    return make(
        "evaluate", task_of(settings).drift(settings, cube=cube, model=model), settings, drift
    )
