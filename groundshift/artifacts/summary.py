"""What a stage says about itself when it is done."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from groundshift.storage import Pointer


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
    pages: Mapping[str, Path] = field(default_factory=dict)
    """HTML and Markdown files inside the artifact, by the name of the pipeline's output."""
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What Kubeflow draws, by the name of the pipeline's output: `confidenceMetrics` (a list of
    confidenceThreshold, recall, falsePositiveRate) or `confusionMatrix` (annotationSpecs, rows)."""
    parameters: Mapping[str, str | int | float | bool | list[Any]] = field(default_factory=dict)
    """Small values that later tasks of a pipeline depend on."""
    outcome: Literal["done", "nothing new"] = "done"
    version: Pointer | None = None
    """The artifact's version in DVC, once it is known."""

    def moved(self, folder: Path) -> "Summary":
        """The same after the artifact was moved to another folder."""
        return replace(
            self,
            artifact=folder,
            figures=tuple(folder / path.relative_to(self.artifact) for path in self.figures),
            pages={
                name: folder / path.relative_to(self.artifact) for name, path in self.pages.items()
            },
        )

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
