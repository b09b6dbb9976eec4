"""The page itself: what stands on it, and its rendering into one file that needs nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from groundshift.products import pictures

TEMPLATE = "page.html.j2"


@dataclass(frozen=True)
class Fact:
    """A number at the top of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers are set to the right, long texts may wrap."""

    title: str
    number: bool = False
    wraps: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: Sequence[str]
    ours: bool = False
    """Whether it is the model's, among baselines."""
    key: str = ""
    """Which outlines on the maps it belongs to."""
    sparkline: str = ""
    """SVG, in the table of events."""
    chips: Sequence[Markup] = ()
    """The ground before and after, in the table of events."""


@dataclass(frozen=True)
class Table:
    """A table; `level` tells how much its numbers prove."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    lead: str = ""
    level: str = ""
    level_label: str = ""


@dataclass(frozen=True)
class Outline:
    """A polygon on the maps, in picture pixels."""

    path: str
    """SVG path."""
    title: str
    key: str = ""
    label: str = ""
    x: float = 0.0
    y: float = 0.0


@dataclass(frozen=True)
class MapPanel:
    """The two maps: pictures as data URIs, outlines, a scale bar."""

    width: int
    height: int
    score: str
    date: str
    first_day: str
    last_day: str
    place: str
    lead: str
    unit: float
    """A length that looks the same at every picture size, in picture pixels."""
    bar_length: float
    bar_label: str
    before: str = ""
    after: str = ""
    caption: str = ""
    events: Sequence[Outline] = ()
    truth: Sequence[Outline] = ()
    decoys: Sequence[Outline] = ()

    @property
    def bar_x(self) -> float:
        """Left end of the scale bar."""
        return self.width * 0.04

    @property
    def bar_y(self) -> float:
        """Height of the scale bar."""
        return self.height * 0.955


@dataclass(frozen=True)
class Thumbnail:
    """One window's scores."""

    picture: str
    start: str
    end: str


@dataclass(frozen=True)
class Timeline:
    """Scores through time."""

    lead: str
    chart: Markup
    windows: Sequence[Thumbnail]


@dataclass(frozen=True)
class Seen:
    """What data came."""

    lead: str
    calendar: Markup
    table: Table


@dataclass(frozen=True)
class Plot:
    """A figure that another stage drew."""

    picture: str
    title: str


@dataclass(frozen=True)
class Quality:
    """How good the model is, by level of evidence."""

    lead: str
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()


@dataclass(frozen=True)
class Report:
    """Everything on the page."""

    area: str
    subtitle: str
    facts: Sequence[Fact]
    asked: Table
    seen: Seen
    map: MapPanel
    timeline: Timeline
    events: Table
    years: Table
    quality: Quality
    cost: Table
    lineage: Table
    settings: Sequence[Table] = field(default=())
    licences: Sequence[str] = field(default=())
    page: str = ""
    """Where the map page lies beside this one, if there is one."""


def write_page(path: Path, report: Report) -> None:
    """Render the report into one HTML file with all its pictures inside."""
    render(path, TEMPLATE, report=report)


def render(path: Path, template: str, **values: Any) -> None:
    """Fill in a template of this package, into one file that needs no other."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("groundshift.products.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    colours = {
        "event": pictures.EVENT_COLOUR,
        "truth": pictures.TRUTH_COLOUR,
        "decoy": pictures.DECOY_COLOUR,
        "score": pictures.colour_bar(pictures.SCORE_COLOURS),
        "date": pictures.colour_bar(pictures.DATE_COLOURS),
    }
    text = environment.get_template(template).render(colours=colours, **values)
    path.write_text(text, encoding="utf-8")
