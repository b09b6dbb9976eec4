"""Progress of a stage: a bar on a terminal, a plain line now and then elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

log = logging.getLogger(__name__)

_SECONDS = 10.0  # between two lines of a log

T = TypeVar("T")


def shown(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Pass items through and show how many there have been.

    Args:
        items: What is worked through.
        label: What they are, e.g. "images".
        total: How many there will be.
    """
    if sys.stderr.isatty():
        yield from track(items, label, total, console=Console(stderr=True), transient=True)
        return
    last = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if number == total or now - last >= _SECONDS:
            log.info("%s: %d of %d", label, number, total)
            last = now
