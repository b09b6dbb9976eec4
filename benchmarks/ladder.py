"""How faint, small and slow a change real series let one see: `python -m benchmarks.ladder FOLDER`.

Steps of 1, 3, 6 and 10 dB are planted into real radar series of the repository: squares of 0.04 to
1 ha that brighten at once, over six or over twelve months, each at its own date, in the middle half
of the series. The detectors that need no training look for them. Writes the tables of
docs/evaluation.md. A few minutes on one core.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.city_page import replaced
from groundshift.assessment.baselines import radar_log_ratio, radar_step
from groundshift.assessment.strips import Spans, Strip
from groundshift.assessment.window_statistics import Looks
from groundshift.cube.store import Cube
from pipelines.comparison import Chain

ROOT = Path(__file__).parents[1]
DECIBELS = (1, 3, 6, 10)
HECTARES = (0.04, 0.16, 0.36, 1.0)
SPEEDS = {"abrupt": 0, "6 months": 183, "12 months": 365}
SEED = 7
MARKS = ("<!-- ladder:begin -->", "<!-- ladder:end -->")
DETECTORS = {"best-split radar step": radar_step, "radar log-ratio": radar_log_ratio}
_EVERY = 20  # days between windows
_SMALLEST = 400.0  # square metres of a false event: the smallest change that is planted

HESBAYE: dict[str, Any] = {
    "area": [664000, 5611120, 665000, 5612120],
    "crs": "EPSG:32631",
    "resolution": 10,
    "period": ("2020-10-31", "2021-10-31"),
    "folder": "s1s2_monthly_hesbaye_2020_2021/s1",
    "units": "db",
}
CALIFORNIA: dict[str, Any] = {
    "area": [145800, 3905850, 148800, 3908850],
    "crs": "EPSG:32611",
    "resolution": 30,
    "period": ("2021-11-01", "2025-02-01"),
    "folder": "s1_rtc_california_2021_2025",
    "units": "linear",
}


@dataclass(frozen=True)
class Series:
    """One real series without a known change.

    Attributes:
        title: as the page has it.
        strip: its looks.
        edge: of a pixel in metres.
        spans: windows.
    """

    title: str
    strip: Strip
    edge: float
    spans: Spans

    @classmethod
    def of(cls, title: str, cube: Path, window: int) -> "Series":
        """The series of a cube's one cell, and windows of so many days."""
        (cell,) = Cube.open(cube).cells.values()
        rows, columns = (slice(0, size) for size in cell.shape)
        strip = Strip.of(cell, rows, columns)
        return cls(title, strip, float(cell.cell.grid.resolution.x), _windows(strip.days, window))

    @property
    def exposure(self) -> float:
        """Ground times time, in units of 100 km2 and a year."""
        km2 = self.strip.shape[0] * self.strip.shape[1] * self.edge**2 / 1e6
        return km2 / 100 * float(np.ptp(self.strip.days)) / 365.25


@dataclass(frozen=True)
class Square:
    """A change: place, and what it adds in decibels at every step."""

    place: tuple[slice, slice]
    course: NDArray[np.float64]


def main(folder: Path) -> None:
    """Stack the series, plant, look, write the tables."""
    lines: list[str] = []
    for series in all_series(folder):
        for name, detector in DETECTORS.items():
            lines += [*table(series, name, detector), ""]
            print(f"{series.title}: {name}", flush=True)
    replaced(ROOT / "docs" / "evaluation.md", MARKS, lines[:-1])


def all_series(folder: Path) -> Iterator[Series]:
    """The demo's village edge without its plantings, a village of Hesbaye, hills in California."""
    demo = Chain(ROOT / "params.yaml", "demo", folder, last="stack").run(["fetch.plant=null"])
    title = "Flanders, every look of 2 orbits in 16 months, 10 m, windows of 182 days"
    yield Series.of(title, demo.folders["cube"], 182)
    title = "Hesbaye, 12 monthly composites, 10 m, windows of a year"
    yield Series.of(title, radar_cube(folder, "hesbaye", HESBAYE), 366)
    title = "California, 20 looks of one orbit in 38 months, 30 m, windows of two years"
    yield Series.of(title, radar_cube(folder, "california", CALIFORNIA), 740)


def radar_cube(folder: Path, name: str, given: dict[str, Any]) -> Path:
    """The cube of a folder of radar images."""
    start, end = given["period"]
    sensor = {
        "mission": "sentinel1",
        "bands": ["VV", "VH"],
        "units": given["units"],
        "parts": [{"folder": given["folder"], "bands": ["VV", "VH"]}],
    }
    files = {"root": str(ROOT / "benchmarks" / "data"), "sensors": {"s1": sensor}}
    area = {"bounds": given["area"], "bounds_crs": given["crs"], "crs": given["crs"]}
    own = {
        "area": area | {"resolution": given["resolution"], "halo": 0},
        "period": {"start": start, "end": end},
        "fetch": {"source": "files", "files": files},
        "stack": {"radar": ["s1"]},
    }
    folder.mkdir(parents=True, exist_ok=True)
    params = folder / f"{name}.yaml"
    params.write_text(yaml.safe_dump({"task": "change", "areas": {name: own}}))
    return Chain(params, name, folder, last="stack").run([]).folders["cube"]


def table(series: Series, name: str, detector: Callable[[Strip, Spans], NDArray]) -> list[str]:
    """Recall by size of the step, area and speed, where no unchanged pixel is detected."""
    quiet = detector(series.strip, series.spans).max(axis=0)
    threshold = float(quiet.max())
    generator = np.random.default_rng(SEED)
    header = ["ha", *(f"{d} dB {speed}" for speed, d in product(SPEEDS, DECIBELS))]
    rows = [header, ["---"] * len(header)]
    for area in sorted({side * side * series.edge**2 / 1e4 for side in _sides(series.edge)}):
        side = round((area * 1e4) ** 0.5 / series.edge)
        found = []
        for days, size in product(SPEEDS.values(), DECIBELS):
            squares = drawn(series, side, size, days, generator)
            scores = detector(planted(series.strip, squares), series.spans).max(axis=0)
            # A square counts as found if half of it is.
            hits = [np.median(scores[square.place]) > threshold for square in squares]
            found.append(f"{np.mean(hits):.2f}")
        rows.append([f"{area:.2f}", *found])
    vain, watched = false_events(series, quiet)
    about = (
        f"{series.title}; {name}. At a threshold that no unchanged pixel reaches. Where it is "
        f"chosen on one half of the ground at the 1 % highest scores, {vain} events are found in "
        f"vain on the other, {vain / watched:.0f} per 100 km2 and year."
    )
    return [about, "", *(f"| {' | '.join(row)} |" for row in rows)]


def drawn(
    series: Series, side: int, decibels: float, days: int, generator: np.random.Generator
) -> list[Square]:
    """Squares on a lattice, each with a date in the middle half of the series."""
    height, width = series.strip.shape
    apart = 2 * side + 2
    first, last = np.quantile(series.strip.days, (0.25, 0.75))
    squares = []
    for row, column in product(range(1, height - side, apart), range(1, width - side, apart)):
        start = generator.uniform(first, last)
        elapsed = series.strip.days - start
        share = np.clip(elapsed / days, 0, 1) if days else (elapsed >= 0).astype(np.float64)
        place = (slice(row, row + side), slice(column, column + side))
        squares.append(Square(place, decibels * share))
    return squares


def planted(strip: Strip, squares: Sequence[Square]) -> Strip:
    """The strip with brighter squares in both polarisations of every orbit."""
    radar = []
    for looks in strip.radar:
        values = looks.values.copy()
        for square in squares:
            values[:, *square.place] += square.course[:, None, None, None].astype(np.float32)
        radar.append(Looks(values, looks.fresh, looks.seen))
    return replace(strip, radar=tuple(radar))


def false_events(series: Series, quiet: NDArray[np.float32]) -> tuple[int, float]:
    """Groups of pixels above the other half's 99th percentile, over both halves, and exposure."""
    height = len(quiet) // 2
    smallest = max(1, round(_SMALLEST / series.edge**2))
    count = 0
    for mine, other in ((quiet[:height], quiet[height:]), (quiet[height:], quiet[:height])):
        labels, found = ndimage.label(mine > np.quantile(other, 0.99))
        sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, found + 1))
        count += int((sizes >= smallest).sum())
    return count, series.exposure


def _sides(edge: float) -> list[int]:
    """Edges of the squares in pixels, one pixel at least."""
    return [max(1, round((area * 1e4) ** 0.5 / edge)) for area in HECTARES]


def _windows(days: NDArray[np.float64], length: int) -> Spans:
    """Single windows of so many days every few weeks, of at least six steps."""
    pairs = []
    for begin in np.arange(days[0], max(days[-1] - length, days[0] + 1), _EVERY):
        first, stop = np.searchsorted(days, (begin, begin + length))
        if stop - first >= 6:
            pairs.append((first, stop))
    current = np.unique(np.array(pairs, np.int64), axis=0)
    none = np.full_like(current, -1)
    return Spans("series", np.arange(len(current)), current, none, none)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
