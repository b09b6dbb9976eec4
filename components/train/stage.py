"""The train stage: learn from the training samples, choose by the validation samples."""

from pathlib import Path

from components.making import make, require_task
from groundshift.artifacts import Summary
from groundshift.services import tracking
from groundshift.settings import StageSettings
from groundshift.tasks import task_of


def run(settings: StageSettings, *, cube: Path, samples: Path, model: Path) -> Summary:
    """Train a model on the samples of the training blocks.

    Args:
        settings: of the stage.
        cube: artifact with the images.
        samples: artifact with the samples and their labels.
        model: where the artifact goes.

    Raises:
        ContractError: samples that index another cube.
        SettingsError: a model that can't be had of these samples, or training that diverges.
    """
    require_task(settings, samples=samples)
    task = task_of(settings)
    summary = make("train", task.model(settings, cube=cube, samples=samples), settings, model)
    example, content_hash = task.example(model), summary.content_hash
    tracking.log_model(model, opener=task.opener, example=example, content_hash=content_hash)
    return summary
