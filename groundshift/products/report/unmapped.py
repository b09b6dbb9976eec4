"""The report of a run that ends without maps: what was asked, what came, why, and what to do."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from groundshift.artifacts import Manifest
from groundshift.artifacts.manifest import WRITERS
from groundshift.cube.commit import CONTRACT as CUBE
from groundshift.cube.store import CellCube
from groundshift.domain.cells import Cell, pixel_area
from groundshift.domain.time import DAY
from groundshift.errors import Look
from groundshift.products.canvas import Canvas
from groundshift.products.report import lineage
from groundshift.products.report.charts import CalendarRow, calendar
from groundshift.products.report.page import Column, Fact, Row, Seen, Table, render
from groundshift.products.report.panels import day_text, place_text
from groundshift.products.report.seen import seen

REPORT = "report.html"

_TEMPLATE = "unmapped.html.j2"
_UNUSABLE = 0.3
"""Height of the bar of an image that can't be used."""
_REASONS = 3
"""Most different reasons that a row names."""


@dataclass(frozen=True)
class Unmapped:
    """A run that ended without maps.

    Attributes:
        area: name of the area.
        task: what it was to be mapped for.
        stage: that found that it can't be.
        period: [start, end) in seconds since 1970.
        cells: of the area.
        found: why there is no map.
        remedy: what to do.
        settings: of the stage.
        looks: what came of the images, where the stage says so.
        cubes: the cells' cubes, where the images came as far as that.
        chain: manifests of the stage's inputs, latest stage first.
        licences: licence and attribution lines.
    """

    area: str
    task: str
    stage: str
    period: tuple[int, int]
    cells: Sequence[Cell]
    found: str
    remedy: str
    settings: Mapping[str, Any]
    looks: Sequence[Look] = ()
    cubes: Mapping[str, CellCube] = field(default_factory=dict)
    chain: Sequence[Manifest] = ()
    licences: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """In one sentence, why there is no map."""
        if not self.dates:
            return "No image came."
        if not self.usable:
            return "Images came, and none of them can be used."
        if len(self.usable) == 1:
            return (
                f"Images of one date only can be used, {day_text(DAY * self.usable[0])}: "
                "a change shows between dates."
            )
        useful = {look.sensor for look in self.looks if not look.problem}
        lost = sorted({look.sensor for look in self.looks} - useful)
        if lost:
            return f"Of {' and '.join(lost)} no image can be used."
        return f"Images of {len(self.usable)} dates can be used, and that is not enough."

    @property
    def dates(self) -> list[int]:
        """Days since 1970 of all images."""
        return sorted({time // DAY for time in (*self._stacked, *(x.time for x in self.looks))})

    @property
    def usable(self) -> list[int]:
        """Days since 1970 of the images that can be used."""
        clear = (look.time for look in self.looks if not look.problem)
        return sorted({time // DAY for time in (*self._stacked, *clear)})

    @property
    def _stacked(self) -> list[int]:
        """Times of the images that came as far as a cube."""
        return [
            int(time)
            for cube in self.cubes.values()
            for sensor in cube.sensors
            for time in cube.look_times(sensor)
        ]


@dataclass(frozen=True)
class _Page:
    area: str
    subtitle: str
    facts: Sequence[Fact]
    verdict: str
    found: str
    remedy: str
    asked: Table
    seen: Seen
    lineage: Table
    settings: Sequence[Table]
    licences: Sequence[str]
    page: str


def write_unmapped(folder: Path, run: Unmapped, page: str = "") -> Path:
    """Write the report of a run without maps.

    Args:
        folder: where `report.html` goes.
        run: what there is to say.
        page: where the map page lies beside it, if there is one.
    """
    first, end = run.period
    cube = next((manifest for manifest in run.chain if manifest.contract == CUBE), None)
    came = _came(run) if cube is None else seen(run.cubes, cube, run.period)
    render(
        folder / REPORT,
        _TEMPLATE,
        page=_Page(
            area=run.area,
            subtitle=f"{day_text(first)} to {day_text(end - 1)}",
            facts=_facts(run),
            verdict=run.verdict,
            found=run.found,
            remedy=run.remedy,
            asked=_asked(run),
            seen=came,
            lineage=lineage.lineage_table(run.chain),
            settings=lineage.settings_tables(run.chain, run.settings, run.stage),
            licences=run.licences,
            page=page,
        ),
    )
    return folder / REPORT


def _facts(run: Unmapped) -> list[Fact]:
    first, end = run.period
    square_metres = sum(float(np.prod(c.core.shape)) * pixel_area(c.core) for c in run.cells)
    count = len(run.cells)
    images = len(run.looks)
    lost = sum(bool(look.problem) for look in run.looks)
    return [
        Fact("Area", f"{square_metres / 1e6:.3g} km²", f"{count} cell{'s' if count > 1 else ''}"),
        Fact("Period", f"{round((end - first) / DAY)} days", ""),
        Fact("Dates with images", str(len(run.dates)), f"{images} images" if images else ""),
        Fact(
            "Dates that can be used", str(len(run.usable)), f"{lost} images can't" if lost else ""
        ),
        Fact("Windows mapped", "0", f"the run ended in the stage {run.stage}"),
    ]


def _asked(run: Unmapped) -> Table:
    first, end = run.period
    sensors = sorted(
        {look.sensor for look in run.looks}
        | {name for cube in run.cubes.values() for name in cube.sensors}
        | set(_sensors(run.settings))
    )
    facts = [
        ("Task", run.task),
        ("Place", place_text(Canvas.over(run.cells, 1))),
        ("Period", f"{day_text(first)} to {day_text(end - 1)}"),
        ("Sensors", ", ".join(sensors)),
    ]
    rows = [Row(fact) for fact in facts if fact[1]]
    return Table("What was asked", (Column("question"), Column("answer")), rows)


def _sensors(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Sensors that the settings of a source name."""
    fetch = settings.get("fetch", {})
    sensors: Mapping[str, Any] = (fetch.get(fetch.get("source", "")) or {}).get("sensors") or {}
    return sensors


def _came(run: Unmapped) -> Seen:
    """What came of the images, before there is a cube."""
    names = sorted({look.sensor for look in run.looks} | set(_sensors(run.settings)))
    rows, drawn = [], []
    for name in names:
        own = sorted((x for x in run.looks if x.sensor == name), key=lambda look: look.time)
        clear = [_UNUSABLE if look.problem else 1.0 for look in own]
        drawn.append(CalendarRow(name, False, [look.time for look in own], clear))
        lost = Counter(look.problem for look in own if look.problem)
        reasons = "; ".join(f"{count} x {why}" for why, count in lost.most_common(_REASONS))
        ends = [day_text(look.time) for look in (own[0], own[-1])] if own else ["", ""]
        rows.append(Row((name, str(len(own)), str(len(own) - lost.total()), reasons, *ends)))
    columns = (
        Column("sensor"),
        Column("images", number=True),
        Column("usable", number=True),
        Column("why the others are not"),
        Column("first"),
        Column("last"),
    )
    lead = "The source lists no image of the area in the period."
    chart = Markup()
    if run.looks:
        lead = "A bar is an image; those of full height can be used."
        chart = calendar(drawn, run.period)
    return Seen(lead, chart, Table("Images by sensor", columns, rows))


def licences_of(chain: Sequence[Manifest]) -> tuple[str, ...]:
    """Licence lines of all that a stage was given."""
    return tuple(sorted({line for manifest in chain for line in manifest.licences}))


def order_of(chain: Sequence[Manifest]) -> list[Manifest]:
    """Manifests, latest stage first."""
    stages = list(WRITERS)
    return sorted(chain, key=lambda manifest: -stages.index(manifest.contract))
