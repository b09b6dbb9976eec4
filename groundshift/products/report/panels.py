"""The maps and the scores through time, as the page shows them."""

from collections.abc import Callable, Mapping, Sequence

import geopandas as gpd
import numpy as np
import shapely
from markupsafe import Markup
from numpy.typing import NDArray
from odc.geo import CRS
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat
from groundshift.products import pictures
from groundshift.products.canvas import Backdrop, Canvas
from groundshift.products.maps import MapWindow
from groundshift.products.report.charts import area_chart
from groundshift.products.report.page import MapPanel, Outline, Thumbnail, Timeline

THUMBNAILS = 24
"""Most windows shown one by one."""

ReadScores = Callable[[Cell, MapWindow, int], NDArray[np.float32]]
"""Reads a window's scores, [y, x], every n-th pixel."""


def map_panel(
    canvas: Canvas,
    *,
    score: NDArray[np.float32],
    day: NDArray[np.int32],
    dated: NDArray[np.bool_],
    period: tuple[int, int],
    backdrop: tuple[Backdrop, Backdrop] | None,
    outlines: Mapping[str, Sequence[Outline]],
) -> MapPanel:
    """The two maps of a page.

    Args:
        canvas: the picture grid.
        score: [y, x] greatest score on it, NaN where there is none.
        day: [y, x] days since 1970 of that score.
        dated: [y, x], which pixels' days are shown.
        period: [start, end) of the dates' colours.
        backdrop: the ground before and after, if there is an image of it.
        outlines: `events`, `truth` and `decoys`.
    """
    height, width = canvas.shape
    bar = pictures.scale_length(width * canvas.pixel)
    grounds = [
        pictures.data_uri(pictures.encode_png(pictures.paint_ground(ground.image)))
        for ground in backdrop or ()
    ]
    return MapPanel(
        width=width,
        height=height,
        score=_uri(pictures.paint_score(score, veil=bool(grounds))),
        date=_uri(pictures.paint_date(day, dated, period)),
        first_day=day_text(period[0]),
        last_day=day_text(period[1]),
        place=place_text(canvas),
        lead="Left: how strongly the series says that the ground changed, over the ground itself. "
        "Right: when. Point at a row of the table of events to find it here.",
        unit=max(width, height) / 180,
        bar_length=bar / canvas.pixel,
        bar_label=pictures.format_length(bar),
        before=grounds[0] if grounds else "",
        after=grounds[1] if grounds else "",
        caption="; ".join(
            f"{word} {ground.caption}"
            for word, ground in zip(("before,", "after,"), backdrop or (), strict=False)
        ),
        events=outlines.get("events", ()),
        truth=outlines.get("truth", ()),
        decoys=outlines.get("decoys", ()),
    )


def outlines(
    canvas: Canvas,
    shapes: gpd.GeoDataFrame,
    *,
    titles: Sequence[str],
    keys: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> tuple[Outline, ...]:
    """Polygons as outlines in picture pixels.

    Args:
        canvas: the picture grid.
        shapes: polygons in any reference system.
        titles: what the pointer says over each.
        keys: which row of the events' table each belongs to.
        labels: short texts beside each.
    """
    projected = shapes.geometry.to_crs(str(canvas.grid.crs))
    drawn = []
    for index, geometry in enumerate(projected):
        shape = canvas.to_picture(geometry)
        inside = shape.representative_point()
        drawn.append(
            Outline(
                path=svg_path(shape),
                title=titles[index],
                key=keys[index] if keys else "",
                label=labels[index] if labels else "",
                x=round(inside.x, 2),
                y=round(inside.y, 2),
            )
        )
    return tuple(drawn)


def timeline(
    cells: Mapping[Cell, Sequence[MapWindow]],
    *,
    hectares: Mapping[MapWindow, float],
    threshold: float,
    period: tuple[int, int],
    known: Sequence[int],
    read: ReadScores,
) -> Timeline:
    """Scores through time: area over the threshold by window, and some windows' maps.

    Args:
        cells: the windows mapped in each cell.
        hectares: area over the threshold of each window, over all cells.
        threshold: score from which a pixel counts as changed.
        period: [start, end) of the axis.
        known: dates of known changes.
        read: reads a window's scores.
    """
    windows = sorted(hectares)
    canvas = Canvas.over(cells, 160)
    picks = np.unique(np.linspace(0, len(windows) - 1, min(THUMBNAILS, len(windows))).round())
    thumbnails = []
    for window in (windows[int(index)] for index in picks):
        picture = canvas.blank()
        for cell, own in cells.items():
            if own:
                nearest = min(own, key=lambda w: (abs(w.middle - window.middle), w))
                canvas.paste(picture, cell, read(cell, nearest, canvas.factor))
        thumbnails.append(
            Thumbnail(
                _uri(pictures.paint_score(picture)), day_text(window.start), day_text(window.end)
            )
        )
    known_text = "; triangles mark the dates of known changes" if known else ""
    if not windows:
        lead = "No window of time could be mapped: nothing can be said of change in this area."
        return Timeline(lead, Markup(), ())
    lead = (
        f"Bars: area whose score reaches {threshold:.2f}, by window{known_text}. A change shows in "
        f"every window that holds it. Below: scores of {len(thumbnails)} of {len(windows)} windows."
    )
    chart = area_chart([w.middle for w in windows], [hectares[w] for w in windows], period, known)
    if len(windows) == 1:
        lead = f"There is one window only, so that nothing can be told apart in time. {lead}"
    return Timeline(lead, chart, tuple(thumbnails))


def svg_path(shape: BaseGeometry) -> str:
    """A polygon or several, with their holes, as an SVG path."""
    rings = []
    for part in getattr(shape, "geoms", [shape]):
        for ring in (part.exterior, *part.interiors):
            points = shapely.get_coordinates(ring)[:-1]
            rings.append("M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points) + "Z")
    return "".join(rings)


def day_text(seconds: int) -> str:
    """A day as `YYYY-mm-dd`."""
    return isoformat(seconds)[:10]


def place_text(canvas: Canvas) -> str:
    """Centre and grid of the maps in words."""
    crs = CRS(str(canvas.grid.crs))
    centre = canvas.grid.extent.geom.centroid
    to_degrees = Transformer.from_crs(str(crs), "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(centre.x, centre.y)
    north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
    name = f"EPSG:{crs.to_epsg()}" if crs.to_epsg() else "a local reference system"
    return (
        f"Centre {abs(latitude):.4f}° {north}, {abs(longitude):.4f}° {east}; {name}, "
        f"pixels of {abs(canvas.grid.resolution.x):g} m, north is up."
    )


def _uri(picture: NDArray[np.uint8]) -> str:
    return pictures.data_uri(pictures.encode_png(picture))
