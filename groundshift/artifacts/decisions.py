"""What was decided about a model: promoted, kept out, brought back; and on which figures."""

import getpass
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Action = Literal["promoted", "kept out", "rolled back to"]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container, users may have no name
        return ""


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        action: what became of the model.
        model: content hash of the model that it is about.
        evaluation: content hash of the evaluation that it rests on.
        champion: content hash of the champion before; empty if there was none.
        verdict: of the gate; `by hand` where a person decided.
        reasons: the rules that were not met.
        figures: what the verdict rests on, JSON-ready.
        time: of the decision, ISO 8601 in UTC.
        by: name of the user whose process decided, where it has one.
    """

    action: Action
    model: str
    evaluation: str
    champion: str
    verdict: str
    reasons: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    time: str = field(default_factory=_now)
    by: str = field(default_factory=_user)

    @property
    def name(self) -> str:
        """Of its file: by time, unique."""
        time = datetime.fromisoformat(self.time)
        return f"{time:%Y%m%dT%H%M%S.%fZ}-{self.model[:12]}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self) | {"reasons": list(self.reasons)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Decision":
        """The decision that `to_dict` described, possibly by another version."""
        known = {n: v for n, v in values.items() if n in cls.__dataclass_fields__}
        return cls(**{**known, "reasons": tuple(known["reasons"])})
