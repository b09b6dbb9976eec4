"""What making an artifact took, for the record of its manifest."""

import os
import time


class Effort:
    """Counts from when it is made, for this process and those it started that have ended."""

    def __init__(self) -> None:
        """Begin."""
        self._started, self._spent = time.time(), _cpu_seconds()

    def record(self) -> dict[str, float]:
        """When it began (seconds since 1970), and since then seconds, and those of processors."""
        return {
            "started": round(self._started, 3),
            "seconds": round(time.time() - self._started, 3),
            "cpu_seconds": round(_cpu_seconds() - self._spent, 3),
        }


def _cpu_seconds() -> float:
    found = os.times()
    return found.user + found.system + found.children_user + found.children_system
