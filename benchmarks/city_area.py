"""The area of new built-up ground from a stratified sample of a trained network's map.

An analyst who judges some hundred pixels gets an area with an interval (`groundshift.assessment.
area`, from strata as those of `groundshift review sample`). Here every pixel's truth is known, so
that the sample can be drawn many times over: the interval should hold the true area in about 95 of
100 draws.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groundshift.assessment.area import allocate, estimate_areas
from groundshift.assessment.protocol import seconds
from groundshift.assessment.strata import (
    BESIDE,
    DOUBTFUL,
    ELSEWHERE,
    beside,
    doubtful_above,
    expected_change,
)
from groundshift.cube.store import Cube
from groundshift.domain.cells import pixel_area
from groundshift.models.inference import map_cell
from groundshift.models.store import Detector
from groundshift.samples.labels.truth import POSITIVE, DatedPolygons
from groundshift.samples.store import Samples
from pipelines.comparison import Run

DRAWS, MORE_DRAWS = 200, 2000
"""Samples that are drawn; the first of them are those that a share of them is told of."""
UNITS, LEAST = 600, 50
"""Pixels of each sample, and of each stratum at least."""
_EVERY = 15  # test windows apart, 60 days
_CHANGE = "change"
_HECTARE = 1e4  # square metres
_ROUNDING = 1e-9  # of sums in another order

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AreaCheck:
    """Areas in hectares; of the samples the mean over all draws.

    Attributes:
        true: area of the ground that became built-up.
        mapped: pixels of the map, counted.
        estimated: from a sample.
        half_width: half the length of its 95 % interval.
        held: share of the first draws whose interval holds the true area.
        held_by_more: the same of all draws.
    """

    true: float
    mapped: float
    estimated: float
    half_width: float
    held: float
    held_by_more: float


def area_check(run: Run) -> AreaCheck:
    """Map the whole city in the test windows' time, and draw samples of it.

    Scores that an earlier call mapped are kept beside the evaluation.
    """
    kept = _kept(run)
    if not kept.is_file():
        scores, changed, hectares = _map(run)
        np.savez_compressed(kept, scores=scores, changed=changed, hectares=hectares)
    with np.load(kept) as found:
        return check_draws(
            found["scores"], found["changed"], _threshold(run), float(found["hectares"])
        )


def checked(run: Run) -> bool:
    """Whether there is something to tell without mapping."""
    return _kept(run).is_file()


def check_draws(scores: Floats, changed: Bools, threshold: float, hectares: float) -> AreaCheck:
    """Draw samples of a map whose truth is known.

    Args:
        scores: [y, x], greatest of all windows.
        changed: [y, x], what is true.
        threshold: of a score that counts as change.
        hectares: of a pixel.
    """
    truths = {name: changed[mask] for name, mask in _strata(scores, threshold).items()}
    true = float(changed.sum()) * hectares
    drawn = np.array([_drawn(truths, hectares, draw) for draw in range(MORE_DRAWS)])
    area, low, high = drawn.T
    held = (low <= true + _ROUNDING) & (true <= high + _ROUNDING)
    return AreaCheck(
        true,
        float((scores >= threshold).sum()) * hectares,
        float(area.mean()),
        float((high - low).mean() / 2),
        float(held[:DRAWS].mean()),
        float(held.mean()),
    )


def _strata(scores: Floats, threshold: float) -> dict[str, Bools]:
    """The pixels of each stratum, [y, x]."""
    mapped = scores >= threshold
    near = beside(mapped)
    rest = ~(mapped | near)
    doubtful = rest & (scores > doubtful_above([scores[rest]]))
    masks = {_CHANGE: mapped, BESIDE: near, DOUBTFUL: doubtful, ELSEWHERE: rest & ~doubtful}
    return {name: mask for name, mask in masks.items() if mask.sum() > 1}


def _drawn(truths: Mapping[str, Bools], hectares: float, seed: int) -> tuple[float, float, float]:
    """Area of change and its interval from one sample, in hectares."""
    generator = np.random.default_rng(seed)
    sizes = {name: len(truth) for name, truth in truths.items()}
    counts = allocate(sizes, {name: expected_change(name) for name in sizes}, UNITS, LEAST)
    judged = {
        name: generator.choice(truth, counts[name], replace=False) for name, truth in truths.items()
    }
    found = estimate_areas(
        {name: size * hectares for name, size in sizes.items()},
        [name for name, units in judged.items() for _ in units],
        ["yes" if unit else "no" for units in judged.values() for unit in units],
    )
    yes = found.get("yes")
    return (0.0, 0.0, 0.0) if yes is None else (yes.area, yes.low, yes.high)


def _map(run: Run) -> tuple[Floats, Bools, float]:
    """The network's greatest scores and what is true, [y, x] each, and hectares of a pixel."""
    cube, samples = Cube.open(run.folders["cube"]), Samples.open(run.folders["samples"])
    detector = Detector.open(run.folders["model"])
    (cell_cube,) = cube.cells.values()
    grid = cell_cube.cell.core
    windows = samples.windows_of("test", cell_cube.cell.id).iloc[::_EVERY]
    scores = [scores for _, scores in map_cell(detector, cell_cube, windows)]
    begin, end = seconds(windows["start"]).min(), seconds(windows["end"]).max()
    changed = DatedPolygons(samples.truth).on(grid).label(int(begin), int(end)) >= POSITIVE
    return np.max(scores, axis=0), changed, pixel_area(grid) / _HECTARE


def _threshold(run: Run) -> float:
    """From which score on the evaluation counts a pixel as changed."""
    headline = json.loads((run.folders["evaluation"] / "headline.json").read_text())
    return float(headline["threshold"])


def _kept(run: Run) -> Path:
    return run.folders["evaluation"].parent / "area.npz"
