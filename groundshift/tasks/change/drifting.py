"""The drift report: whether new images still are what the model was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundshift.artifacts import Draft
from groundshift.assessment.drift import CONTRACT, PAGE, measure_drift, trained_until
from groundshift.cube.store import Cube
from groundshift.models.store import Detector
from groundshift.settings import EvaluateStage
from groundshift.tasks.protocol import Account


@dataclass(frozen=True)
class Comparing:
    """The newest images of all cells beside those of the training.

    Attributes:
        settings: of the stage.
        cube: the images.
        detector: trained on others.
    """

    settings: EvaluateStage
    cube: Cube
    detector: Detector
    contract: str = CONTRACT
    resumes: bool = False

    @classmethod
    def open(cls, settings: EvaluateStage, cube: Path, model: Path) -> "Comparing":
        """Open both."""
        return cls(settings, Cube.open(cube), Detector.open(model, verify=False))

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes of cube and model."""
        return {
            "cube": self.cube.manifest.content_hash,
            "model": self.detector.manifest.content_hash,
        }

    def write(self, draft: Draft) -> Account:
        """Compare, and say whether to train anew.

        Raises:
            ContractError: a cube whose numbers the model doesn't take.
        """
        manifest = self.detector.manifest
        found = measure_drift(
            self.detector,
            self.cube.cells,
            self.settings.evaluate.drift,
            trained_until=trained_until(manifest.settings, manifest.record["started"]),
        )
        found.write(draft.folder)
        draft.values.add_scores("drift", np.array([band.difference for band in found.bands]))
        draft.summary.update(drift=found.value, retrain=found.retrain)
        draft.licences.update(self.cube.manifest.licences, manifest.licences)
        note = (
            f"drift {found.value:.2f} (threshold {found.settings.threshold:g}), "
            f"{found.new_windows} new windows: "
        )
        return Account(
            metrics={"drift": found.value, "new_windows": float(found.new_windows)},
            figures=(PAGE,),
            notes=(note + ("training pays" if found.retrain else "no need to train"),),
            pages={"report": PAGE},
            parameters={"drift": found.value, "retrain": found.retrain},
        )
