"""The area of new built-up ground from a stratified sample of a trained network's map.

An analyst who judges some hundred pixels gets an area with an interval (`groundshift.assessment.
area`). Here every pixel's truth is known, so that the sample can be drawn many times over: the
interval should hold the true area in about 95 of 100 draws.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from groundshift.assessment.area import allocate, estimate_areas
from groundshift.assessment.protocol import seconds
from groundshift.cube.store import Cube
from groundshift.domain.cells import pixel_area
from groundshift.models.inference import map_cell
from groundshift.models.store import Detector
from groundshift.samples.labels.truth import POSITIVE, DatedPolygons
from groundshift.samples.store import Samples
from pipelines.comparison import Run

DRAWS, UNITS, LEAST = 200, 600, 150
"""Samples that are drawn, pixels of each, and pixels of each stratum."""
_EVERY = 15  # test windows apart, 60 days
_NEAR = 2  # pixels around what was mapped that make a stratum of their own, as in products.sampling
_CHANGE, _BESIDE, _ELSEWHERE = "change", "beside change", "no change"
_HECTARE = 1e4  # square metres
_ROUNDING = 1e-9  # of sums in another order


@dataclass(frozen=True)
class AreaCheck:
    """Areas in hectares; of the samples the mean over all draws.

    Attributes:
        true: area of the ground that became built-up.
        mapped: pixels of the map, counted.
        estimated: from a sample.
        half_width: of its 95 % interval.
        held: share of the draws whose interval holds the true area.
    """

    true: float
    mapped: float
    estimated: float
    half_width: float
    held: float


def area_check(run: Run) -> AreaCheck:
    """Map the whole city in the test windows' time, and draw samples of it.

    What an earlier call found is kept beside the evaluation.
    """
    kept = _kept(run)
    if not kept.is_file():
        mapped, changed, hectares = _map(run)
        found = check_draws(mapped, changed, hectares)
        kept.write_text(json.dumps(asdict(found)) + "\n")
    return AreaCheck(**json.loads(kept.read_text()))


def checked(run: Run) -> bool:
    """Whether there is something to tell without mapping."""
    return _kept(run).is_file()


def check_draws(
    mapped: NDArray[np.bool_], changed: NDArray[np.bool_], hectares: float
) -> AreaCheck:
    """Draw samples of a map whose truth is known.

    Args:
        mapped: [y, x], what the map says.
        changed: [y, x], what is true.
        hectares: of a pixel.
    """
    near = binary_dilation(mapped, iterations=_NEAR) & ~mapped
    masks = {_CHANGE: mapped, _BESIDE: near, _ELSEWHERE: ~(mapped | near)}
    truths = {name: changed[mask] for name, mask in masks.items() if mask.sum() > 1}
    true = float(changed.sum()) * hectares
    drawn = np.array([_drawn(truths, hectares, draw) for draw in range(DRAWS)])
    area, low, high = drawn.T
    return AreaCheck(
        true,
        float(mapped.sum()) * hectares,
        float(area.mean()),
        float((high - low).mean() / 2),
        float(((low <= true + _ROUNDING) & (true <= high + _ROUNDING)).mean()),
    )


def _drawn(
    truths: Mapping[str, NDArray[np.bool_]], hectares: float, seed: int
) -> tuple[float, float, float]:
    """Area of change and its interval from one sample, in hectares."""
    generator = np.random.default_rng(seed)
    counts = allocate({name: len(truth) for name, truth in truths.items()}, UNITS, LEAST)
    judged = {
        name: generator.choice(truth, counts[name], replace=False) for name, truth in truths.items()
    }
    found = estimate_areas(
        {name: len(truth) * hectares for name, truth in truths.items()},
        [name for name, units in judged.items() for _ in units],
        ["yes" if unit else "no" for units in judged.values() for unit in units],
    )
    yes = found.get("yes")
    return (0.0, 0.0, 0.0) if yes is None else (yes.area, yes.low, yes.high)


def _map(run: Run) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """What the network maps and what is true, [y, x] each, and hectares of a pixel."""
    cube, samples = Cube.open(run.folders["cube"]), Samples.open(run.folders["samples"])
    detector = Detector.open(run.folders["model"])
    (cell_cube,) = cube.cells.values()
    grid = cell_cube.cell.core
    windows = samples.windows_of("test", cell_cube.cell.id).iloc[::_EVERY]
    scores = [scores for _, scores in map_cell(detector, cell_cube, windows)]
    mapped = np.max(scores, axis=0) >= _threshold(run)
    begin, end = seconds(windows["start"]).min(), seconds(windows["end"]).max()
    changed = DatedPolygons(samples.truth).on(grid).label(int(begin), int(end)) >= POSITIVE
    return mapped, changed, pixel_area(grid) / _HECTARE


def _threshold(run: Run) -> float:
    """From which score on the evaluation counts a pixel as changed."""
    headline = json.loads((run.folders["evaluation"] / "headline.json").read_text())
    return float(headline["threshold"])


def _kept(run: Run) -> Path:
    return run.folders["evaluation"].parent / "area.json"
