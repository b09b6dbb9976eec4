"""The errors a user can meet, one class per kind of remedy.

A message says what is wrong, where, what was expected, what was found and what to do next.
Anything that is not one of these is our own fault and is allowed to end with a traceback.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class GroundshiftError(Exception):
    """Base of all errors that carry a message meant for the user."""


class SettingsError(GroundshiftError):
    """The settings can't be run: unknown key, bad value, or values that contradict one another.

    Raise it where a change of `params.yaml` or of the command line is the remedy. Don't raise it
    for a file that is damaged (`ContractError`) or a source that misbehaves (`SourceError`).
    """


class SourceError(GroundshiftError):
    """A source of observations could not be read or gave something that makes no sense.

    Raise it for missing or damaged input images, impossible metadata, refused requests.
    `transient` is true where the same call may succeed later (time-outs, rate limits), `refused`
    where the user's account stands in the way (missing or expired credentials, a used-up quota),
    `lost` where a service has one image no more, or only damaged: the others may be taken.
    """

    def __init__(
        self, message: str, *, transient: bool = False, refused: bool = False, lost: bool = False
    ) -> None:
        """Keep the message, and what may help."""
        super().__init__(message)
        self.transient = transient
        self.refused = refused
        self.lost = lost


@dataclass(frozen=True)
class Look:
    """An image that was to be used.

    Attributes:
        sensor: name.
        time: seconds since 1970.
        problem: why it can't be used; empty if it can.
    """

    sensor: str
    time: int
    problem: str = ""


class NoDataError(SourceError, SettingsError):
    """Nothing can be mapped: no image, none that can be used, or too few for one window.

    Raise it where all works as it should and the images are not there, so that the run ends with
    a page that says so. The remedy may lie in the source as well as in the settings.
    """

    def __init__(self, found: str, remedy: str, looks: Sequence[Look] = ()) -> None:
        """Keep what was found, what to do, and what came of the images."""
        super().__init__(f"{found}. {remedy}")
        self.found, self.remedy, self.looks = found, remedy, tuple(looks)


class BudgetError(GroundshiftError):
    """A run would cost more than the user allowed.

    Raise it before the first unit is spent, with what would fit.
    """


class ContractError(GroundshiftError):
    """An artifact is not what its contract promises, or doesn't fit the one beside it.

    Raise it for missing or half-written artifacts, unknown versions, broken invariants and
    mismatched signatures, and say which stage to rerun.
    """
