"""Trees on the series of the training samples, stopped by those of the validation samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.artifacts import Draft, canonical_json
from groundshift.cube.store import Cube
from groundshift.domain.time import parse_duration
from groundshift.memory import Room
from groundshift.models.pixel_series import PixelSeries, Table
from groundshift.models.pixel_trees import (
    CONTRACT,
    HISTORY,
    PROBE_PIXELS,
    LandClass,
    PixelTrees,
    learn,
)
from groundshift.samples.pixels import PixelSamples
from groundshift.settings import LandcoverTrainStage
from groundshift.tasks.landcover.room import SQUARE, edge_within, require_table
from groundshift.tasks.protocol import Account


@dataclass(frozen=True)
class Learning:
    """A classifier of pixels.

    Attributes:
        settings: of the stage.
        cube: the images.
        samples: which pixels of it, and their class.
        series: what is taken of the cube.
    """

    settings: LandcoverTrainStage
    cube: Cube
    samples: PixelSamples
    series: PixelSeries
    contract: str = CONTRACT
    resumes: bool = False

    @classmethod
    def open(cls, settings: LandcoverTrainStage, cube: Path, samples: Path) -> "Learning":
        """Open what there is to learn from.

        Raises:
            ContractError: samples that index another cube.
            SettingsError: indices that can't be made of the cube's bands.
        """
        images, indexed = Cube.open(cube), PixelSamples.open(samples)
        indexed.require(images)
        own = indexed.manifest.settings["window"]
        series = PixelSeries.of(
            images.signature,
            tuple(own["indices"]),
            interval_of(indexed),
            (settings.period.start_seconds, settings.period.end_seconds),
        )
        return cls(settings, images, indexed, series)

    @property
    def inputs(self) -> Mapping[str, str]:
        """Content hashes of cube and samples."""
        return {
            "cube": self.cube.manifest.content_hash,
            "samples": self.samples.manifest.content_hash,
        }

    def write(self, draft: Draft) -> Account:
        """Train, and write the trees."""
        draft.licences.update(self.cube.manifest.licences, self.samples.manifest.licences)
        start = self.settings.period.start_seconds
        classes = self.samples.manifest.summary["classes"]
        drawn = [self.samples.of(split) for split in ("training", "validation")]
        room = Room(self.settings.memory, "train")
        held = require_table(room, self.series, sum(map(len, drawn)), len(classes))
        cells = self.cube.cells.values()
        edge = edge_within(room, self.series, cells, widest=SQUARE, held=held)
        training, validation = (
            labelled(self.cube, rows, self.series, start, edge) for rows in drawn
        )
        learnt = learn(self.settings.train, training, validation, self.series.names, len(classes))
        commonest = int(np.argmax(self.samples.manifest.summary["training_pixels"])) + 1
        kinds = tuple(LandClass(one["name"], one["colour"]) for one in classes)
        trees = PixelTrees(learnt.text, self.series, kinds, commonest)
        trees.write(draft.folder, training[0][:PROBE_PIXELS])
        learnt.history.to_csv(draft.folder / HISTORY, index=False, lineterminator="\n")
        probe = trees.probabilities(training[0][:PROBE_PIXELS])
        draft.values.add_text("series", [canonical_json(self.series.to_dict())])
        draft.values.add_scores("probe", probe)
        draft.summary.update(rounds=learnt.rounds, features=len(self.series.names))
        return _account(learnt.rounds, learnt.history, len(training[1]), self.series)


def interval_of(samples: PixelSamples) -> int:
    """Seconds between two instants of the regular view that samples are made for."""
    interval = parse_duration(samples.manifest.settings["window"]["interval"])
    return int(interval.total_seconds())


def labelled(
    cube: Cube, samples: pd.DataFrame, series: PixelSeries, start: int, edge: int
) -> tuple[Table, NDArray[np.uint8]]:
    """The series of some pixels, and their class, in the order of the samples.

    Args:
        cube: the images.
        samples: rows of `samples.parquet`.
        series: what is taken of the cube.
        start: first instant in seconds since 1970.
        edge: of the squares that are read at once, in pixels.

    Returns:
        [sample, feature], [sample].
    """
    features = np.full((len(samples), len(series.names)), np.nan, np.float32)
    # Squares of pixels are read once, with all samples in them.
    squares = samples.groupby(["cell", samples["y"] // edge, samples["x"] // edge])
    for (cell, _, _), own in squares:
        y, x = own["y"].to_numpy(), own["x"].to_numpy()
        rows, columns = (slice(int(at.min()), int(at.max()) + 1) for at in (y, x))
        read = series.read(cube.cells[str(cell)], start, rows, columns)
        features[own.index.to_numpy()] = read[y - rows.start, x - columns.start]
    return features, samples["class"].to_numpy(np.uint8)


def _account(rounds: int, history: pd.DataFrame, samples: int, series: PixelSeries) -> Account:
    best = history.iloc[rounds - 1]
    losses = {f"best_{name}": float(best[name]) for name in history.columns if name != "round"}
    note = (
        f"{rounds} rounds of trees on {samples} samples, each of {len(series.names)} features "
        f"({series.instants} instants)"
    )
    return Account(metrics=losses | {"rounds": float(rounds)}, notes=(note,))
