"""What a stage says about itself when it is done."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Summary:
    """The outcome of a stage: where its artifact lies, and its numbers."""

    stage: str
    artifact: Path
    content_hash: str
    value_hash: str
    metrics: dict[str, float] = field(default_factory=dict)
    """Numbers worth tracking over runs; undefined ones are left out."""
    figures: tuple[Path, ...] = ()
    """Pictures and pages inside the artifact that belong with the run."""
    notes: tuple[str, ...] = ()
    """Sentences for the person who ran it."""

    def to_json(self) -> str:
        """The last line a stage prints."""
        return json.dumps(
            {
                "stage": self.stage,
                "artifact": str(self.artifact),
                "content_hash": self.content_hash,
                "value_hash": self.value_hash,
                "metrics": self.metrics,
                "notes": list(self.notes),
            }
        )
