"""What data came: a calendar of looks per sensor, clouds and quarantine."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundshift.artifacts import Manifest
from groundshift.artifacts.collection import manifests_of
from groundshift.cube.store import CellCube
from groundshift.domain.time import DAY, isoformat
from groundshift.products.report.charts import CalendarRow, calendar
from groundshift.products.report.page import Column, Row, Seen, Table

_COUNTED = ("acquisitions", "quarantined", "units", "bytes")

_CELLS, _STRIPS, _ROWS = 9, 6, 16
"""On how much of an area clouds are measured: cells, strips of a cell, rows of a strip."""


@dataclass(frozen=True)
class Looks:
    """One sensor's looks: [look] times in seconds since 1970, clear share 0...1."""

    times: NDArray[np.int64]
    clear: NDArray[np.float64]


def seen(cubes: Mapping[str, CellCube], cube: Manifest, period: tuple[int, int]) -> Seen:
    """The section of a page on data: calendar and table.

    Args:
        cubes: the cells.
        cube: the cube's manifest, whose record tells what was acquired.
        period: [start, end) of the calendar.
    """
    chosen = [list(cubes.values())[i] for i in _spread(len(cubes), _CELLS)]
    counts = acquired(cube)
    rows, drawn = [], []
    for name, sensor in sorted(next(iter(cubes.values())).sensors.items()):
        looks = _together([_looks(cell_cube, name) for cell_cube in chosen])
        optical = sensor.kind == "optical"
        drawn.append(CalendarRow(name, optical, looks.times.tolist(), looks.clear.tolist()))
        rows.append(Row(_cells(name, sensor.kind, looks, counts.get(name), optical)))
    columns = (
        Column("sensor"),
        Column("kind"),
        Column("acquired", number=True),
        Column("without a valid pixel", number=True),
        Column("looks in the cube", number=True),
        Column("mean cloud share", number=True),
        Column("longest gap, days", number=True),
        Column("first"),
        Column("last"),
    )
    where = "" if len(chosen) == len(cubes) else f" (on {len(chosen)} of {len(cubes)} cells)"
    lead = (
        "Each bar is a look; its height is the share of the ground that it saw without clouds, "
        f"snow or gaps{where}. What had no valid pixel is kept apart, in quarantine."
    )
    return Seen(lead, calendar(drawn, period), Table("Looks by sensor", columns, rows))


def _cells(
    name: str, kind: str, looks: Looks, counts: Mapping[str, float] | None, optical: bool
) -> list[str]:
    gaps = [later - earlier for earlier, later in itertools.pairwise(looks.times.tolist())]
    return [
        name,
        kind,
        f"{counts['acquisitions']:g}" if counts else "",
        f"{counts['quarantined']:g}" if counts else "",
        str(len(looks.times)),
        f"{1 - looks.clear.mean():.0%}" if optical and len(looks.clear) else "",
        str(round(max(gaps) / DAY)) if gaps else "",
        *(isoformat(int(time))[:10] for time in looks.times[[0, -1]] if len(looks.times)),
    ]


def acquired(cube: Manifest) -> dict[str, dict[str, float]]:
    """Acquisitions by sensor, summed over a collection's cells.

    Returns:
        How many, those without a valid pixel, and the price of asking for them once (processing
        units, bytes), 0 where they have none.
    """
    total: dict[str, dict[str, float]] = {}
    for part in manifests_of(cube):
        for name, counts in part.record.get("acquired", {}).items():
            own = total.setdefault(name, dict.fromkeys(_COUNTED, 0))
            for key in _COUNTED:
                own[key] += counts.get(key, 0)
    return total


def _looks(cell_cube: CellCube, sensor: str) -> Looks:
    """A sensor's looks at one cell, their clear share measured on some strips."""
    rows, columns = cell_cube.cell.inner
    height = rows.stop - rows.start
    strips = _spread(-(-height // _ROWS), _STRIPS)
    shares, weights = [], []
    steps = np.zeros(0, np.int64)
    for strip in strips:
        top = rows.start + strip * _ROWS
        y = slice(top, min(top + _ROWS, rows.stop))
        _, fresh, steps = cell_cube.looks(sensor, y, columns, (0,))
        shares.append(fresh.mean(axis=(1, 2)))
        weights.append(y.stop - y.start)
    return Looks(cell_cube.times[steps], np.average(shares, axis=0, weights=weights))


def _together(cells: Sequence[Looks]) -> Looks:
    """Looks of all cells by time; a look that a cell has none of is not counted there."""
    times = np.unique(np.concatenate([looks.times for looks in cells]))
    total, count = np.zeros(len(times)), np.zeros(len(times))
    for looks in cells:
        place = np.searchsorted(times, looks.times)
        total[place] += looks.clear
        count[place] += 1
    return Looks(times, total / count)


def _spread(count: int, most: int) -> list[int]:
    """At most so many of `count` numbers, evenly."""
    chosen = np.unique(np.linspace(0, count - 1, min(count, most)).round())
    return [int(number) for number in chosen]
