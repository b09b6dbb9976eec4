"""The strong baseline: gradient boosted trees (LightGBM) on statistics of each pixel's windows.

It sees what a hand-made detector would look at (means, scatter, first against last third, extremes,
the best step), one pixel at a time, and learns from the same labels of the same training blocks as
the network. Where the network sees the windows before and after, it does, too.
"""

from collections.abc import Iterable, Iterator

import lightgbm
import numpy as np
from numpy.typing import NDArray

from groundshift.assessment.strips import Spans, Strip
from groundshift.assessment.window_statistics import Looks

Table = NDArray[np.float32]

ROUNDS = 300
PARAMETERS: dict[str, object] = {
    "objective": "binary",
    # Change is rare: both classes weigh the same.
    "is_unbalance": True,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "verbosity": -1,
    # One thread and a fixed layout give the same trees on every run.
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
}
"""Chosen on validation blocks of the demo area among a few sizes, which hardly differed."""

TRAINING_ROWS = 40_000
"""About so many rows are learnt from; more of these overlapping windows add time, not skill."""


def features(strip: Strip, spans: Spans, *, neighbours: bool = False) -> Iterator[Table]:
    """Statistics of every pixel, window by window: [pixel, feature], pixels in rows.

    Per band and index: mean, standard deviation, mean of the first and of the last third, their
    difference, least, largest. Per radar band and optical index: strength and size of the best
    step. NaN where the ground was not seen, which the trees take as a value of its own.

    Args:
        strip: the ground.
        spans: the windows.
        neighbours: also the means of the windows before and after, and how the ground went on
            from one to the other.
    """
    seen = (*strip.radar, strip.optical, strip.indices)
    for window in range(len(spans)):
        parts = [part for looks in strip.radar for part in _statistics(looks, spans, window)]
        parts += [part for looks in strip.radar for part in _steps(looks, spans, window)]
        if strip.optical is not None:
            parts += _statistics(strip.optical, spans, window)
        if strip.indices is not None:
            parts += _statistics(strip.indices, spans, window)
            parts += _steps(strip.indices, spans, window)
        if neighbours:
            parts += [p for looks in seen if looks for p in _succession(looks, spans, window)]
        table = np.concatenate(parts, axis=-1).astype(np.float32)
        yield table.reshape(-1, table.shape[-1])


def _statistics(looks: Looks, spans: Spans, window: int) -> list[NDArray[np.floating]]:
    first, stop = spans.current[window]
    early, late = (looks.mean(*part) for part in spans.thirds(window))
    least, largest = looks.extremes(first, stop)
    return [
        looks.mean(first, stop),
        looks.deviation(first, stop),
        early,
        late,
        late - early,
        least,
        largest,
    ]


def _steps(looks: Looks, spans: Spans, window: int) -> list[NDArray[np.floating]]:
    first, stop = spans.current[window]
    step = looks.best_step(first, stop)
    return [step.strength[..., None], step.change]


def _succession(looks: Looks, spans: Spans, window: int) -> list[NDArray[np.floating]]:
    before, after = (looks.mean(*part) for part in spans.compared(window))
    early, late = (looks.mean(*part) for part in spans.thirds(window))
    return [before, after, after - before, early - before, after - late]


class BoostedTrees:
    """A fitted classifier of pixels and windows."""

    name = "lightgbm"

    def __init__(self, booster: lightgbm.Booster, *, neighbours: bool = False) -> None:
        self.booster = booster
        self._neighbours = neighbours

    @classmethod
    def fit(
        cls,
        rows: Iterable[Table],
        positive: Iterable[NDArray[np.bool_]],
        seed: int,
        *,
        neighbours: bool = False,
    ) -> "BoostedTrees":
        """Learn from tables [row, feature] and whether each row is a change [row].

        The model is the same for the same rows and seed.

        Args:
            rows: tables of `features`.
            positive: of each table.
            seed: of the trees.
            neighbours: whether the tables hold what is known of neighbours.
        """
        table, labels = np.concatenate(list(rows)), np.concatenate(list(positive))
        parameters = PARAMETERS | {"seed": seed}
        booster = lightgbm.train(parameters, lightgbm.Dataset(table, labels), ROUNDS)
        return cls(booster, neighbours=neighbours)

    def __call__(self, strip: Strip, spans: Spans) -> Table:
        """Score of every window and pixel, 0 to 1: [window, y, x]."""
        shape = strip.shape
        tables = features(strip, spans, neighbours=self._neighbours)
        scores = [self.booster.predict(table, num_threads=1) for table in tables]
        return np.stack(scores).astype(np.float32).reshape(-1, *shape)
