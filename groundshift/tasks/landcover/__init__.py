"""Land cover: a map of classes from the series of single pixels."""

from groundshift.tasks.landcover.task import TASK

__all__ = ["TASK"]
