"""The table of events: where, when, how sure, and beside what is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd
from markupsafe import Markup
from pyproj import Transformer

from groundshift.domain.time import DAY
from groundshift.products.report.charts import sparkline
from groundshift.products.report.chips import Chips
from groundshift.products.report.page import Column, Row, Table
from groundshift.products.survey import Course

_TOLD = {"state": "state", "direction": "direction", "review_verdict": "review"}
"""Columns that are shown, by their titles, where events have something in them."""


@dataclass(frozen=True)
class Known:
    """A known change that an event lies on."""

    name: str
    date: int
    """Middle of the change in seconds since 1970."""
    wanted: bool
    """Whether it is of the kind looked for; a decoy is not."""


def match_known(
    events: gpd.GeoDataFrame, truth: gpd.GeoDataFrame | None, wanted: str
) -> list[Known | None]:
    """For each event the known change it shares most area with, if any.

    Args:
        events: polygons.
        truth: polygons with `id`, `kind`, `start` and `end`; None where nothing is known.
        wanted: the kind looked for.
    """
    if truth is None or not len(truth):
        return [None] * len(events)
    polygons = truth.geometry.to_crs(events.crs)
    matches: list[Known | None] = []
    for geometry in events.geometry:
        shared = polygons.intersection(geometry).area.to_numpy()
        best = int(shared.argmax())
        if shared[best] <= 0:
            matches.append(None)
            continue
        row = truth.iloc[best]
        middle = (_seconds(row["start"]) + _seconds(row["end"])) // 2
        matches.append(Known(str(row["id"]), middle, row["kind"] == wanted))
    return matches


def events_table(
    events: gpd.GeoDataFrame,
    *,
    total: int,
    known: Sequence[Known | None],
    truth_given: bool,
    courses: Mapping[str, Course],
    chips: Chips,
    threshold: float,
    period: tuple[int, int],
) -> Table:
    """The table of events.

    Args:
        events: those to list, strongest first.
        total: how many there are in all.
        known: for each, the known change it lies on.
        truth_given: whether changes are known for this area at all.
        courses: score through time by event id.
        chips: the ground before and after by event id.
        threshold: mean score from which a pixel belongs to an event.
        period: [start, end) of the sparklines in seconds.
    """
    to_degrees = Transformer.from_crs(events.crs, "EPSG:4326", always_xy=True)
    told = [name for name in _TOLD if name in events.columns and events[name].notna().any()]
    rows = []
    for number, (_, event) in enumerate(events.iterrows(), start=1):
        inside = event.geometry.representative_point()
        longitude, latitude = to_degrees.transform(inside.x, inside.y)
        match = known[number - 1]
        date = _seconds(event["date"])
        cells = [
            str(number),
            _day(event["date"]),
            _span(_first(event, "date_from", "start"), _first(event, "date_to", "end")),
            _score(event),
            f"{event['area_m2'] / 1e4:.2f}",
            f"{latitude:.5f}, {longitude:.5f}",
        ]
        if truth_given:
            cells += _beside(match, date)
        cells += [_word(event[column]) for column in told]
        course = courses.get(event["id"])
        line = ""
        if course is not None:
            middles = [window.middle for window in course.windows]
            true_date = match.date if match and match.wanted else None
            line = sparkline(middles, course.scores.tolist(), period, threshold, date, true_date)
        beside = chips.get(event["id"], ())
        rows.append(Row(cells, key=event["id"], sparkline=line, chips=beside))
    return Table(
        "Events", _columns(told, truth_given), rows, lead=_lead(len(events), total, threshold)
    )


def _columns(told: Sequence[str], truth_given: bool) -> tuple[Column, ...]:
    columns = (
        Column("no.", number=True),
        Column("date"),
        Column("from, to"),
        Column("score", number=True),
        Column("area, ha", number=True),
        Column("latitude, longitude", wraps=True),
    )
    lies_on = (Column("lies on", wraps=True), Column("date error, days", number=True))
    beside = lies_on if truth_given else ()
    return columns + beside + tuple(Column(_TOLD[column], wraps=True) for column in told)


def _beside(match: Known | None, date: int) -> list[str]:
    if match is None:
        return ["nothing known", ""]
    if not match.wanted:
        return [_breaking(f"{match.name} (decoy)"), ""]
    return [_breaking(match.name), f"{round((date - match.date) / DAY):+d}"]


def _breaking(name: str) -> Markup:
    """A name that may go on in the next line after an underscore."""
    return Markup("_<wbr>").join(name.split("_"))


def _lead(shown: int, total: int, threshold: float) -> str:
    if total == 0:
        return f"None: nowhere do the windows around one date score {threshold:.2f} in the mean."
    which = "All of them" if shown == total else f"The {shown} strongest"
    groups = "group" if total == 1 else "groups"
    return (
        f"{total} {groups} of connected pixels, in which the windows around one date score at "
        f"least {threshold:.2f} in the mean. {which}, by score times size; events.geojson and "
        "events.parquet hold all. Yellow lines in the last column mark the date found, blue ones "
        "the known date."
    )


def _first(event: pd.Series, *columns: str) -> Any:
    """What the first of some columns holds that is there."""
    return next(event[column] for column in columns if column in event.index)


def _score(event: pd.Series) -> str:
    """The greatest score, with the deviation of an ensemble where it is known."""
    spread = event.get("uncertainty")
    beside = "" if spread is None or pd.isna(spread) else f" \u00b1 {spread:.2f}"
    return f"{_first(event, 'score_peak', 'score'):.2f}{beside}"


def _word(value: object) -> str:
    return "" if pd.isna(value) else str(value).replace("_", " ")


def _seconds(instant: object) -> int:
    return int(pd.Timestamp(instant).timestamp())


def _span(start: object, end: object) -> str:
    first, last = _day(start), _day(end)
    return "sudden" if first == last else Markup(f"{first}<br>to {last}")


def _day(instant: object) -> str:
    return str(pd.Timestamp(instant).date())
