"""How the tasks of a run ended: what the exit handler and `groundshift status` tell of a run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from groundshift.errors import BudgetError, GroundshiftError, SourceError

DONE, FAILED, BAD_INPUT, TRANSIENT = 0, 1, 2, 4
"""Exit codes: done (also nothing to do), anything else, bad input or settings, worth a retry."""

Kind = Literal["running", "done", "nothing new", "blocked", "broken"]
"""`blocked`: credentials or a quota stand in the way; the next scheduled run may well work.
`running` stays behind where a task was killed."""


@dataclass(frozen=True)
class Outcome:
    """How one task of a run ended, or that it began."""

    stage: str
    mode: str = ""
    """What the task writes, where that is not the stage's own artifact: `plan`, `betas`, ..."""
    cell: str = ""
    """Empty for tasks of the whole area."""
    exit: int | None = None
    kind: Kind = "running"
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    artifact: str = ""
    """Folder of what the task made, below the store's."""

    @property
    def task(self) -> str:
        """The task's name in its run."""
        return "-".join(filter(None, (self.stage, self.mode, self.cell)))

    @property
    def final(self) -> bool:
        """Whether the task would end the same way again: bad input, settings or credentials."""
        return self.exit == BAD_INPUT

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Outcome":
        """The outcome that `to_dict` described, possibly by another version."""
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in values.items() if name in known})


def kind_of(error: BaseException) -> Literal["blocked", "broken"]:
    """What kind of end an error is."""
    if isinstance(error, BudgetError) or (isinstance(error, SourceError) and error.refused):
        return "blocked"
    return "broken"


def message_of(error: BaseException) -> str:
    """An error in words: its message if it was meant for the user, else with its type."""
    return str(error) if isinstance(error, GroundshiftError) else f"{type(error).__name__}: {error}"
