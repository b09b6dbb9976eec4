"""Change monitoring: scores of ground change for every window of time, and dated events."""

from groundshift.tasks.change.task import TASK

__all__ = ["TASK"]
