"""The whole area: events, catalogue and report beside the maps of all cells."""

from collections.abc import Sequence

import geopandas as gpd

from groundshift.artifacts import Draft, canonical_json
from groundshift.products.canvas import Canvas
from groundshift.products.catalogue import CatalogueText, write_catalogue
from groundshift.products.events_io import plain_rows, write_events
from groundshift.products.findings import CellFindings
from groundshift.products.page.chunks import PAGE
from groundshift.products.page.site import INDEX, write_site
from groundshift.products.project import write_project
from groundshift.products.report.compose import Background, write_report
from groundshift.products.series import write_series
from groundshift.products.survey import Survey
from groundshift.products.timelapse import GIF, MP4, Scenes, draw_frames, write_gif, write_mp4
from groundshift.samples.labels.truth import URBAN
from groundshift.settings import InferStage
from groundshift.tasks.change.past import PastFiles
from groundshift.tasks.change.sources import Sources

PICTURE = 900
"""Most pixels along the longer edge of the report's pictures."""

_DESCRIPTION = (
    "Scores of ground change from radar and optical time series: a map for every window of time, "
    "the greatest score and its date, and dated change events."
)


def publish(
    settings: InferStage,
    sources: Sources,
    findings: Sequence[CellFindings],
    past: PastFiles,
    draft: Draft,
) -> Survey:
    """Write everything that is about the area as a whole.

    Args:
        settings: of the stage.
        sources: of the maps.
        findings: of every cell, in the order of cell ids.
        past: what is known of the area's events from before.
        draft: of the maps, which lie there already.
    """
    draft.licences.update(sources.licences)
    canvas = Canvas.over((found.cell for found in findings), PICTURE)
    survey = Survey(draft.folder, findings, canvas, sources.threshold, past.read())
    period = (settings.period.start_seconds, settings.period.end_seconds)
    model = sources.model.content_hash
    write_events(draft.folder, survey.table)
    text = CatalogueText(settings.name, period, _DESCRIPTION, sources.licences, model)
    if settings.infer.series:
        attribution = "; ".join(sources.licences)
        write_series(draft.folder, survey.windows, title=_DESCRIPTION, attribution=attribution)
    write_project(draft.folder, settings.name, survey.windows, period)
    write_catalogue(draft.folder, text, survey.windows)
    background = _background(settings, sources, period)
    write_report(survey, background)
    if settings.infer.page:
        write_site(survey, background)
    if settings.infer.timelapse:
        scenes = Scenes(draft.folder, survey.windows, survey.events, background.cubes)
        frames = list(draw_frames(scenes))
        write_mp4(draft.folder / MP4, frames)
        write_gif(draft.folder / GIF, frames)
    draft.values.add_text("cells", [f"{found.cell.id} {found.value_hash}" for found in findings])
    draft.values.add_text("events", [canonical_json(row) for row in plain_rows(survey.table)])
    draft.summary.update(summary_of(findings, survey.events, survey.threshold))
    draft.summary["news"] = int(survey.table["news"].sum())
    return survey


def summary_of(
    findings: Sequence[CellFindings], events: gpd.GeoDataFrame, threshold: float
) -> dict[str, object]:
    """Numbers of the manifest."""
    square_metres = float(events["area_m2"].sum())
    return {
        "cells": [found.cell.to_dict() for found in findings],
        "windows": sum(len(found.windows) for found in findings),
        "events": len(events),
        "hectares": round(square_metres / 1e4, 4),
        "threshold": threshold,
    }


def _background(settings: InferStage, sources: Sources, period: tuple[int, int]) -> Background:
    """What the page says besides what was found."""
    return Background(
        area=settings.name,
        period=period,
        cubes=dict(sorted(sources.cube.cells.items())),
        truth=sources.samples.truth,
        wanted=URBAN,
        quality=sources.evidence.quality(),
        headline=sources.evidence.headline(),
        chain=sources.chain,
        settings=settings.affecting(),
        licences=sources.licences,
        page=f"{PAGE}/{INDEX}" if settings.infer.page else "",
    )
