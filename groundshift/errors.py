"""The errors a user can meet, one class per kind of remedy.

A message says what is wrong, where, what was expected, what was found and what to do next.
Anything that is not one of these is our own fault and is allowed to end with a traceback.
"""


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


class BudgetError(GroundshiftError):
    """A run would cost more than the user allowed.

    Raise it before the first unit is spent, with what would fit.
    """


class ContractError(GroundshiftError):
    """An artifact is not what its contract promises, or doesn't fit the one beside it.

    Raise it for missing or half-written artifacts, unknown versions, broken invariants and
    mismatched signatures, and say which stage to rerun.
    """
