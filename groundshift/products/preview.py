"""The preview: one picture that shows what a run found, for a README or a message."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from shapely.geometry.base import BaseGeometry

from groundshift.domain.time import DAY
from groundshift.products.pictures import (
    DATE_COLOURS,
    DECOY_COLOUR,
    EVENT_COLOUR,
    SCORE_COLOURS,
    TRUTH_COLOUR,
    Rgba,
    format_length,
    scale_length,
)

_DASHED = (0, (3, 1.5))
_WIDTH, _TITLES, _KEYS = 14.0, 0.62, 0.42
"""Inches: the sheet, the room for titles above and for keys below the panels."""


@dataclass(frozen=True)
class Sheet:
    """What the preview shows, all on one picture grid."""

    title: str
    before: Rgba
    after: Rgba
    score: Rgba
    date: Rgba
    events: tuple[BaseGeometry, ...]
    """Outlines in picture pixels."""
    truth: tuple[BaseGeometry, ...]
    decoys: tuple[BaseGeometry, ...]
    """Known changes that are not of the kind looked for."""
    pixel: float
    """Edge of a picture pixel in metres."""
    period: tuple[int, int]


def write_preview(path: Path, sheet: Sheet) -> None:
    """Write the preview: before, after with the events, greatest score, date of change."""
    rows, columns = sheet.before.shape[:2]
    panel = _WIDTH / 4.06
    height = panel * min(max(rows / columns, 0.5), 1.6) + _TITLES + _KEYS
    figure = Figure(figsize=(_WIDTH, height), dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.004, 1 - 0.08 / height, sheet.title, fontsize=13, va="top", fontweight="bold")
    panels = figure.subplots(
        1,
        4,
        gridspec_kw={
            "left": 0.004,
            "right": 0.996,
            "bottom": _KEYS / height,
            "top": 1 - _TITLES / height,
            "wspace": 0.02,
        },
    )
    titles = ("Before", "After, with events", "Greatest score", "Date of change")
    pictures = (sheet.before, sheet.after, sheet.score, sheet.date)
    for axes, picture, title in zip(panels, pictures, titles, strict=True):
        axes.set_facecolor("#e4e4e4")
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, fontsize=11, loc="left", pad=4)
        axes.set_xticks([])
        axes.set_yticks([])
    for axes, colour in ((panels[1], EVENT_COLOUR), (panels[2], "white")):
        _outline(axes, sheet.events, colour, "-")
    _outline(panels[1], sheet.truth, TRUTH_COLOUR, _DASHED)
    _outline(panels[1], sheet.decoys, DECOY_COLOUR, _DASHED)
    _scale_bar(panels[0], sheet)
    _line_key(panels[1], sheet)
    _colour_key(figure, panels[2], SCORE_COLOURS, Normalize(0, 1))
    first, last = (seconds / DAY for seconds in sheet.period)
    dates = _colour_key(figure, panels[3], DATE_COLOURS, Normalize(first, last))
    days = np.linspace(first, last, 7)[1::2]
    dates.set_ticks(days, labels=[_month(day) for day in days])
    figure.savefig(path, metadata={"Software": None})


def _outline(axes: Axes, outlines: tuple[BaseGeometry, ...], colour: str, style: Any) -> None:
    for geometry in outlines:
        for part in getattr(geometry, "geoms", [geometry]):
            # Pixel centres lie on whole numbers in a picture, edges halfway.
            x, y = np.asarray(part.exterior.coords).T - 0.5
            if style == "-":
                axes.plot(x, y, color="black", linewidth=3.2, alpha=0.55)
            axes.plot(x, y, color=colour, linewidth=1.7, linestyle=style)


def _scale_bar(axes: Axes, sheet: Sheet) -> None:
    height, width = sheet.before.shape[:2]
    metres = scale_length(width * sheet.pixel)
    left, y = width * 0.05, height * 0.93
    for colour, thickness in (("black", 5), ("white", 3)):
        axes.plot([left, left + metres / sheet.pixel], [y, y], color=colour, linewidth=thickness)
    text = axes.text(left, y - height * 0.02, format_length(metres), color="white", va="bottom")
    text.set_path_effects([withStroke(linewidth=2, foreground="black")])


def _line_key(axes: Axes, sheet: Sheet) -> None:
    entries: list[tuple[str, str, Any, bool]] = [
        ("found", EVENT_COLOUR, "-", bool(sheet.events)),
        ("known change", TRUTH_COLOUR, _DASHED, bool(sheet.truth)),
        ("known decoy", DECOY_COLOUR, _DASHED, bool(sheet.decoys)),
    ]
    lines = [
        Line2D([], [], color=colour, linestyle=style, label=label, linewidth=2)
        for label, colour, style, shown in entries
        if shown
    ]
    axes.legend(
        handles=lines,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=3,
        frameon=False,
        fontsize=8.5,
        handlelength=1.6,
        columnspacing=1,
    )


def _colour_key(figure: Figure, axes: Axes, colours: str, scale: Normalize) -> Any:
    mapped = ScalarMappable(scale, colormaps[colours])
    place = axes.get_position()
    height = 0.11 / figure.get_figheight()
    strip = figure.add_axes((place.x0, place.y0 - 1.6 * height, place.width, height))
    bar = figure.colorbar(mapped, cax=strip, orientation="horizontal")
    bar.ax.tick_params(labelsize=8.5, length=2, pad=1)
    return bar


def _month(day: float) -> str:
    return datetime.fromtimestamp(day * DAY, UTC).strftime("%Y-%m")
