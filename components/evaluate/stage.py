"""The evaluate stage: judge a model on blocks it has never seen, beside what is simpler."""

from pathlib import Path

from components.making import is_of_task, make, require_task
from groundshift.artifacts import Summary
from groundshift.settings import StageSettings
from groundshift.tasks import task_of


def run(
    settings: StageSettings,
    *,
    cube: Path,
    samples: Path,
    model: Path,
    evaluation: Path,
    champion: Path | None = None,
) -> Summary:
    """Score a model and every baseline on the same held-out blocks, and say which is better.

    Args:
        settings: of the stage.
        cube: artifact with the images.
        samples: artifact with the samples, their splits and labels.
        model: artifact that is judged.
        evaluation: where the artifact goes.
        champion: artifact of the model to be ahead of, if there is another one; one of another
            task is no rival.

    Raises:
        ContractError: artifacts that don't fit one another.
    """
    require_task(settings, samples=samples, model=model)
    rival = champion if champion and is_of_task(settings, "model", champion) else None
    work = task_of(settings).evaluation(
        settings, cube=cube, samples=samples, model=model, champion=rival
    )
    return make("evaluate", work, settings, evaluation)
