"""Asking a service again: how often, after which wait, and all threads together."""

import random
import time
from threading import Lock

from groundshift.errors import SourceError

ATTEMPTS = 8
"""How often a request is sent that a service fails to answer, before the run ends."""
LIMITED = 30
"""How often a request is sent that a service puts off."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds between two attempts, doubled from one to the next."""
QUOTA_WAIT = 900.0
"""Seconds from which on a demand to wait means that the quota is used up."""
TIMEOUT = 120.0
"""Seconds without a byte after which an answer counts as lost."""
LESS = "Wait for its renewal, or ask for less: fewer bands, a shorter period, a smaller area"
"""What to do where a quota is used up."""


class BadAnswerError(Exception):
    """An answer that is cut, damaged, or not what was asked for."""


class Limit:
    """When the next request may be sent, shared by all threads of a connection."""

    def __init__(self) -> None:
        """Start without a limit."""
        self._lock = Lock()
        self._next = 0.0
        self._bursts = 0

    def remaining(self) -> float:
        """Seconds to wait; with jitter, so that threads that waited don't go all at once."""
        with self._lock:
            return max(self._next - time.monotonic(), 0.0) * random.uniform(1, 1.1)

    def postpone(self, asked: float) -> None:
        """Heed a refusal: the seconds it asks for, but ever longer if refusals go on.

        Raises:
            SourceError: the time to wait is that of a used-up quota.
        """
        with self._lock:
            if asked > QUOTA_WAIT:
                raise SourceError(
                    f"the service refuses more requests for {asked / 3600:.1f} hours: the quota "
                    f"is used up. {LESS}",
                    refused=True,
                )
            now = time.monotonic()
            if now >= self._next:  # not one of those that were under way already
                self._next = now + max(asked, wait(self._bursts))
                self._bursts += 1

    def relax(self) -> None:
        """Forget earlier refusals: a request came through."""
        with self._lock:
            self._bursts = 0


def wait(attempt: int) -> float:
    """Seconds before the next attempt: doubling, with jitter."""
    return float(min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.uniform(0.5, 1))
