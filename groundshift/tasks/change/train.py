"""The networks: learn from the training blocks, choose by the validation blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from groundshift.artifacts import Draft, canonical_json
from groundshift.cube.store import Cube
from groundshift.memory import Room
from groundshift.models.footprint import training_bytes
from groundshift.models.influence import measure_radius, scenes
from groundshift.models.inputs import fit_inputs, select_streams
from groundshift.models.networks import NetworkSpec
from groundshift.models.store import CONTRACT, HISTORY, PROBE, Detector, write_probe
from groundshift.models.training import Epoch, Training
from groundshift.progress import shown
from groundshift.samples.loader import MEMORY, Loader
from groundshift.samples.store import Samples
from groundshift.services import tracking
from groundshift.settings import TrainStage
from groundshift.tasks.protocol import Account

WINDOW_SETTINGS = ("length", "min_steps", "max_steps", "patch", "labels")
"""What a model remembers of the windows it was trained on."""


@dataclass(frozen=True)
class Learning:
    """An ensemble of networks, trained on the windows of the training blocks.

    Attributes:
        settings: of the stage.
        cube: the images.
        samples: windows, patches and labels.
    """

    settings: TrainStage
    cube: Cube
    samples: Samples
    contract: str = CONTRACT
    resumes: bool = True

    @classmethod
    def open(cls, settings: TrainStage, cube: Path, samples: Path) -> "Learning":
        """Open what there is to learn from.

        Raises:
            ContractError: samples that index another cube.
        """
        images, indexed = Cube.open(cube), Samples.open(samples)
        indexed.require(images)
        return cls(settings, images, indexed)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes of cube and samples."""
        return {
            "cube": self.cube.manifest.content_hash,
            "samples": self.samples.manifest.content_hash,
        }

    def write(self, draft: Draft) -> Account:
        """Train, and write the networks.

        Raises:
            SettingsError: a variant or features that can't be had, or training that diverges.
        """
        for manifest in (self.cube.manifest, self.samples.manifest):
            draft.licences.update(manifest.licences)
        training = _train(self.settings, self.cube, self.samples, draft)
        return _account(draft.summary, training.best)


def _train(stage: TrainStage, cube: Cube, samples: Samples, draft: Draft) -> Training:
    """Train all members and write what they became."""
    settings = stage.train
    signature = select_streams(cube.signature, settings.variant)
    patches = samples.splits[samples.splits["split"] == "training"].sort_values("patch")
    inputs = fit_inputs(
        signature,
        cube.cells,
        patches,
        features=settings.features,
        neighbours=settings.neighbours,
    )
    spec = NetworkSpec.of_preset(
        settings.preset,
        radar_channels=inputs.channels("radar"),
        optical_channels=inputs.channels("optical"),
        context_channels=inputs.context_channels,
        dropout=settings.dropout,
        span=settings.span,
    )
    learnt, validation = _loaders(stage, cube, samples, spec)
    training = Training(spec, inputs, learnt, validation, settings, draft.scratch)
    for epoch in shown(training.run(), "epochs", training.epochs):
        tracking.log_metrics(_metrics(epoch, settings.members), epoch.epoch)
    windows = {name: samples.settings[name] for name in WINDOW_SETTINGS}
    detector = Detector(spec, inputs, signature, 0, training.members, windows)
    _write(detector, training, cube, samples, validation, draft)
    return training


def _loaders(
    stage: TrainStage, cube: Cube, samples: Samples, spec: NetworkSpec
) -> tuple[Loader, Loader]:
    """Readers of the training and of the validation samples, within what memory is left.

    Raises:
        SettingsError: a batch doesn't fit.
    """
    settings = stage.train
    learnt = Loader(
        samples,
        cube,
        "training",
        batch=settings.batch,
        stride=settings.stride,
        at_most=settings.samples,
        augment=settings.augment,
        control=settings.control,
        neighbours=settings.neighbours,
    )
    validation = Loader(
        samples,
        cube,
        "validation",
        batch=settings.batch,
        stride=settings.validation_stride,
        at_most=settings.samples,
        neighbours=settings.neighbours,
    )
    room = Room(stage.memory, "train")
    need = training_bytes(spec, learnt.batch_looks)
    steps = learnt.batch_looks // (settings.batch * samples.settings["patch"] ** 2)
    room.require(
        need,
        f"a batch of {settings.batch} patches over {steps} steps",
        f"lower train.batch (now {settings.batch}) or window.patch",
    )
    kept = room.left(need + 2 * MEMORY) - need
    for loader in (learnt, validation):
        loader.keep(kept // 2)
    return learnt, validation


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
    seen = scenes(cube, windows, detector.inputs)
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


def _account(summary: Mapping[str, Any], best: Sequence[Epoch]) -> Account:
    """The numbers of the best epochs, on average over the members."""
    areas = [epoch.validation_pr_auc for epoch in best if epoch.validation_pr_auc is not None]
    metrics = {
        "best_validation_loss": fmean(epoch.validation_loss for epoch in best),
        "radius": float(summary["radius"]),
        "parameters": float(summary["parameters"]),
    }
    if areas:
        metrics["best_validation_pr_auc"] = fmean(areas)
    epochs = ", ".join(str(epoch.epoch) for epoch in best)
    note = (
        f"{len(best)} network(s) of {summary['parameters']} parameters, best epoch "
        f"{epochs}; a score is influenced from up to {summary['radius']} pixels away"
    )
    return Account(metrics=metrics, notes=(note,))
