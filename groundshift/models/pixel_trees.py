"""The classifier of land cover: gradient boosted trees (LightGBM) on the series of single pixels.

trees.txt      LightGBM's own text, which is read as data and never run
trees.json     classes, what the trees take of a cube, importance of each feature
history.csv    loss by round
probe.npz      a few pixels with the probabilities they had, by which opening is checked
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.artifacts import Manifest, read_manifest
from groundshift.artifacts.manifest import check_files
from groundshift.errors import ContractError
from groundshift.models.pixel_series import PixelSeries, Table
from groundshift.settings import LandcoverTrainSettings

CONTRACT = "model"
TREES, DESCRIPTION, HISTORY, PROBE = "trees.txt", "trees.json", "history.csv", "probe.npz"

PROBE_PIXELS = 16
PROBE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class LandClass:
    """A class: its name, and its colour as #rrggbb."""

    name: str
    colour: str


@dataclass(frozen=True)
class PixelTrees:
    """A trained classifier.

    Attributes:
        text: the trees as LightGBM writes them down.
        series: what it takes of a cube.
        classes: in the order of their numbers, from 1.
        commonest: number of the class with the most ground in the training blocks.
        origin: manifest of the artifact it comes from, if it does.
    """

    text: str
    series: PixelSeries
    classes: tuple[LandClass, ...]
    commonest: int
    origin: Manifest | None = None

    @classmethod
    def open(cls, folder: Path) -> "PixelTrees":
        """Open an artifact, check that it is whole and gives the probabilities it gave then.

        Raises:
            ContractError: not a whole model of land cover, or the probe comes out differently.
        """
        manifest = read_manifest(folder, CONTRACT)
        check_files(folder, manifest)
        try:
            described = json.loads((folder / DESCRIPTION).read_text())
            trees = cls(
                (folder / TREES).read_text(),
                PixelSeries.from_dict(described["series"]),
                tuple(LandClass(**values) for values in described["classes"]),
                described["commonest"],
                manifest,
            )
            with np.load(folder / PROBE, allow_pickle=False) as archive:
                features, expected = archive["features"], archive["probability"]
            found = trees.probabilities(features)
        except (OSError, ValueError, KeyError, TypeError, lightgbm.basic.LightGBMError) as error:
            raise ContractError(
                f"{folder}: the model can't be read ({error}). Rerun: python -m components.train"
            ) from error
        difference = float(np.abs(found - expected).max()) if expected.size else 0.0
        if not difference <= PROBE_TOLERANCE:
            raise ContractError(
                f"{folder / PROBE}: expected the stored probabilities within {PROBE_TOLERANCE}, "
                f"found a difference of {difference:.2g}. The model was changed; rerun: "
                "python -m components.train"
            )
        return trees

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes."""
        return tuple(one.name for one in self.classes)

    @property
    def manifest(self) -> Manifest:
        """Manifest of the artifact it comes from."""
        assert self.origin is not None  # everybody but training opens an artifact
        return self.origin

    def probabilities(self, features: Table) -> NDArray[np.float32]:
        """Probability of every class: [row, class], rows sum to 1.

        Args:
            features: [row, feature] as `PixelSeries` gives them, NaN where not known.
        """
        if not len(features):
            return np.zeros((0, len(self.classes)), np.float32)
        booster = lightgbm.Booster(model_str=self.text)
        return np.asarray(booster.predict(features, num_threads=1), np.float32)

    def write(self, folder: Path, probe: Table) -> None:
        """Write the artifact's files.

        Args:
            folder: of the artifact.
            probe: [row, feature] some pixels.
        """
        booster = lightgbm.Booster(model_str=self.text)
        gain = booster.feature_importance("gain")
        order = np.argsort(-gain, kind="stable")
        described = {
            "series": self.series.to_dict(),
            "classes": [dataclasses.asdict(one) for one in self.classes],
            "commonest": self.commonest,
            "gain": {self.series.names[i]: round(float(gain[i]), 3) for i in order if gain[i] > 0},
        }
        (folder / TREES).write_text(self.text)
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=1) + "\n")
        np.savez(folder / PROBE, features=probe, probability=self.probabilities(probe))


@dataclass(frozen=True)
class Learnt:
    """What training gave.

    Attributes:
        text: the trees.
        rounds: of the best validation loss.
        history: loss of training and validation by round.
    """

    text: str
    rounds: int
    history: pd.DataFrame


def learn(
    settings: LandcoverTrainSettings,
    training: tuple[Table, NDArray[np.uint8]],
    validation: tuple[Table, NDArray[np.uint8]],
    names: Sequence[str],
    classes: int,
) -> Learnt:
    """Train on some pixels, and stop where others no longer gain.

    The same settings and samples give the same trees.

    Args:
        settings: size and number of trees.
        training: features [row, feature] and class (from 1) of every row.
        validation: likewise; without rows nothing stops it.
        names: of the features.
        classes: how many there are.
    """
    features, labels = training
    weights = _weights(labels, classes, settings.balance)
    data = lightgbm.Dataset(features, labels - 1.0, weight=weights, feature_name=list(names))
    sets, titles = [data], ["loss"]
    if len(validation[1]):
        sets.append(lightgbm.Dataset(validation[0], validation[1] - 1.0, reference=data))
        titles.append("validation_loss")
    losses: dict[str, dict[str, list[float]]] = {}
    stops: list[Any] = [lightgbm.record_evaluation(losses)]
    if settings.patience and len(sets) > 1:
        # Of the training's own loss nothing is asked.
        stops.append(_stopping(settings.patience))
    booster = lightgbm.train(
        _parameters(settings, classes), data, settings.rounds, sets, titles, callbacks=stops
    )
    best = booster.best_iteration or booster.current_iteration()
    history = pd.DataFrame({title: losses[title]["multi_logloss"] for title in titles})
    history.insert(0, "round", np.arange(1, len(history) + 1))
    # Without the parameters at its end, which name threads and files of this machine.
    text = booster.model_to_string(num_iteration=best).partition("\nparameters:")[0] + "\n"
    return Learnt(text, best, history)


def _weights(labels: NDArray[np.uint8], classes: int, balance: float) -> NDArray[np.float64]:
    """Weight of every sample: the rarer its class, the more, by a power; 1 on average."""
    counts = np.maximum(np.bincount(labels, minlength=classes + 1), 1)
    weights = (1 / counts[labels]) ** balance
    scaled: NDArray[np.float64] = weights / weights.mean()
    return scaled


def _parameters(settings: LandcoverTrainSettings, classes: int) -> dict[str, Any]:
    return {
        "objective": "multiclass",
        "num_class": classes,
        "metric": "multi_logloss",
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.leaves,
        "min_data_in_leaf": settings.min_leaf,
        "feature_fraction": settings.features,
        "bagging_fraction": settings.samples,
        "bagging_freq": 1,
        "seed": settings.seed,
        # One thread and a fixed layout give the same trees on every run.
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _stopping(patience: int) -> Any:
    """Stop where the validation loss has not fallen for some rounds."""
    return lightgbm.early_stopping(patience, verbose=False)
