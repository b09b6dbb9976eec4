"""Where stages that run inside of a test work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def own_environment(work: Path) -> Iterator[None]:
    """Work in progress lies in a folder, and no run is tracked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_WORK", str(work))
        patch.setenv("GROUNDSHIFT_TRACKING", "off")
        yield
