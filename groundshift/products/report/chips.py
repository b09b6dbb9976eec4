"""Chips on a page: what the ground at an event looked like before and after, as small pictures."""

from collections.abc import Mapping

import geopandas as gpd
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from groundshift.cube.store import CellCube
from groundshift.products import pictures
from groundshift.products.chips import event_chip
from groundshift.products.report.panels import svg_path

SHOWN = 72
"""Edge of a chip on the page, in its pixels."""

_MOST = 64
"""Pixels along the longer edge of a chip's picture."""

Chips = Mapping[str, tuple[Markup, Markup]]
"""Before and after by id of the event."""


def chips(
    events: gpd.GeoDataFrame, cubes: Mapping[str, CellCube], limits: tuple[float, float] | None
) -> Chips:
    """Chips of some events, with their outlines.

    Args:
        events: those that are listed.
        cubes: the cells' cubes.
        limits: values of the ground shown as 0 and 1, as on the page's maps, so that rows can be
            compared; None where there is no image of the ground, and so no chip.
    """
    if limits is None:
        return {}
    made = {}
    for _, event in events.iterrows():
        chip = event_chip(cubes, event, limits)
        if chip is not None:
            path = svg_path(chip.outline)
            before, after = _svg(chip.before, path, "before"), _svg(chip.after, path, "after")
            made[event["id"]] = (before, after)
    return made


def _svg(image: NDArray[np.float32], path: str, name: str) -> Markup:
    rows, columns = image.shape[:2]
    thin = -(-max(rows, columns) // _MOST)
    picture = pictures.encode_png(pictures.paint_ground(image[::thin, ::thin]))
    return Markup(
        f'<svg class="chip" viewBox="0 0 {columns} {rows}" width="{SHOWN}" height="{SHOWN}" '
        f'role="img" aria-label="the ground {name}">'
        f'<image href="{pictures.data_uri(picture)}" width="{columns}" height="{rows}" '
        'preserveAspectRatio="none"/>'
        f'<path class="outline casing" d="{path}"/><path class="outline line" d="{path}"/></svg>'
    )
