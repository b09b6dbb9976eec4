"""Writing the map page: its data beside the bundle that shows them."""

import shutil
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from groundshift.domain.cells import Cell
from groundshift.products import pictures
from groundshift.products.canvas import Canvas
from groundshift.products.page.chunks import DATA, PAGE, write_json
from groundshift.products.page.features import event_features, known_features
from groundshift.products.page.rasters import LONGEST, MOST_SPREAD, Rasters, first_day
from groundshift.products.page.series import SERIES
from groundshift.products.report.compose import Background
from groundshift.products.report.unmapped import Unmapped
from groundshift.products.survey import Survey

INDEX = "index.html"

STATIC = ("index.html", "page.js", "page.css", "licences.txt")
"""What the bundle is made of: built from `web/` by `npm run build`."""

_DEGREES = 5
"""Points per axis between which the browser interpolates longitude and latitude."""


def write_site(survey: Survey, background: Background) -> Path:
    """Write the map page of an artifact into its folder `page`.

    Args:
        survey: what was found, with the artifact's folder, whose maps are written already.
        background: names, cubes, known changes, licences.

    Returns:
        Its `index.html`.
    """
    folder = survey.folder / PAGE
    data = survey.folder / DATA
    windows = sorted(survey.hectares)
    day = first_day(background.period)
    rasters = Rasters(survey.folder, data, survey.windows, windows, background.cubes, day)
    canvas, grounds = rasters.write()
    known = background.truth
    about = {
        "area": background.area,
        "period": background.period,
        "firstDay": day,
        "threshold": survey.threshold,
        "grid": grid_of(canvas.grid),
        "factor": canvas.factor,
        "mostSpread": MOST_SPREAD if rasters.spread else None,
        "cells": [_cell(survey, canvas.grid, cell) for cell in survey.windows],
        "windows": [[window.start, window.end] for window in windows],
        "hectares": [round(survey.hectares[window], 4) for window in windows],
        "ground": [ground.caption for ground in grounds] if grounds else None,
        "colours": colours(),
        "known": [] if known is None else known_features(known, canvas.grid, background.wanted),
        "licences": background.licences,
    }
    write_json(data, "about", about)
    write_json(data, "events", event_features(survey.events, canvas.grid))
    copy_static(folder)
    return folder / INDEX


def write_empty_site(target: Path, run: Unmapped) -> Path:
    """Write the map page of an area without maps: where it lies, and why nothing is shown.

    Args:
        target: folder whose `page` it becomes.
        run: what there is to say.

    Returns:
        Its `index.html`.
    """
    data = target / DATA
    canvas = Canvas.over(run.cells, LONGEST)
    about = {
        "area": run.area,
        "period": run.period,
        "firstDay": first_day(run.period),
        "threshold": 1,
        "grid": grid_of(canvas.grid),
        "factor": canvas.factor,
        "mostSpread": None,
        "cells": [],
        "windows": [],
        "hectares": [],
        "ground": None,
        "colours": colours(),
        "known": [],
        "licences": list(run.licences),
        "unmapped": {"verdict": run.verdict, "found": run.found, "remedy": run.remedy},
    }
    write_json(data, "about", about)
    write_json(data, "events", [])
    copy_static(target / PAGE)
    return target / PAGE / INDEX


def copy_static(folder: Path) -> None:
    """Put the bundle beside the data."""
    built = files("groundshift.products.page") / "static"
    for name in STATIC:
        (folder / name).write_bytes((built / name).read_bytes())


def copy_site(maps: Path, target: Path) -> Path:
    """Copy the map page of an artifact, with its series, to where it can be shared.

    Args:
        maps: the artifact.
        target: a new or empty folder.

    Returns:
        Its `index.html`.
    """
    shutil.copytree(maps / PAGE, target, dirs_exist_ok=True)
    return target / INDEX


def grid_of(grid: GeoBox) -> dict[str, Any]:
    """Where the pixels lie: corner, size, and longitude and latitude at some of them."""
    transform = grid.transform
    rows, columns = grid.shape
    x, y = np.meshgrid(np.linspace(0, columns, _DEGREES), np.linspace(0, rows, _DEGREES))
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(*(transform @ (x.ravel(), y.ravel())))
    return {
        "left": transform.c,
        "top": transform.f,
        "pixel": abs(grid.resolution.x),
        "width": columns,
        "height": rows,
        "crs": str(grid.crs),
        "degrees": [[round(a, 8), round(b, 8)] for a, b in zip(longitude, latitude, strict=True)],
    }


def place_of(cell: Cell, grid: GeoBox) -> dict[str, Any]:
    """A cell's place in pixels of the area."""
    transform = cell.core.transform
    x, y = ~grid.transform @ (transform.c, transform.f)
    rows, columns = cell.core.shape
    return {"id": cell.id, "x": round(x), "y": round(y), "width": columns, "height": rows}


def _cell(survey: Survey, grid: GeoBox, cell: Cell) -> dict[str, Any]:
    series = (survey.folder / DATA / SERIES / cell.id).is_dir()
    return place_of(cell, grid) | {"series": series}


def colours() -> dict[str, str]:
    """Colour maps as 256 hexadecimal colours, and the colours of outlines."""
    return {
        "score": _hexadecimal(pictures.SCORE_COLOURS),
        "date": _hexadecimal(pictures.DATE_COLOURS),
        "spread": _hexadecimal(pictures.SPREAD_COLOURS),
        "event": pictures.EVENT_COLOUR,
        "truth": pictures.TRUTH_COLOUR,
        "decoy": pictures.DECOY_COLOUR,
    }


def _hexadecimal(name: str) -> str:
    colours: Iterable[Any] = colormaps[name](np.linspace(0, 1, 256), bytes=True)[:, :3]
    return bytes(np.asarray(colours, np.uint8).ravel()).hex()
