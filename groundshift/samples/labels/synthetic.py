"""Synthetic labels: radar evidence of a permanent step times the change of an impervious surface.

    label = clip(gain * S * D, 0, 1)
    S = mean over the orbits of the evidence for a step within the window     (`omnibus`)
    D = |index of the next window - index of the previous one|                (`index`)

The mean runs over the radar streams with at least three looks of the pixel in the window; a pixel
with none, or without a clear optical look in either neighbour, has no label (NaN). The published
formula (method section 7) has the same shape with S = changes per step: one permanent step gives
S = 1 / T, so that a clean change of ground ends near 0.04. Here it gives S near 1 whatever T, in
both eras, so that one gain serves both: 10 makes a clean change that moves the index by 0.1 a label
of 1. A steady pixel has S = 0 but for the chance that the test's significance allows.

Work is done by blocks of pixels. Each observation of a block is read and summed once; a window
takes its sums by subtraction and copies nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.cube.store import CellCube
from groundshift.domain import eras
from groundshift.domain.time import DAY, YEAR_DAYS
from groundshift.errors import SettingsError
from groundshift.samples.labels.index import SUMS, ClearMeans, IndexParts, beta, index_bands
from groundshift.samples.labels.omnibus import MIN_LOOKS, StepTest, accumulate, evidence
from groundshift.settings import WindowSettings

RADAR_ROLES = ("radar_a", "radar_b")
OPTICAL_ROLE = "optical"

PARTS = ("previous", "next")
"""The windows whose index is compared."""

SEASON_TOLERANCE = 30
"""Days that the two compared windows may be away from whole years apart."""

_EDGE = 128  # pixels of a block; a multiple of the cube's chunks
_BLOCK_BYTES = 192 << 20
_BYTES_PER_LOOK = 48  # a frame's values and its running sums, per pixel
_BYTES_PER_LABEL = 80  # labels, both indices and what they are made of, per pixel and window

KEPT_BYTES = 128 << 20
"""Most bytes of mean images that wait for the betas, over all cells."""

Slices = tuple[slice, slice]


@dataclass(frozen=True)
class Formula:
    """Parameters of the label.

    Attributes:
        test: The radar test.
        gain: Factor of the product.
        shift: Shift of the index.
    """

    test: StepTest
    gain: float
    shift: float

    @classmethod
    def of(cls, settings: WindowSettings) -> "Formula":
        """Those of the settings; the number of looks they may leave to the era."""
        era, own = eras.era(settings.era), settings.synthetic
        test = StepTest(own.looks or era.looks, own.significance)
        return cls(test, own.gain, own.shift)


@dataclass(frozen=True)
class BlockLabels:
    """Labels of a block.

    Attributes:
        label: [window, y, x] 0 ... 1, NaN without.
        index: [window, 2, y, x] of the previous and the next window, NaN where not defined.
        wanted_shift: [window, 2, y, x] the smallest shift at which the index is above 0.
    """

    label: NDArray[np.float32]
    index: NDArray[np.float32]
    wanted_shift: NDArray[np.float32]


def obstacle(cube: CellCube) -> str | None:
    """Why a cube can't have synthetic labels; None if it can."""
    radar = [role for role in RADAR_ROLES if role in cube.roles]
    if not radar or OPTICAL_ROLE not in cube.roles:
        found = ", ".join(cube.roles) or "none"
        return f"synthetic labels need a radar stream and the optical one, found {found}"
    try:
        index_bands(cube.sensors[cube.roles[OPTICAL_ROLE]])
    except SettingsError as error:
        return str(error)
    return None


def season_offset(length: int) -> float:
    """Days by which two windows' distance misses whole years, for a length in seconds.

    The previous and the next window lie two lengths apart; half a year of difference makes
    ploughed fields of green ones, which the index takes for change.
    """
    distance = 2 * length / DAY
    return abs(distance - round(distance / YEAR_DAYS) * YEAR_DAYS)


def _edge(cube: CellCube) -> int:
    """Edge of the blocks in which a cell is worked on."""
    frames = len(cube.times)
    edge = _EDGE
    while edge > 32 and frames * edge * edge * _BYTES_PER_LOOK > _BLOCK_BYTES:
        edge //= 2
    return edge


def block_bytes(cube: CellCube, windows: int) -> int:
    """What a block takes: looks and sums of a stream and of the one before it, all windows' labels.

    Args:
        cube: the cell.
        windows: that are labelled.
    """
    rows, columns = (min(size, _edge(cube)) for size in cube.shape)
    per_pixel = 2 * len(cube.times) * _BYTES_PER_LOOK + windows * _BYTES_PER_LABEL
    return rows * columns * per_pixel


def blocks(cube: CellCube) -> Iterator[Slices]:
    """Rows and columns of the blocks in which a cell is worked on, bounded in memory."""
    edge = _edge(cube)
    rows, columns = cube.shape
    for y in range(0, rows, edge):
        for x in range(0, columns, edge):
            yield slice(y, min(y + edge, rows)), slice(x, min(x + edge, columns))


def core(cube: CellCube, place: Slices) -> Slices | None:
    """The part of a block inside the cell's core, relative to the block."""
    inner = []
    for block, core in zip(place, cube.cell.inner, strict=True):
        start, stop = max(block.start, core.start), min(block.stop, core.stop)
        if start >= stop:
            return None
        inner.append(slice(start - block.start, stop - block.start))
    return inner[0], inner[1]


class PartMeans:
    """Mean images of the previous and next windows of a cell, block by block.

    Betas need them of the whole region before the first label can be made, labels need them again.
    What fits into memory is kept in between, the rest is read twice.

    Attributes:
        parts: previous and next window of every window that has both.
    """

    def __init__(self, cube: CellCube, windows: pd.DataFrame, room: int = 0) -> None:
        """Take the optical frames of a cell, for these rows of `samples.parquet`.

        Args:
            cube: the cell.
            windows: those with both neighbours are used.
            room: bytes that may be kept.
        """
        self.parts = _parts(windows)
        self._cube = cube
        self._sensor = cube.roles[OPTICAL_ROLE]
        self._kept: dict[tuple[int, int], NDArray[np.float32]] = {}
        self._room = room

    def read(self, place: Slices) -> NDArray[np.float32]:
        """Mean clear looks of every part, [part, y, x, 4]; NaN without. Only once if kept."""
        key = (place[0].start, place[1].start)
        if key in self._kept:
            return self._kept.pop(key)
        bands = index_bands(self._cube.sensors[self._sensor])
        looks = ClearMeans.of(*self._cube.looks(self._sensor, *place, bands))
        means = np.empty((len(self.parts), *looks.counts.shape[1:], len(bands)), np.float32)
        for mean, part in zip(means, self.parts, strict=True):
            mean[:] = looks.mean(part.first, part.stop)
        if means.nbytes <= self._room:
            self._room -= means.nbytes
            self._kept[key] = means
        return means


def index_sums(
    cube: CellCube, windows: pd.DataFrame, means: PartMeans | None = None
) -> pd.DataFrame:
    """What the betas of a cell's windows are made from; the map before the reduce.

    Args:
        cube: the cell.
        windows: rows of `samples.parquet`; those with both neighbours are used.
        means: of these windows, to be used again for the labels.

    Returns:
        One row per window and part: cell, id, part, start (first instant of that part, seconds),
        and the sums of `index.SUMS` over the pixels of the core, which cells don't share.
    """
    means = means or PartMeans(cube, windows)
    rows = means.parts
    totals = np.zeros((len(rows), 4))
    for place in blocks(cube):
        inner = core(cube, place)
        if inner is None:
            continue
        for i, mean in enumerate(means.read(place)):
            totals[i] += IndexParts.of(mean[inner]).sums()
    columns = {
        "cell": cube.cell.id,
        "id": [part.window for part in rows],
        "part": [part.name for part in rows],
        "start": np.array([part.start for part in rows], np.int64),
    }
    return pd.DataFrame(columns | dict(zip(SUMS, totals.T, strict=True)))


def regional_betas(sums: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join the cells' sums: their rows with the beta of the whole region, the reduce.

    Windows of different cells belong together if they start at the same instant.

    Returns:
        Rows of `betas.parquet`: those given, and `beta`.
    """
    if not sums:
        return pd.DataFrame(columns=["cell", "id", "part", "start", *SUMS, "beta"])
    table = pd.concat(sums, ignore_index=True)
    regional = table.groupby("start")[list(SUMS)].transform("sum").to_numpy()
    return table.assign(beta=[beta(row) for row in regional])


def block_labels(
    cube: CellCube,
    place: Slices,
    windows: pd.DataFrame,
    betas: pd.DataFrame,
    formula: Formula,
    means: PartMeans | None = None,
) -> BlockLabels:
    """Labels of all windows on one block.

    Args:
        cube: the cell.
        place: rows and columns of the cell's grid.
        windows: rows of `samples.parquet`; those without both neighbours get no label.
        betas: rows of `regional_betas`.
        formula: parameters.
        means: those that the betas were made from, if they are still there.
    """
    paired = np.flatnonzero((windows["previous_first"] >= 0) & (windows["next_first"] >= 0))
    shape = (len(windows), place[0].stop - place[0].start, place[1].stop - place[1].start)
    label = np.full(shape, np.nan, np.float32)
    chosen = windows.iloc[paired]
    radar = _radar_evidence(cube, place, chosen, formula.test)
    own = betas[betas["cell"] == cube.cell.id]
    beta_of = own.set_index(["id", "part"])["beta"].to_dict()
    means = means or PartMeans(cube, windows)
    index, wanted = _indices(means, place, beta_of, formula.shift)
    change = np.abs(index[:, 1] - index[:, 0])
    label[paired] = np.clip(np.float32(formula.gain) * radar * change, 0, 1)
    return BlockLabels(label, index, wanted)


@dataclass(frozen=True)
class _Part:
    """The previous or next window of a window."""

    window: int
    name: str
    start: int
    first: int
    stop: int


def _parts(windows: pd.DataFrame) -> list[_Part]:
    """Previous and next window of every window that has both, in that order."""
    paired = windows[(windows["previous_first"] >= 0) & (windows["next_first"] >= 0)]
    parts = []
    for row in paired.itertuples():
        start, end = (int(np.datetime64(t, "s").astype(np.int64)) for t in (row.start, row.end))
        previous = (2 * start - end, row.previous_first, row.previous_stop)
        for name, values in zip(
            PARTS, (previous, (end, row.next_first, row.next_stop)), strict=True
        ):
            parts.append(_Part(int(row.id), name, *map(int, values)))
    return parts


def _radar_evidence(
    cube: CellCube, place: Slices, windows: pd.DataFrame, test: StepTest
) -> NDArray[np.float32]:
    """Mean evidence over the orbits, [window, y, x]; NaN where no orbit has enough looks."""
    size = (place[0].stop - place[0].start, place[1].stop - place[1].start)
    total = np.zeros((len(windows), *size), np.float32)
    orbits = np.zeros((len(windows), *size), np.uint8)
    ranges = list(zip(windows["first"].tolist(), windows["stop"].tolist(), strict=True))
    for role in RADAR_ROLES:
        if role not in cube.roles:
            continue
        sensor = cube.roles[role]
        bands = range(min(len(cube.sensors[sensor].bands), 2))
        looks = accumulate(*cube.looks(sensor, *place, bands))
        for i, (first, stop) in enumerate(ranges):
            found, count = evidence(looks, first, stop, test)
            enough = count >= MIN_LOOKS
            total[i] += np.where(enough, found, 0)
            orbits[i] += enough
    with np.errstate(invalid="ignore"):
        return np.where(orbits > 0, total / orbits, np.float32(np.nan))


def _indices(
    means: PartMeans, place: Slices, betas: Mapping[tuple[int, str], float], shift: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Index of the previous and next windows and the shift it wants, [window, 2, y, x] each."""
    images = means.read(place)
    index, wanted = np.empty((2, *images.shape[:-1]), np.float32)
    for i, (part, image) in enumerate(zip(means.parts, images, strict=True)):
        parts = IndexParts.of(image)
        regional = betas[part.window, part.name]
        index[i] = parts.endisi(regional, shift)
        wanted[i] = parts.wet - parts.raw(regional)
    pairs = (len(images) // len(PARTS), len(PARTS), *images.shape[1:-1])
    return index.reshape(pairs), wanted.reshape(pairs)
