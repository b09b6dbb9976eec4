"""Simple detectors that a network must beat, each a score of every window and pixel.

Each one compares before with after (the previous and next window of a triple, the outer thirds of
a single window), looks for a step inside the window, or watches it by a control chart; none of them
learns. Ground that was not
seen scores 0: nothing is known to have changed there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.assessment.control_charts import ControlChart, cusum, ewma
from groundshift.assessment.omnibus import change_evidence
from groundshift.assessment.strips import Spans, Steps, Strip, optical_places
from groundshift.assessment.window_statistics import normalised_difference
from groundshift.cube.store import CellCube
from groundshift.domain.bands import Role
from groundshift.samples.labels.index import IndexParts
from groundshift.samples.labels.synthetic import PARTS, RADAR_ROLES, index_sums, regional_betas

Scores = NDArray[np.float32]
Predictor = Callable[[Strip, Spans], Scores]
"""Gives scores [window, y, x] of a strip."""

_INDEX_ROLES: tuple[Role, ...] = ("blue", "green", "swir1", "swir2")


def simple_baselines(
    cube: CellCube, betas: pd.DataFrame, shift: float, enl: float
) -> dict[str, Predictor | str]:
    """The detectors by name, or the reason why a cube doesn't allow one.

    Args:
        cube: any cell; all have the same sensors.
        betas: of `compared_betas`.
        shift: of the impervious surface index, as for the synthetic labels.
        enl: equivalent number of looks of a radar image, for the omnibus test.
    """
    places = optical_places(cube)
    optical: dict[str, Predictor] = {
        "ndvi_difference": ndvi_difference,
        "ndvi_cusum": ControlChart(cusum),
        "ndvi_ewma": ControlChart(ewma),
    }
    radar: dict[str, Predictor] = {
        "omnibus_test": OmnibusTest(enl),
        "radar_log_ratio": radar_log_ratio,
        "radar_step": radar_step,
    }
    missing = "no {} among the cube's sensors"
    found: dict[str, Predictor | str] = {}
    if betas.empty:
        found["endisi_difference"] = missing.format("blue, green and two SWIR bands")
    else:
        found["endisi_difference"] = EndisiDifference(betas, shift)
    red_and_nir = {"red", "nir"} <= places.keys()
    found |= optical if red_and_nir else dict.fromkeys(optical, missing.format("red and NIR bands"))
    has_radar = any(role in cube.roles for role in RADAR_ROLES)
    found |= radar if has_radar else dict.fromkeys(radar, missing.format("radar stream"))
    return found


def ndvi_difference(strip: Strip, spans: Spans) -> Scores:
    """Absolute difference of NDVI between the mean images after and before."""

    def ndvi(steps: Steps) -> Scores:
        mean = _optical_mean(strip, steps)
        return normalised_difference(mean[..., strip.places["nir"]], mean[..., strip.places["red"]])

    def score(window: int) -> Scores:
        before, after = (ndvi(steps) for steps in spans.compared(window))
        return np.asarray(np.abs(after - before))

    return _per_window(spans, score)


@dataclass(frozen=True)
class EndisiDifference:
    """Absolute difference of the impervious surface index (method section 7.4), as labels use it.

    Attributes:
        betas: rows of `compared_betas`.
        shift: of the index.
    """

    betas: pd.DataFrame
    shift: float

    def __call__(self, strip: Strip, spans: Spans) -> Scores:
        """Scores of a strip, [window, y, x]."""
        mine = self.betas[self.betas["cell"] == spans.cell]
        regional: Mapping[tuple[int, str], float] = mine.set_index(["id", "part"])["beta"]
        places = [strip.places[role] for role in _INDEX_ROLES]

        def score(window: int) -> Scores:
            before, after = (
                IndexParts.of(_optical_mean(strip, steps)[..., places]).endisi(
                    regional[int(spans.ids[window]), part], self.shift
                )
                for steps, part in zip(spans.compared(window), PARTS, strict=True)
            )
            return np.asarray(np.abs(after - before))

        return _per_window(spans, score)


def compared_betas(cubes: Sequence[CellCube], windows: pd.DataFrame) -> pd.DataFrame:
    """Regional betas of the images before and after each window, over all cells.

    Args:
        cubes: the cells.
        windows: complete rows of `samples.parquet`.

    Returns:
        Rows of `regional_betas`; empty where the cube lacks the index's bands.
    """
    if not set(_INDEX_ROLES) <= optical_places(cubes[0]).keys():
        return pd.DataFrame(columns=["cell", "id", "part", "beta"])
    tables = []
    for cube in cubes:
        mine = windows[windows["cell"] == cube.cell.id]
        spans = Spans.of(mine)
        pairs = np.array([spans.compared(i) for i in range(len(spans))]).reshape(-1, 4)
        names = ("previous_first", "previous_stop", "next_first", "next_stop")
        compared = mine.assign(**dict(zip(names, pairs.T, strict=True)))
        tables.append(index_sums(cube, compared))
    # Apart, since the outer thirds of two windows may begin together and yet differ in length.
    parts = [[table[table["part"] == part] for table in tables] for part in PARTS]
    return pd.concat([regional_betas(part) for part in parts], ignore_index=True)


@dataclass(frozen=True)
class OmnibusTest:
    """Evidence against one mean of all looks in the window, over the radar streams together.

    Attributes:
        enl: equivalent number of looks of an image.
    """

    enl: float

    def __call__(self, strip: Strip, spans: Spans) -> Scores:
        """Scores of a strip, [window, y, x]."""
        return change_evidence(strip.power, spans.current, enl=self.enl)


def radar_log_ratio(strip: Strip, spans: Spans) -> Scores:
    """Absolute difference of mean decibels after and before, mean over bands and orbits."""

    def score(window: int) -> Scores:
        before, after = spans.compared(window)
        parts = [np.abs(looks.mean(*after) - looks.mean(*before)) for looks in strip.radar]
        return np.asarray(np.concatenate(parts, axis=-1).mean(axis=-1))

    return _per_window(spans, score)


def radar_step(strip: Strip, spans: Spans) -> Scores:
    """Strength of the best step inside the window, summed over bands and orbits.

    See `Looks.best_step`; each orbit may have its own split, as they look at different times.
    """

    def score(window: int) -> Scores:
        first, stop = (int(i) for i in spans.current[window])
        strengths = [looks.best_step(first, stop).strength for looks in strip.radar]
        return np.asarray(np.sum(strengths, axis=0))

    return _per_window(spans, score)


def _optical_mean(strip: Strip, steps: Steps) -> NDArray[np.float32]:
    """Mean image [y, x, band]."""
    if strip.optical is None:
        raise ValueError("a strip without optical images has no index")
    return strip.optical.mean(*steps).astype(np.float32)


def _per_window(spans: Spans, score: Callable[[int], NDArray[np.floating]]) -> Scores:
    """Scores of all windows [window, y, x], 0 where one is not defined."""
    return np.stack([np.nan_to_num(score(i)).astype(np.float32) for i in range(len(spans))])
