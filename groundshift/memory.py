"""What a stage may take of memory: its setting `memory`, less what its process holds already.

Stages ask before they begin. What can be had with less is done in smaller pieces, which changes
no value; what cannot is refused with a size that would do.
"""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from groundshift.errors import SettingsError

SPARE = 96 << 20
"""Bytes left to what nobody counts: modules loaded on the way, buffers of libraries, the heap's
holes."""

_DECIMAL = ("B", "KB", "MB", "GB", "TB")
_BINARY = ("KIB", "MIB", "GIB", "TIB")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)", re.IGNORECASE)


def parse_size(value: object) -> int:
    """Read `4GB`, `500MB` or `2Gi` (as Kubernetes writes it); a whole number is bytes."""
    match = _SIZE.fullmatch(str(value).strip())
    if not match or isinstance(value, bool):
        raise ValueError(f"{value!r} is no size; write for example 4GB, 500MB or 2Gi")
    unit = match[2].upper().removesuffix("B") + "B"
    factor = 1024 ** (_BINARY.index(unit) + 1) if "I" in unit else 1000 ** _DECIMAL.index(unit)
    return int(float(match[1]) * factor)


Size = Annotated[int, BeforeValidator(parse_size)]
"""A size in bytes, written as people do."""


class Room:
    """How much of a stage's memory is left."""

    def __init__(self, limit: int | None, stage: str) -> None:
        """Take the setting.

        Args:
            limit: bytes that the whole process may take; None is as much as there is.
            stage: whose process it is.
        """
        self._limit, self._stage = limit, stage

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._limit is not None

    def left(self, otherwise: int) -> int:
        """Bytes that may still be taken, at most `otherwise`, which holds without a limit."""
        if self._limit is None:
            return otherwise
        return max(0, min(otherwise, self._limit - resident() - SPARE))

    def require(self, need: int, what: str, remedy: str = "") -> None:
        """Refuse work that does not fit.

        Args:
            need: bytes that it takes beside what is taken already.
            what: it is, e.g. `a batch of 16 patches`.
            remedy: another setting that would help, and how.

        Raises:
            SettingsError: it does not fit; the message says what would.
        """
        if self._limit is None:
            return
        taken = resident() + SPARE
        if taken + need <= self._limit:
            return
        enough = _rounded_up(taken + need)
        raise SettingsError(
            f"memory: expected at least {shown(enough)} for {self._stage} ({shown(need)} for "
            f"{what}, {shown(taken)} for the program itself), found {shown(self._limit)}. "
            f"Set memory={shown(enough).replace(' ', '')}{', or ' + remedy if remedy else ''}"
        )

    def at_once(self, wanted: int, each: int, what: str, remedy: str = "") -> int:
        """How many equal pieces of work fit side by side, at most `wanted` and at least one.

        Raises:
            SettingsError: not even one fits.
        """
        self.require(each, what, remedy)
        return max(1, min(wanted, self.left(wanted * each) // max(each, 1)))


def resident() -> int:
    """Bytes of this process in memory now; 0 where the system doesn't say."""
    return _status("VmRSS")


def peak() -> int:
    """Most bytes of this process that were in memory at a time; 0 where the system doesn't say."""
    return _status("VmHWM")


def peak_of(process: int) -> int:
    """As `peak`, of a process by its id."""
    return _status("VmHWM", process)


def shown(size: float) -> str:
    """A size as people write it: `1.2 GB`."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _rounded_up(size: int) -> int:
    """Two digits of a size, so that what is said is enough."""
    unit: int = 10 ** max(0, len(str(size)) - 2)
    return -(-size // unit) * unit


def _status(field: str, process: int | None = None) -> int:
    try:
        lines = Path(f"/proc/{process or os.getpid()}/status").read_text().splitlines()
    except OSError:
        return 0
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) * 1024 if found else 0
