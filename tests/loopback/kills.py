"""The fetch stage in a process of its own that is killed, as a machine that fails kills it."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from groundshift.observations.sources import retries
from groundshift.settings import FetchStage

_CONTEXT = multiprocessing.get_context("forkserver")
# Loading the stage takes longer than most runs of these tests: it is loaded once.
_CONTEXT.set_forkserver_preload(
    [
        "components.fetch.__main__",
        "groundshift.observations.sources.hub.source",
        "groundshift.observations.sources.stac.source",
    ]
)


def killed(settings: FetchStage, observations: Path, until: Callable[[], bool]) -> None:
    """Run the command, and kill it once `until()` holds."""
    arguments = ["--settings", settings.model_dump_json(), "--observations", str(observations)]
    process = _CONTEXT.Process(
        target=_command, args=(dict(os.environ), arguments, retries.FIRST_WAIT)
    )
    process.start()
    while process.is_alive() and not until():
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _command(environment: dict[str, str], arguments: list[str], first_wait: float) -> None:
    from components.fetch.__main__ import app

    os.environ.clear()
    os.environ.update(environment)
    retries.FIRST_WAIT = first_wait
    app(arguments)
