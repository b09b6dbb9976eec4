"""What the products of 1,000 x 1,000 pixels and 60 windows cost: maps, events, series, catalogue.

    python -m benchmarks.event_products OBSERVATIONS CUBE

The ground is the area `city`, 640 x 640 pixels, repeated to the right and downwards; the scores are
simulated as in `benchmarks.city_events`. The report and its pictures are not part of it.
"""

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from benchmarks.city_events import World, simulated
from groundshift.artifacts import ValueHash
from groundshift.cube.store import CellCube
from groundshift.domain.cells import Cell
from groundshift.events.objects import EventRule
from groundshift.products.canvas import Canvas
from groundshift.products.catalogue import CatalogueText, write_catalogue
from groundshift.products.events_io import write_events
from groundshift.products.findings import ScoredMap, survey_cell
from groundshift.products.maps import MapWindow
from groundshift.products.project import write_project
from groundshift.products.series import write_series
from groundshift.products.survey import Survey

EDGE, WINDOWS = 1000, 60


@dataclass(frozen=True)
class Repeated(CellCube):
    """A cell's cube, again and again beside itself."""

    size: int = 640

    def looks(self, sensor: str, rows: slice, columns: slice, bands: Any = None) -> Any:
        """As of the cube; a place must not cross from one copy to the next."""
        y, x = rows.start % self.size, columns.start % self.size
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return super().looks(sensor, slice(y, y + height), slice(x, x + width), bands)


def main() -> None:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("observations", type=Path)
    parser.add_argument("cube", type=Path)
    given = parser.parse_args()
    world = World.open(given.observations, given.cube)
    scores = simulated(world, 0).scores[:WINDOWS]
    cell = _large(world.cube.cell)
    own = {name: getattr(world.cube, name) for name in CellCube.__dataclass_fields__}
    cube = Repeated(**(own | {"cell": cell}))
    spans = [MapWindow(int(s), int(e)) for s, e in zip(world.starts, world.ends, strict=True)]
    pad = [(0, 0), *[(0, EDGE - size) for size in scores.shape[1:]]]
    maps = (
        ScoredMap(number, np.pad(one[None], pad, mode="wrap")[0])
        for number, one in enumerate(scores)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder, times = Path(name), [time.process_time()]
        found = survey_cell(
            cube,
            maps,
            dict(enumerate(spans[:WINDOWS])),
            folder=folder,
            scratch=folder,
            tags={},
            values=ValueHash(),
            rule=EventRule(0.5, 0.35, 4, confirm=2),
        )
        times.append(time.process_time())
        survey = Survey(folder, [found], Canvas.over([cell], 900), 0.5)
        write_events(folder, survey.table)
        times.append(time.process_time())
        write_series(folder, survey.windows, title="scores", attribution="made up")
        times.append(time.process_time())
        period = (spans[0].start, spans[WINDOWS - 1].end)
        write_project(folder, "city", survey.windows, period)
        write_catalogue(folder, CatalogueText("city", period, "", (), ""), survey.windows)
        times.append(time.process_time())
    parts = ("maps, objects, series, dates of a cell", "events of the area", "Zarr", "STAC, QGIS")
    print(f"{len(survey.table)} events\n\n| part | CPU s |\n| --- | --- |")
    for part, seconds in zip(parts, np.diff(times), strict=True):
        print(f"| {part} | {seconds:.1f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"| all | {times[-1] - times[0]:.1f} |\n\nPeak {peak:.2f} GB, {before:.2f} GB of it before."
    )


def _large(cell: Cell) -> Cell:
    """A cell of `EDGE` x `EDGE` pixels with the same first one."""
    return replace(cell, core=GeoBox((EDGE, EDGE), cell.core.transform, cell.core.crs))


if __name__ == "__main__":
    main()
