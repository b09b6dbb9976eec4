"""The drift report: whether new images still are what the model was trained on."""

from pathlib import Path

import numpy as np

from groundshift.artifacts import Summary, writing
from groundshift.assessment.drift import CONTRACT, PAGE, measure_drift, trained_until
from groundshift.cube.store import Cube
from groundshift.models.store import Detector
from groundshift.settings import EvaluateStage


def run(settings: EvaluateStage, *, cube: Path, model: Path, drift: Path) -> Summary:
    """Compare the newest images of all cells with the training, and say whether to train anew.

    Args:
        settings: of the stage.
        cube: artifact with the images.
        model: artifact that was trained on others.
        drift: where the artifact goes.

    Raises:
        ContractError: a cube whose numbers the model doesn't take.
    """
    images, detector = Cube.open(cube), Detector.open(model, verify=False)
    manifest = detector.manifest
    with writing(
        drift,
        CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs={"cube": images.manifest.content_hash, "model": manifest.content_hash},
    ) as draft:
        found = measure_drift(
            detector,
            images.cells,
            settings.evaluate.drift,
            trained_until=trained_until(manifest.settings, manifest.record["started"]),
        )
        found.write(draft.folder)
        draft.values.add_scores("drift", np.array([band.difference for band in found.bands]))
        draft.summary.update(drift=found.value, retrain=found.retrain)
        draft.licences.update(images.manifest.licences, manifest.licences)
    return Summary(
        stage="evaluate",
        artifact=drift,
        content_hash=draft.finished.content_hash,
        value_hash=draft.finished.value_hash,
        metrics={"drift": found.value, "new_windows": float(found.new_windows)},
        figures=(drift / PAGE,),
        notes=(
            f"drift {found.value:.2f} (threshold {found.settings.threshold:g}), "
            f"{found.new_windows} new windows: "
            + ("training pays" if found.retrain else "no need to train"),
        ),
        pages={"report": drift / PAGE},
        parameters={"drift": found.value, "retrain": found.retrain},
    )
