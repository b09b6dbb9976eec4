"""From a survey and the artifacts behind it to the page and the preview."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from groundshift.artifacts import Manifest
from groundshift.cube.commit import CONTRACT as CUBE
from groundshift.cube.store import CellCube
from groundshift.domain.cells import pixel_area
from groundshift.domain.time import DAY
from groundshift.products import pictures
from groundshift.products.canvas import Backdrop, backdrops
from groundshift.products.findings import strongest
from groundshift.products.maps import read_map, score_path
from groundshift.products.preview import Sheet, write_preview
from groundshift.products.report import found, lineage, panels, request
from groundshift.products.report.chips import chips
from groundshift.products.report.page import (
    Fact,
    Outline,
    Quality,
    Report,
    Table,
    Timeline,
    write_page,
)
from groundshift.products.report.seen import seen
from groundshift.products.report.years import years_table
from groundshift.products.survey import Survey

REPORT, PREVIEW = "report.html", "preview.png"


@dataclass(frozen=True)
class Background:
    """What a page says besides what was found.

    Attributes:
        area: name of the area.
        period: [start, end) in seconds since 1970.
        cubes: the cells' cubes, for images of the ground.
        truth: known changes with `id`, `kind`, `start` and `end`; None where nothing is known.
        wanted: the kind of known change looked for; others are decoys.
        quality: how good the model is.
        headline: a fact about quality for the top of the page, if there is one.
        chain: manifests behind the maps, latest stage first.
        settings: those of the maps.
        licences: licence and attribution lines.
        page: where the map page lies beside the report, if there is one.
    """

    area: str
    period: tuple[int, int]
    cubes: Mapping[str, CellCube]
    truth: gpd.GeoDataFrame | None
    wanted: str
    quality: Quality
    headline: Fact | None
    chain: Sequence[Manifest]
    settings: Mapping[str, Any]
    licences: Sequence[str]
    page: str = ""


def write_report(survey: Survey, background: Background) -> tuple[Path, Path]:
    """Write `report.html` and `preview.png` beside the maps they show.

    Args:
        survey: what was found, with the artifact's folder.
        background: everything else.

    Returns:
        The two files.
    """
    folder, grounds = survey.folder, backdrops(background.cubes, survey.canvas)
    events = strongest(survey.events)
    dated = survey.canvas.cover(survey.events)
    truth, decoys = _known(background)
    report = Report(
        area=background.area,
        subtitle=_subtitle(background),
        facts=_facts(survey, background),
        map=panels.map_panel(
            survey.canvas,
            score=survey.score,
            day=survey.day,
            dated=dated,
            period=background.period,
            backdrop=grounds,
            outlines=_outlines(survey, events, truth, decoys),
        ),
        asked=request.asked(
            background.chain, background.settings, _roles(background), survey.threshold
        ),
        seen=seen(background.cubes, _cube(background), background.period),
        timeline=_timeline(survey, background, truth),
        events=found.events_table(
            events,
            total=len(survey.events),
            known=found.match_known(events, background.truth, background.wanted),
            truth_given=background.truth is not None,
            courses=survey.courses,
            chips=chips(events, background.cubes, survey.canvas, grounds),
            threshold=survey.threshold,
            period=background.period,
        ),
        years=years_table(survey.events, survey.past.sample),
        quality=background.quality,
        cost=_cost(survey, background),
        lineage=lineage.lineage_table(background.chain),
        settings=lineage.settings_tables(background.chain, background.settings),
        licences=background.licences,
        page=background.page,
    )
    write_page(folder / REPORT, report)
    write_preview(folder / PREVIEW, _sheet(survey, background, grounds, dated, (truth, decoys)))
    return folder / REPORT, folder / PREVIEW


def _roles(background: Background) -> dict[str, str]:
    """Role by sensor."""
    cube = next(iter(background.cubes.values()))
    return {sensor: role for role, sensor in cube.roles.items()}


def _cube(background: Background) -> Manifest:
    return next(manifest for manifest in background.chain if manifest.contract == CUBE)


def _cost(survey: Survey, background: Background) -> Table:
    pixels = sum(int(np.prod(cell.core.shape)) for cell in survey.windows)
    return request.cost(
        background.chain,
        square_kilometres=pixels * pixel_area(survey.canvas.grid) / 1e6,
        period=background.period,
        pixels=pixels,
        windows=len(survey.hectares),
    )


def _known(background: Background) -> tuple[gpd.GeoDataFrame | None, gpd.GeoDataFrame | None]:
    """Known changes of the kind looked for, and the others."""
    if background.truth is None:
        return None, None
    wanted = background.truth["kind"] == background.wanted
    return background.truth[wanted], background.truth[~wanted]


def _outlines(
    survey: Survey,
    events: gpd.GeoDataFrame,
    truth: gpd.GeoDataFrame | None,
    decoys: gpd.GeoDataFrame | None,
) -> dict[str, tuple[Outline, ...]]:
    numbers = [str(number) for number in range(1, len(events) + 1)]
    drawn = {
        "events": panels.outlines(
            survey.canvas,
            events,
            titles=[
                f"event {number}, {pd.Timestamp(date).date()}"
                for number, date in zip(numbers, events["date"], strict=True)
            ],
            keys=list(events["id"]),
            labels=numbers,
        )
    }
    for name, shapes in (("truth", truth), ("decoys", decoys)):
        if shapes is not None:
            titles = [
                f"{row['id']}, {pd.Timestamp(row['start']).date()} to "
                f"{pd.Timestamp(row['end']).date()}"
                for _, row in shapes.iterrows()
            ]
            drawn[name] = panels.outlines(survey.canvas, shapes, titles=titles)
    return drawn


def _timeline(survey: Survey, background: Background, truth: gpd.GeoDataFrame | None) -> Timeline:
    dates = [] if truth is None else [int(pd.Timestamp(d).timestamp()) for d in truth["start"]]
    first, end = background.period
    return panels.timeline(
        survey.windows,
        hectares=survey.hectares,
        threshold=survey.threshold,
        period=background.period,
        known=[date for date in dates if first <= date < end],
        read=lambda cell, window, factor: read_map(score_path(survey.folder, cell, window), factor),
    )


def _subtitle(background: Background) -> str:
    first, end = background.period
    sensors = {
        name: sensor.kind
        for cube in background.cubes.values()
        for name, sensor in cube.sensors.items()
    }
    streams = ", ".join(f"{name} ({kind})" for name, kind in sorted(sensors.items()))
    return f"{panels.day_text(first)} to {panels.day_text(end - 1)}, from {streams}"


def _facts(survey: Survey, background: Background) -> list[Fact]:
    pixels = sum(int(np.prod(cell.core.shape)) for cell in survey.windows)
    resolution = math.sqrt(pixel_area(survey.canvas.grid))
    first, end = background.period
    cells = len(survey.windows)
    windows = sorted(survey.hectares)
    days = sorted({round((w.end - w.start) / DAY) for w in windows})
    events = survey.events
    facts = [
        Fact(
            "Area",
            f"{pixels * resolution**2 / 1e6:.3g} km²",
            f"{pixels:,} pixels of {resolution:.3g} m in {cells} cell{'s' if cells > 1 else ''}",
        ),
        Fact(
            "Period",
            f"{round((end - first) / DAY)} days",
            f"{panels.day_text(first)} to {panels.day_text(end - 1)}",
        ),
        Fact("Windows mapped", str(len(windows)), f"{days[0] if days else 0} days each"),
        Fact(
            "Events",
            str(len(events)),
            f"{float(events['area_m2'].sum()) / 1e4:.2f} ha in all",
        ),
    ]
    return facts + ([background.headline] if background.headline else [])


def _sheet(
    survey: Survey,
    background: Background,
    grounds: tuple[Backdrop, Backdrop] | None,
    dated: NDArray[np.bool_],
    known: tuple[gpd.GeoDataFrame | None, gpd.GeoDataFrame | None],
) -> Sheet:
    canvas, events = survey.canvas, survey.events
    empty = canvas.blank(3)
    images = [ground.image for ground in grounds] if grounds else [empty, empty]
    before, after = (pictures.paint_ground(image) for image in images)
    first, end = background.period

    def drawn(shapes: gpd.GeoDataFrame | None) -> tuple[Any, ...]:
        if shapes is None:
            return ()
        return tuple(map(canvas.to_picture, shapes.geometry.to_crs(str(canvas.grid.crs))))

    return Sheet(
        title=f"{background.area}, {panels.day_text(first)} to {panels.day_text(end - 1)}: "
        f"{len(events)} change events",
        before=before,
        after=after,
        score=pictures.paint_score(survey.score),
        date=pictures.paint_date(survey.day, dated, background.period),
        events=drawn(events),
        truth=drawn(known[0]),
        decoys=drawn(known[1]),
        pixel=canvas.pixel,
        period=background.period,
    )
