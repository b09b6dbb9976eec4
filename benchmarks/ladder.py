"""How faint, small and slow a change real series let one see: `python -m benchmarks.ladder FOLDER`.

Steps of 1, 3, 6 and 10 dB are planted into real radar series of the repository: squares of 0.04 to
1 ha that brighten at once, over six or over twelve months, each at its own date, in the middle half
of the series. The detectors that need no training look for them, and a network that was trained on
squares in the western half of the series; all are judged on the eastern one. Writes the tables of
docs/evaluation.md and their picture. Some ten minutes on one core.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.city_page import replaced
from benchmarks.ladder_network import COPIES, Ground, Square, network_of, scores
from groundshift.assessment.baselines import radar_log_ratio, radar_step
from groundshift.assessment.strips import Spans, Strip
from groundshift.assessment.window_statistics import Looks
from groundshift.cube.store import CellCube, Cube
from pipelines.comparison import Chain

ROOT = Path(__file__).parents[1]
DECIBELS = (1, 3, 6, 10)
HECTARES = (0.04, 0.16, 0.36, 1.0)
SPEEDS = {"abrupt": 0, "6 months": 183, "12 months": 365}
SEED = 7
PICTURE = "images/ladder.png"
MARKS = ("<!-- ladder:begin -->", "<!-- ladder:end -->")
_EVERY = 20  # days between windows
_APART = 4  # pixels
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


Detect = Callable[["Series", Sequence[Square]], NDArray[np.float32]]
"""The greatest score of each pixel over all windows, [y, x], of a series with some changes."""


@dataclass(frozen=True)
class Series:
    """One real series without a known change.

    Attributes:
        title: as the page has it.
        short: as the picture has it.
        strip: its looks.
        edge: of a pixel in metres.
        spans: windows.
        network: the detector that was made for it.
    """

    title: str
    short: str
    strip: Strip
    edge: float
    spans: Spans
    network: Detect | None = None

    @classmethod
    def of(cls, title: str, cube: Path, window: int, folder: Path, *, every: int = 1) -> "Series":
        """The eastern half of a cube's one cell, with a network that learnt from the western one.

        Args:
            title: as the page has it.
            cube: with the series.
            window: length of the windows in days.
            folder: where the network is kept.
            every: how many windows there are for each that is learnt from in an epoch.
        """
        (cell,) = Cube.open(cube).cells.values()
        ground = Ground.of(cell)
        series = cls._at(title, cell, window, ground.judged)
        west, generator = cls._at(title, cell, window, ground.learnt), np.random.default_rng(3)
        squares = [mixed(west, ground.shape, generator) for _ in range(COPIES)]
        network = network_of(series.short, ground, squares, window, folder, every)

        def detect(series: Series, squares: Sequence[Square]) -> NDArray[np.float32]:
            return scores(network, ground, squares, series.spans.current)

        return replace(series, network=detect)

    @classmethod
    def _at(cls, title: str, cell: CellCube, window: int, columns: slice) -> "Series":
        strip = Strip.of(cell, slice(0, cell.shape[0]), columns)
        edge, spans = float(cell.cell.grid.resolution.x), _windows(strip.days, window)
        return cls(title, title.partition(",")[0], strip, edge, spans)

    @property
    def detectors(self) -> dict[str, Detect]:
        """All that look at it, by name."""
        return ({NETWORK: self.network} if self.network else {}) | DETECTORS

    @property
    def exposure(self) -> float:
        """Ground times time, in units of 100 km2 and a year."""
        km2 = self.strip.shape[0] * self.strip.shape[1] * self.edge**2 / 1e6
        return km2 / 100 * float(np.ptp(self.strip.days)) / 365.25


@dataclass(frozen=True)
class Ladder:
    """What a detector finds of a series.

    Attributes:
        series: that was planted into.
        name: of the detector.
        recall: share of the squares that is found, by hectares, and speed and decibels.
        vain: events that are found where nothing changed.
    """

    series: Series
    name: str
    recall: dict[float, dict[tuple[str, int], float]]
    vain: int


def main(folder: Path) -> None:
    """Stack the series, plant, look, write tables and picture."""
    ladders = []
    for series in all_series(folder):
        for name, detect in series.detectors.items():
            ladders.append(climbed(series, name, detect))
            print(f"{series.title}: {name}", flush=True)
    lines = [line for ladder in ladders for line in (*table(ladder), "")]
    draw(ladders, ROOT / "docs" / PICTURE)
    replaced(ROOT / "docs" / "evaluation.md", MARKS, [*lines, f"![recall]({PICTURE})"])


def simple(
    detector: Callable[[Strip, Spans], NDArray[np.float32]],
    series: Series,
    squares: Sequence[Square],
) -> NDArray[np.float32]:
    """The greatest score of a detector that needs no training, [y, x]."""
    greatest: NDArray[np.float32] = detector(planted(series.strip, squares), series.spans).max(0)
    return greatest


def all_series(folder: Path) -> Iterator[Series]:
    """The demo's village edge without its plantings, a village of Hesbaye, hills in California."""
    demo = Chain(ROOT / "params.yaml", "demo", folder, last="stack").run(["fetch.plant=null"])
    title = "Flanders, every look of 2 orbits in 16 months, 10 m, windows of 182 days"
    yield Series.of(title, demo.folders["cube"], 182, folder, every=10)
    title = "Hesbaye, 12 monthly composites, 10 m, windows of a year"
    yield Series.of(title, radar_cube(folder, "hesbaye", HESBAYE), 366, folder)
    title = "California, 20 looks of one orbit in 38 months, 30 m, windows of two years"
    yield Series.of(title, radar_cube(folder, "california", CALIFORNIA), 740, folder)


DETECTORS: dict[str, Detect] = {
    "best-split radar step": partial(simple, radar_step),
    "radar log-ratio": partial(simple, radar_log_ratio),
}
NETWORK = "network"
COLOURS = dict(zip((NETWORK, *DETECTORS), ("#1b4f8f", "#c0392b", "#7f8c3d"), strict=True))


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


def climbed(series: Series, name: str, detect: Detect) -> Ladder:
    """Recall by size of the step, area and speed, where no unchanged pixel is detected."""
    quiet = detect(series, ())
    threshold = float(quiet.max())
    generator = np.random.default_rng(SEED)
    recall: dict[float, dict[tuple[str, int], float]] = {}
    for side in sorted(set(_sides(series.edge))):
        own = recall.setdefault(side * side * series.edge**2 / 1e4, {})
        for (speed, days), size in product(SPEEDS.items(), DECIBELS):
            squares = drawn(series, side, size, days, generator)
            found = detect(series, squares)
            # A square counts as found if half of it is.
            own[speed, size] = float(
                np.mean([np.median(found[square.place]) > threshold for square in squares])
            )
    return Ladder(series, name, recall, false_events(series, quiet))


def table(ladder: Ladder) -> list[str]:
    """A row per area, a column per speed and size of the step."""
    series, vain = ladder.series, ladder.vain
    header = ["ha", *(f"{size} dB {speed}" for speed, size in product(SPEEDS, DECIBELS))]
    rows = [header, ["---"] * len(header)]
    for area, found in ladder.recall.items():
        rows.append([f"{area:.2f}", *(f"{found[key]:.2f}" for key in product(SPEEDS, DECIBELS))])
    about = (
        f"{series.title}; {ladder.name}. At a threshold that no unchanged pixel reaches. Where it "
        f"is chosen on one half of the ground at the 1 % highest scores, {vain} events are found "
        f"in vain on the other, {vain / series.exposure:.0f} per 100 km2 and year."
    )
    return [about, "", *(f"| {' | '.join(row)} |" for row in rows)]


def draw(ladders: Sequence[Ladder], picture: Path) -> None:
    """Recall over the size of the step: a row per series, a column per speed."""
    titles = [*dict.fromkeys(ladder.series.short for ladder in ladders)]
    figure = Figure(figsize=(9, 2.3 * len(titles)), layout="constrained", dpi=110)
    axes = figure.subplots(len(titles), len(SPEEDS), sharex=True, sharey=True)
    for ladder in ladders:
        row = axes[titles.index(ladder.series.short)]
        row[0].set_ylabel(f"{ladder.series.short}\nrecall")
        for axis, speed in zip(row, SPEEDS, strict=True):
            curves = np.array([[own[speed, d] for d in DECIBELS] for own in ladder.recall.values()])
            colour = COLOURS[ladder.name]
            axis.fill_between(
                DECIBELS, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.2
            )
            axis.plot(DECIBELS, curves.mean(axis=0), "o-", ms=3, color=colour, label=ladder.name)
            axis.set(ylim=(-0.03, 1.03), xticks=DECIBELS)
            axis.grid(alpha=0.3)
    for axis, speed in zip(axes[0], SPEEDS, strict=True):
        axis.set_title(speed if speed == "abrupt" else f"over {speed}")
    for axis in axes[-1]:
        axis.set_xlabel("step in dB")
    handles = {
        name: handle
        for row in axes
        for handle, name in zip(*row[0].get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles))
    FigureCanvasAgg(figure)
    figure.savefig(picture, metadata={"Software": None})


def drawn(
    series: Series, side: int, decibels: float, days: int, generator: np.random.Generator
) -> list[Square]:
    """Squares of one kind on a lattice, each with a date in the middle half of the series."""
    return [
        Square(place, _date(series, generator), days, decibels)
        for place in _lattice(series.strip.shape, side)
    ]


def mixed(series: Series, shape: tuple[int, int], generator: np.random.Generator) -> list[Square]:
    """Squares of all kinds on a lattice of so many rows and columns, in any order."""
    kinds = [*product(_sides(series.edge), DECIBELS, SPEEDS.values())]
    squares = []
    for rows, columns in _lattice(shape, max(_sides(series.edge))):
        side, decibels, days = kinds[generator.integers(len(kinds))]
        place = (slice(rows.start, rows.start + side), slice(columns.start, columns.start + side))
        squares.append(Square(place, _date(series, generator), days, decibels))
    return squares


def _date(series: Series, generator: np.random.Generator) -> float:
    first, last = np.quantile(series.strip.days, (0.25, 0.75))
    return float(generator.uniform(first, last))


def _lattice(shape: tuple[int, int], side: int) -> Iterator[tuple[slice, slice]]:
    """Places of squares with unchanged ground between them."""
    height, width = shape
    apart = side + min(side, _APART) + 2
    for row, column in product(range(1, height - side, apart), range(1, width - side, apart)):
        yield slice(row, row + side), slice(column, column + side)


def planted(strip: Strip, squares: Sequence[Square]) -> Strip:
    """The strip with brighter squares in both polarisations of every orbit."""
    radar = []
    for looks in strip.radar:
        values = looks.values.copy()
        for square in squares:
            added = square.course(strip.days).astype(np.float32)
            values[:, *square.place] += added[:, None, None, None]
        radar.append(Looks(values, looks.fresh, looks.seen))
    return replace(strip, radar=tuple(radar))


def false_events(series: Series, quiet: NDArray[np.float32]) -> int:
    """Groups of pixels above the other half's 99th percentile, over both halves."""
    height = len(quiet) // 2
    smallest = max(1, round(_SMALLEST / series.edge**2))
    count = 0
    for mine, other in ((quiet[:height], quiet[height:]), (quiet[height:], quiet[:height])):
        labels, found = ndimage.label(mine > np.quantile(other, 0.99))
        sizes = ndimage.sum_labels(np.ones_like(labels), labels, range(1, found + 1))
        count += int((sizes >= smallest).sum())
    return count


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
