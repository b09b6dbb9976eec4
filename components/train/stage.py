"""The train stage: learn from the training blocks, choose by the validation blocks."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import pandas as pd

from components.progress import shown
from groundshift.artifacts import Draft, Manifest, Summary, canonical_json, writing
from groundshift.cube.store import Cube
from groundshift.models.influence import measure_radius, scenes
from groundshift.models.inputs import fit_inputs, select_streams
from groundshift.models.networks import NetworkSpec
from groundshift.models.store import CONTRACT, HISTORY, PROBE, Detector, write_probe
from groundshift.models.training import Epoch, Training
from groundshift.products.serving.scorer import OPENER, example
from groundshift.samples.loader import Loader
from groundshift.samples.store import Samples
from groundshift.services import tracking
from groundshift.settings import TrainSettings, TrainStage

WINDOW_SETTINGS = ("length", "min_steps", "max_steps", "patch", "labels")
"""What a model remembers of the windows it was trained on."""


def run(settings: TrainStage, *, cube: Path, samples: Path, model: Path) -> Summary:
    """Train an ensemble of networks on the windows of the training blocks.

    Args:
        settings: of the stage.
        cube: artifact with the images.
        samples: artifact with windows, patches and labels.
        model: where the artifact goes.

    Raises:
        ContractError: samples that index another cube.
        SettingsError: a variant or features that can't be had, or training that diverges.
    """
    images, indexed = Cube.open(cube), Samples.open(samples)
    indexed.require(images)
    manifests = {"cube": images.manifest, "samples": indexed.manifest}
    with writing(
        model,
        CONTRACT,
        area=settings.name,
        settings=settings.affecting(),
        inputs={name: manifest.content_hash for name, manifest in manifests.items()},
        resume=True,
    ) as draft:
        draft.licences.update(*(manifest.licences for manifest in manifests.values()))
        training = _train(settings.train, images, indexed, draft)
    content_hash = draft.finished.content_hash
    tracking.log_model(model, opener=OPENER, example=example(model), content_hash=content_hash)
    return _summary(model, draft.finished, training.best)


def _train(settings: TrainSettings, cube: Cube, samples: Samples, draft: Draft) -> Training:
    """Train all members and write what they became."""
    signature = select_streams(cube.signature, settings.variant)
    patches = samples.splits[samples.splits["split"] == "training"].sort_values("patch")
    inputs = fit_inputs(signature, cube.cells, patches, features=settings.features)
    spec = NetworkSpec.of_preset(
        settings.preset,
        radar_channels=inputs.channels("radar"),
        optical_channels=inputs.channels("optical"),
        dropout=settings.dropout,
        span=settings.span,
    )
    validation = Loader(
        samples, cube, "validation", batch=settings.batch, stride=settings.validation_stride
    )
    training = Training(
        spec, inputs, _loader(settings, cube, samples), validation, settings, draft.scratch
    )
    for epoch in shown(training.run(), "epochs", training.epochs):
        tracking.log_metrics(_metrics(epoch, settings.members), epoch.epoch)
    windows = {name: samples.settings[name] for name in WINDOW_SETTINGS}
    detector = Detector(spec, inputs, signature, 0, training.members, windows)
    _write(detector, training, cube, samples, validation, draft)
    return training


def _loader(settings: TrainSettings, cube: Cube, samples: Samples) -> Loader:
    return Loader(
        samples,
        cube,
        "training",
        batch=settings.batch,
        stride=settings.stride,
        augment=settings.augment,
        control=settings.control,
    )


def _write(
    detector: Detector,
    training: Training,
    cube: Cube,
    samples: Samples,
    validation: Loader,
    draft: Draft,
) -> None:
    """Measure the influence radius and write the artifact's files."""
    windows = samples.windows_of("validation")
    seen = scenes(cube, windows, detector.inputs.roles)
    detector = replace(detector, radius=measure_radius(detector.score_streams, seen))
    detector.write(draft.folder)
    history = pd.DataFrame(training.history)
    history.to_csv(draft.folder / HISTORY, index=False, lineterminator="\n")
    write_probe(draft.folder / PROBE, detector, next(validation.epoch()))
    draft.values.add_text("inputs", [canonical_json(detector.inputs.to_dict())])
    for name, array in detector.arrays().items():
        draft.values.add(name, array)
    draft.summary.update(
        members=len(detector.members),
        parameters=detector.networks[0].count_params(),
        radius=detector.radius,
        best=[asdict(epoch) for epoch in training.best],
    )
    draft.record["epoch_seconds"] = [round(seconds, 3) for seconds in training.seconds]


def _metrics(epoch: Epoch, members: int) -> dict[str, float]:
    """An epoch's numbers by name; each member of an ensemble has its own."""
    prefix = f"member_{epoch.member}/" if members > 1 else ""
    values = {
        "loss": epoch.loss,
        "validation_loss": epoch.validation_loss,
        "validation_pr_auc": epoch.validation_pr_auc,
        "learning_rate": epoch.learning_rate,
    }
    return {f"{prefix}{name}": value for name, value in values.items() if value is not None}


def _summary(model: Path, manifest: Manifest, best: Sequence[Epoch]) -> Summary:
    """The numbers of the best epochs, on average over the members."""
    areas = [epoch.validation_pr_auc for epoch in best if epoch.validation_pr_auc is not None]
    metrics = {
        "best_validation_loss": fmean(epoch.validation_loss for epoch in best),
        "radius": float(manifest.summary["radius"]),
        "parameters": float(manifest.summary["parameters"]),
    }
    if areas:
        metrics["best_validation_pr_auc"] = fmean(areas)
    epochs = ", ".join(str(epoch.epoch) for epoch in best)
    note = (
        f"{len(best)} network(s) of {manifest.summary['parameters']} parameters, best epoch "
        f"{epochs}; a score is influenced from up to {manifest.summary['radius']} pixels away"
    )
    return Summary(
        stage="train",
        artifact=model,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics=metrics,
        notes=(note,),
    )
