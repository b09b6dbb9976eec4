"""What an area is mapped for: one protocol, and the tasks that there are behind it.

Stages ask `task_of` for the task of their settings and know none by name. A task is loaded when it
is asked for, and of its parts only those that a stage needs, so that the light stages don't load
networks.
"""

from collections.abc import Callable

from groundshift.errors import SettingsError
from groundshift.settings import StageSettings
from groundshift.tasks.protocol import Task


def _change() -> Task:
    from groundshift.tasks.change import TASK

    return TASK


def _landcover() -> Task:
    from groundshift.tasks.landcover import TASK

    return TASK


TASKS: dict[str, Callable[[], Task]] = {"change": _change, "landcover": _landcover}
"""What opens each task, by the name that `task` has in the settings."""


def task_of(settings: StageSettings) -> Task:
    """The task that settings name.

    Raises:
        SettingsError: there is no such task.
    """
    if settings.task not in TASKS:
        raise SettingsError(
            f"task: expected one of {', '.join(TASKS)}, found {settings.task!r}. Correct the name"
        )
    return TASKS[settings.task]()
