"""Chips: what the ground at an event looked like before and after, small enough for a table."""

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
import shapely
from markupsafe import Markup
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from groundshift.cube.store import CellCube
from groundshift.products import pictures
from groundshift.products.canvas import Backdrop, Canvas, backdrops
from groundshift.products.report.panels import svg_path

SHOWN = 72
"""Edge of a chip on the page, in its pixels."""

_LEAST, _MOST = 20, 64
"""Pixels along the edge of a chip: of the ground at least, of the picture at most."""

Chips = Mapping[str, tuple[Markup, Markup]]
"""Before and after by id of the event."""


def chips(
    events: gpd.GeoDataFrame,
    cubes: Mapping[str, CellCube],
    canvas: Canvas,
    grounds: tuple[Backdrop, Backdrop] | None,
) -> Chips:
    """Chips of some events, with their outlines.

    Args:
        events: those that are listed, with `id`.
        cubes: the cells' cubes.
        canvas: the page's picture grid.
        grounds: the ground on it; without it there are no chips.
    """
    if grounds is None:
        return {}
    shapes = events.geometry.to_crs(str(canvas.grid.crs))
    if canvas.factor == 1:
        return {
            event: _pair(shape, canvas, grounds)
            for event, shape in zip(events["id"], shapes, strict=True)
        }
    made: dict[str, tuple[Markup, Markup]] = {}
    inside = gpd.GeoSeries(shapes.representative_point(), crs=shapes.crs)
    for name, cell_cube in cubes.items():
        own = inside.within(shapely.box(*cell_cube.cell.core.boundingbox.bbox)).to_numpy()
        if not own.any():
            continue
        whole = Canvas.over([cell_cube.cell], max(cell_cube.cell.core.shape))
        detail = backdrops({name: cell_cube}, whole, grounds[0].limits)
        if detail is not None:
            made |= {
                event: _pair(shape, whole, detail)
                for event, shape in zip(events["id"][own], shapes[own], strict=True)
            }
    return made


def _pair(
    shape: BaseGeometry, canvas: Canvas, grounds: tuple[Backdrop, Backdrop]
) -> tuple[Markup, Markup]:
    outline = canvas.to_picture(shape)
    left, top, edge = _square(outline, canvas)
    path = svg_path(shapely.transform(outline, lambda points: points - (left, top)))
    before, after = (
        _chip(ground.image[top : top + edge, left : left + edge], edge, path, name)
        for ground, name in zip(grounds, ("before", "after"), strict=True)
    )
    return before, after


def _square(outline: BaseGeometry, canvas: Canvas) -> tuple[int, int, int]:
    """Left, top and edge of a square around an outline that lies on the canvas."""
    x0, y0, x1, y1 = outline.bounds
    edge = max(_LEAST, round(1.7 * max(x1 - x0, y1 - y0)))
    rows, columns = canvas.shape
    left, top = (
        int(np.clip(round((low + high - edge) / 2), 0, max(size - edge, 0)))
        for low, high, size in ((x0, x1, columns), (y0, y1, rows))
    )
    return left, top, edge


def _chip(image: NDArray[np.float32], edge: int, path: str, name: str) -> Markup:
    rows, columns = image.shape[:2]
    thin = -(-edge // _MOST)
    picture = pictures.encode_png(pictures.paint_ground(image[::thin, ::thin]))
    return Markup(
        f'<svg class="chip" viewBox="0 0 {edge} {edge}" width="{SHOWN}" height="{SHOWN}" '
        f'role="img" aria-label="the ground {name}">'
        f'<image href="{pictures.data_uri(picture)}" width="{columns}" height="{rows}" '
        'preserveAspectRatio="none"/>'
        f'<path class="outline casing" d="{path}"/><path class="outline line" d="{path}"/></svg>'
    )
