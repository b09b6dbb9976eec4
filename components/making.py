"""How a stage makes an artifact whose content is its task's affair."""

from pathlib import Path

from groundshift.artifacts import Summary, read_manifest, writing
from groundshift.errors import ContractError
from groundshift.settings import DEFAULT_TASK, StageSettings
from groundshift.tasks.protocol import Work


def make(stage: str, work: Work, settings: StageSettings, folder: Path) -> Summary:
    """Write an artifact whole, or not at all.

    Args:
        stage: name of the stage.
        work: what the task puts into it.
        settings: of the stage.
        folder: where the artifact goes.
    """
    with writing(
        folder,
        work.contract,
        area=settings.name,
        settings=settings.affecting(),
        inputs=work.inputs,
        resume=work.resumes,
    ) as draft:
        account = work.write(draft)
    return account.summary(stage, folder, draft.finished)


def is_of_task(settings: StageSettings, contract: str, folder: Path) -> bool:
    """Whether an artifact was made for the task that the settings name."""
    return _task(contract, folder) == settings.task


def require_task(settings: StageSettings, **folders: Path | None) -> None:
    """Refuse artifacts that were made for another task.

    Args:
        settings: of the stage.
        folders: artifacts by contract; None is passed over.

    Raises:
        ContractError: naming the first one.
    """
    for contract, folder in folders.items():
        if folder is not None and not is_of_task(settings, contract, folder):
            raise ContractError(
                f"{folder}: expected {contract} of the task {settings.task}, found "
                f"{_task(contract, folder)}. Check which folder is passed as --{contract}, or "
                "rerun the stages from window on"
            )


def _task(contract: str, folder: Path) -> str:
    return str(read_manifest(folder, contract).settings.get("task", DEFAULT_TASK))
