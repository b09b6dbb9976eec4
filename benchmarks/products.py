"""What all products of one cell cost together: all that the infer stage publishes, and a review.

Maps, events, tables, catalogue, QGIS project, series, report, map page, time-lapse, and the package
for analysts.

    python -m benchmarks.products FOLDER [--pixels 1000] [--windows 60] [--events 200]

Makes a cube of noise in FOLDER (two radar tracks every 12 days, four optical bands every 8 days,
two years), and scores with blocks of change in them; then every product in a process of its own,
as the infer stage makes them. CPU seconds, all threads together, and peak memory of that process;
half of the CPU seconds is what it takes where two cores share the work evenly, and all of them what
it takes on one.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.artifacts import Manifest, ValueHash, writing
from groundshift.cube.build import build
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY
from groundshift.events.objects import EventRule
from groundshift.products.canvas import Canvas
from groundshift.products.catalogue import CatalogueText, write_catalogue
from groundshift.products.events_io import write_events
from groundshift.products.findings import ScoredMap, survey_cell
from groundshift.products.maps import MapWindow
from groundshift.products.page import series as page_series
from groundshift.products.page.site import write_site
from groundshift.products.project import write_project
from groundshift.products.report.compose import Background, write_report
from groundshift.products.report.page import Quality
from groundshift.products.review_package import write_events_package
from groundshift.products.series import write_series
from groundshift.products.survey import Survey
from groundshift.products.timelapse import GIF, MP4, Scenes, draw_frames, write_gif, write_mp4
from groundshift.settings import parse

START, DAYS, LENGTH = 1_483_228_800, 730, 182
SENSORS = {
    "s1_088": Sensor("s1_088", "radar", "sentinel1", ("VV", "VH"), units="linear power"),
    "s1_110": Sensor("s1_110", "radar", "sentinel1", ("VV", "VH"), units="linear power"),
    "s2": Sensor(
        "s2",
        "optical",
        "sentinel2",
        ("B02", "B03", "B04", "B08"),
        units="reflectance",
        dtype="uint16",
        scale=1e-4,
    ),
}
EVERY = {"s1_088": 12, "s1_110": 12, "s2": 8}


@dataclass
class Noise:
    """Observations of one cell, made when they are read."""

    cell: Cell
    sensors: dict[str, Sensor] = field(default_factory=lambda: SENSORS)

    def __post_init__(self) -> None:
        self.cells = (self.cell,)
        self.manifest = Manifest("observations", 1, {}, {}, (), "0", {}, ("made up",))
        rows = [
            (self.cell.id, name, int(at), f"{name}{at}")
            for name in self.sensors
            for at in self.acquisitions(self.cell.id, name)
        ]
        self.table = pd.DataFrame(rows, columns=["cell", "sensor", "time", "digest"])

    def acquisitions(self, cell_id: str, sensor: str) -> NDArray[np.int64]:
        """Times of all acquisitions."""
        return START + DAY * np.arange(0, DAYS, EVERY[sensor], dtype=np.int64)

    def read(
        self, cell_id: str, sensor: str, at: int
    ) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Stored values and validity."""
        rng = np.random.default_rng([at, len(sensor)])
        own = self.sensors[sensor]
        shape = tuple(self.cell.grid.shape)
        if own.kind == "radar":
            values = rng.standard_gamma(4.4, (*shape, len(own.bands))).astype(np.float32) / 44
            return values, np.ones(shape, bool)
        stored = rng.integers(500, 900, (*shape, len(own.bands)), np.uint16)
        valid = np.ones(shape, bool)
        valid[: int(shape[0] * rng.random() * 0.6)] = False
        stored[~valid] = 0
        return stored, valid


def scores_of(cell: Cell, windows: list[MapWindow], events: int) -> Iterator[ScoredMap]:
    """A faint noise of scores, and blocks that score high in the windows that hold their date."""
    rng = np.random.default_rng(1)
    size = cell.core.shape[0]
    places = rng.integers(0, size - 12, (events, 2))
    edges = rng.integers(3, 12, events)
    dates = START + DAY * rng.integers(LENGTH, DAYS - LENGTH, events)
    for number, window in enumerate(windows):
        scores = (rng.random(cell.core.shape) ** 4 * 0.3).astype(np.float32)
        for (y, x), edge, date in zip(places, edges, dates, strict=True):
            if window.start <= date < window.end:
                scores[y : y + edge, x : x + edge] = 0.9
        yield ScoredMap(number, scores)


def make_cube(folder: Path, pixels: int) -> None:
    """Stack the cube, as far as it is not there."""
    if (folder / "manifest.json").is_file():
        return
    box = (600_000, 5_600_000 - 10 * pixels, 600_000 + 10 * pixels, 5_600_000)
    core = GeoBox.from_bbox(box, crs="EPSG:32631", resolution=10, tight=True)
    settings = parse(
        "stack",
        {
            "name": "products",
            "area": {"bounds": box, "bounds_crs": "EPSG:32631"},
            "period": {"start": "2017-01-01", "end": "2019-01-01"},
            "stack": {"step": "2d", "radar": ["s1_088", "s1_110"], "optical": "s2"},
        },
    )
    with writing(folder, "cube", area="products", settings={}, inputs={}) as draft:
        build(Noise(Cell("cell", core, 0)), draft, settings)  # type: ignore[arg-type]


def make_products(cube: Path, folder: Path, windows: int, events: int) -> None:
    """All products of the cell; prints seconds of CPU by product."""
    spent = time.process_time()
    costs: dict[str, float] = {}

    def note(name: str) -> None:
        nonlocal spent
        now = time.process_time()
        costs[name] = round(now - spent, 1)
        spent = now

    opened = Cube.open(cube)
    (cell_cube,) = opened.cells.values()
    starts = np.linspace(START, START + DAY * (DAYS - LENGTH), windows).astype(int)
    spans = [MapWindow(int(start), int(start) + LENGTH * DAY) for start in starts]
    folder.mkdir(parents=True, exist_ok=True)
    found = survey_cell(
        cell_cube,
        scores_of(cell_cube.cell, spans, events),
        dict(enumerate(spans)),
        folder=folder,
        scratch=folder,
        tags={},
        values=ValueHash(),
        rule=EventRule(0.5, 0.35, 4, confirm=2),
    )
    note("maps and events")
    page_series.write_series(folder, cell_cube, spans)
    note("series of the page")
    survey = Survey(folder, [found], Canvas.over([cell_cube.cell], 900), 0.5)
    period = (START, START + DAYS * DAY)
    write_events(folder, survey.table)
    write_project(folder, "products", survey.windows, period)
    text = CatalogueText("products", period, "", (), "")
    write_catalogue(folder, text, survey.windows)
    note("tables, catalogue, project")
    write_series(folder, survey.windows, title="scores", attribution="made up")
    note("Zarr")
    background = Background(
        "products", period, opened.cells, None, "urban", Quality(""), None,
        [opened.manifest], {}, ("made up",),
    )  # fmt: skip
    write_report(survey, background)
    note("report")
    write_site(survey, background)
    note("map page")
    frames = list(draw_frames(Scenes(folder, survey.windows, survey.events, opened.cells)))
    write_mp4(folder / MP4, frames)
    write_gif(folder / GIF, frames)
    note("time-lapse, MP4 and GIF")
    write_events_package(folder / "review.gpkg", survey.table, about={}, cubes=opened.cells)
    note("review package")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    page = folder / "page"
    first = ["index.html", "page.js", "page.css", "data/about.js", "data/events.js"]
    first += [f"data/area/{name}" for name in ("after.webp", "greatest.js")]
    sizes = {
        "report_mb": (folder / "report.html").stat().st_size / 1e6,
        "page_mb": sum(path.stat().st_size for path in page.rglob("*.*")) / 1e6,
        "first_view_mb": sum((page / name).stat().st_size for name in first) / 1e6,
    }
    document = {
        "events": len(survey.events),
        "cpu_s": costs | {"all": round(sum(costs.values()), 1)},
        "peak_mb": round(peak),
        **{name: round(size, 2) for name, size in sizes.items()},
    }
    print(json.dumps(document, indent=1))


def main() -> None:
    """Make the cube, then the products in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pixels", type=int, default=1000)
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--events", type=int, default=200)
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    cube = given.folder / f"cube-{given.pixels}"
    maps = given.folder / f"maps-{given.pixels}-{given.windows}-{given.events}"
    for task, values in (
        (make_cube, (cube, given.pixels)),
        (make_products, (cube, maps, given.windows, given.events)),
    ):
        process = context.Process(target=task, args=values)
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
