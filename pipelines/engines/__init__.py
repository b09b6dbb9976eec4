"""Engines: they run a compiled pipeline, the very file that is uploaded to a cluster.

Here on this machine: `ProcessEngine` (every task a process) and `ContainerEngine` (every task a
container of Docker or Podman). Both walk the pipeline with kfp.local, repaired where it must be
(`upstream`), and run its tasks themselves (`tasks`), so that failure is failure, limits hold, logs
are kept and a run that was killed goes on where it was.
"""

from pipelines.engines.base import Engine, RunResult, TaskResult
from pipelines.engines.container import ContainerEngine
from pipelines.engines.process import ProcessEngine

__all__ = ["ContainerEngine", "Engine", "ProcessEngine", "RunResult", "TaskResult"]
