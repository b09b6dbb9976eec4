"""What maps are made from: opened, and refused where the parts don't belong together."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundshift.artifacts import Manifest, read_manifest
from groundshift.assessment.calibrating import Calibration
from groundshift.assessment.files import read_calibration
from groundshift.cube.store import Cube
from groundshift.models.store import CONTRACT as MODEL
from groundshift.products.report.evidence import Evidence
from groundshift.samples.store import Samples
from groundshift.tasks.inputs import require_inputs

THRESHOLD = 0.5
"""Taken where the evaluation could choose none, for want of known change on validation blocks."""


@dataclass(frozen=True)
class Sources:
    """The artifacts behind maps.

    Attributes:
        cube: what is mapped.
        samples: its windows.
        model: manifest of the model that gives the scores; it may come from another area or time,
            as long as it takes what the cube offers.
        evidence: threshold, and how good the model is.
    """

    cube: Cube
    samples: Samples
    model: Manifest
    evidence: Evidence

    @classmethod
    def open(cls, *, cube: Path, samples: Path, model: Path, evaluation: Path) -> "Sources":
        """Open all four.

        Raises:
            ContractError: windows of another cube, or an evaluation of another model.
        """
        sources = cls(
            Cube.open(cube),
            Samples.open(samples),
            read_manifest(model, MODEL),
            Evidence.open(evaluation),
        )
        sources.samples.require(sources.cube)
        require_inputs(sources.evidence.manifest, [sources.model])
        return sources

    @property
    def chain(self) -> tuple[Manifest, ...]:
        """Manifests, latest stage first."""
        return self.evidence.manifest, self.model, self.samples.manifest, self.cube.manifest

    @property
    def inputs(self) -> dict[str, str]:
        """Content hash of each, by contract."""
        return {manifest.contract: manifest.content_hash for manifest in self.chain}

    @cached_property
    def licences(self) -> tuple[str, ...]:
        """Licence and attribution lines of all."""
        return tuple(sorted({line for manifest in self.chain for line in manifest.licences}))

    @property
    def tags(self) -> dict[str, str]:
        """GeoTIFF tags of every map."""
        return {"MODEL": self.model.content_hash, "ATTRIBUTION": "; ".join(self.licences)}

    @cached_property
    def calibration(self) -> Calibration | None:
        """What makes probabilities of the scores; None where the evaluation knew no truth."""
        return read_calibration(self.evidence.folder)

    @property
    def threshold(self) -> float:
        """Score from which a pixel counts as changed."""
        chosen = self.evidence.threshold
        return THRESHOLD if chosen is None else chosen
