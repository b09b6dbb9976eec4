"""Which sections belong to which task: the stages from window on have sections of their own."""

import difflib

from groundshift.errors import SettingsError
from groundshift.settings.landcover import LANDCOVER_SETTINGS
from groundshift.settings.sections import STAGE_SETTINGS, StageSettings

DEFAULT_TASK = "change"
"""Of settings that name none."""

TASK_SETTINGS: dict[str, dict[str, type[StageSettings]]] = {
    "change": STAGE_SETTINGS,
    "landcover": STAGE_SETTINGS | LANDCOVER_SETTINGS,
}
"""Settings of every stage, by task."""


def settings_of(task: object, *, where: str) -> dict[str, type[StageSettings]]:
    """The settings of a task's stages.

    Args:
        task: its name.
        where: what names it, for the message.

    Raises:
        SettingsError: there is no such task.
    """
    if not isinstance(task, str) or task not in TASK_SETTINGS:
        near = difflib.get_close_matches(str(task), TASK_SETTINGS, 1)
        advice = f"did you mean {near[0]!r}?" if near else "correct it"
        raise SettingsError(
            f"{where}: task: expected one of {', '.join(TASK_SETTINGS)}, found {task!r}: {advice}"
        )
    return TASK_SETTINGS[task]


def own_sections(task: str) -> frozenset[str]:
    """The stages whose section is this task's own, and means nothing to the default task."""
    return frozenset(
        stage
        for stage, settings in TASK_SETTINGS[task].items()
        if settings is not STAGE_SETTINGS[stage]
    )
