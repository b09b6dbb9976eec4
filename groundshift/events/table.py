"""The table of events: its columns, and how a row is made of an object."""

import hashlib
import json
from base64 import b32encode
from collections.abc import Iterable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from groundshift.domain.time import isoformat
from groundshift.events.dating import ChangePoint, Evidence, fit_change_point
from groundshift.events.objects import EventRule, Part, ScoredWindows, find_objects
from groundshift.events.series import ReadSums
from groundshift.events.windows import (
    PROBABILITY,
    SPREAD,
    alarm_of,
    high_span,
    supported,
    window_dates,
)

NEW, GROWN, CONFIRMED, WITHDRAWN = "new", "grown", "confirmed", "withdrawn"
"""States of an event: first seen, larger than it was reported, seen by enough windows, gone."""

GAIN, LOSS, UNKNOWN = "builtup_gain", "builtup_loss", "unknown"
"""Directions of change."""

CHANGE_POINT, WINDOWS = "change_point", "windows"
"""What an event is dated by."""

_INSTANT = "datetime64[s]"
EVENT_TYPES: dict[str, str] = {
    "id": "object",
    "state": "object",
    "news": "bool",
    "first_seen": _INSTANT,
    "confirmed": _INSTANT,
    "ended": _INSTANT,
    "start": _INSTANT,
    "date": _INSTANT,
    "end": _INSTANT,
    "date_from": _INSTANT,
    "date_to": _INSTANT,
    "date_method": "object",
    "score": "float64",
    "score_peak": "float64",
    "probability": "float64",
    "uncertainty": "float64",
    "area_m2": "float64",
    "area_reported_m2": "float64",
    "pixels": "int64",
    "direction": "object",
    "sensors": "object",
    "cells": "object",
    "review_verdict": "object",
    "review_class": "object",
    "review_by": "object",
    "review_at": _INSTANT,
}
"""Columns and their types, beside the geometry; also where there is no event."""

_SIGNS = {"VV": 1.0, "NDVI": -1.0, "NDBI": 1.0}
"""Which way building moves a quantity. VH is left out: trees and roofs both raise it."""

_CLEAR = 4.0
"""Signed standard deviations from which on a direction is told."""

_CARRIED = 3
"""Looks before and after the change that are named as evidence, per sensor."""


def events_of(parts: Iterable[Part], rule: EventRule, crs: str) -> gpd.GeoDataFrame:
    """The table of events.

    Args:
        parts: objects that count.
        rule: by which they were found.
        crs: reference system of their outlines.

    Returns:
        A row per event with the columns of `EVENT_TYPES` and its geometry. All events are new or
        confirmed, and nothing is known of earlier runs and reviews.
    """
    rows = [_row(part, rule) for part in parts]
    columns = [*EVENT_TYPES, "geometry"]
    return typed(gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=crs))


def find_events(
    windows: ScoredWindows, rule: EventRule, *, read: ReadSums | None = None
) -> gpd.GeoDataFrame:
    """Dated events of some score maps that nothing lies beyond; see `find_objects`."""
    return events_of(find_objects(windows, rule, read=read).parts, rule, str(windows.grid.crs))


def typed(events: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """A table of events with all columns in their order; what it lacks is empty.

    Tables of earlier versions lack some: whatever they told was reported.
    """
    empty = {"news": False, "state": NEW, "date_method": WINDOWS, "direction": UNKNOWN}
    lacking = {
        name: empty.get(name, None if kind == "object" else np.nan if kind == "float64" else pd.NaT)
        for name, kind in EVENT_TYPES.items()
        if name not in events
    }
    table = events.assign(**lacking)[[*EVENT_TYPES, "geometry"]].astype(EVENT_TYPES)
    objects = [name for name, kind in EVENT_TYPES.items() if kind == "object"]
    # None, not NaN: a column of texts without a text is otherwise written as numbers.
    table[objects] = table[objects].astype(object).where(table[objects].notna(), None)
    return table


def _row(part: Part, rule: EventRule) -> dict[str, Any]:
    course = part.course
    alarm = alarm_of(
        course, high=rule.threshold, low=rule.low, confirm=rule.confirm, smooth=rule.smooth
    )
    return {
        "id": _id(part, alarm.first),
        "state": NEW if alarm.confirmed is None else CONFIRMED,
        "news": True,
        "first_seen": _instant(alarm.first),
        "confirmed": _instant(alarm.confirmed),
        "ended": _instant(alarm.ended),
        **_dates(part),
        "score": part.support / part.pixels,
        "score_peak": float(np.nanmax(course.mean)),
        "probability": float(course.layer(PROBABILITY)[np.nanargmax(course.mean)]),
        "uncertainty": float(course.layer(SPREAD)[course.high].mean()),
        "area_m2": part.area_m2,
        "area_reported_m2": part.area_m2,
        "pixels": part.pixels,
        "cells": ", ".join(part.cells),
        "geometry": part.geometry,
    }


def _dates(part: Part) -> dict[str, Any]:
    """When, by what, which way, and the looks that say so."""
    course = part.course
    start, end = high_span(course)
    series = [own.series(part.pixels) for own in part.sums]
    point = fit_change_point(series, start, end, lambda instants: supported(course, instants))
    if point is None:
        middle = float(window_dates(course.mean, course.starts, course.ends))
        dates, method = (float(start), middle, float(end), float(start), float(end)), WINDOWS
    else:
        dates = (point.start, point.middle, point.end, point.earliest, point.latest)
        method = CHANGE_POINT
    names = ("start", "date", "end", "date_from", "date_to")
    return {
        **{name: _instant(date) for name, date in zip(names, dates, strict=True)},
        "date_method": method,
        "direction": UNKNOWN if point is None else direction_of(point),
        "sensors": json.dumps({} if point is None else _told(point), separators=(",", ":")),
    }


def direction_of(point: ChangePoint) -> str:
    """Which way a change went: signed square roots of the gains, as of that many deviations."""
    weight = sum(
        _SIGNS.get(quantity, 0.0) * np.sign(change) * np.sqrt(gain)
        for evidence in point.evidence
        for quantity, (change, gain) in evidence.changes.items()
    )
    if abs(weight) < _CLEAR:
        return UNKNOWN
    return GAIN if weight > 0 else LOSS


def _told(point: ChangePoint) -> dict[str, Any]:
    """By sensor: how much it says, what changed by how much, and the looks around the date."""
    return {evidence.sensor: _evidence(evidence, point.middle) for evidence in point.evidence}


def _evidence(evidence: Evidence, middle: float) -> dict[str, Any]:
    place = int(np.searchsorted(evidence.times, middle))
    before, after = evidence.times[max(place - _CARRIED, 0) : place], evidence.times[place:]
    return {
        "looks": len(evidence.times),
        "gain": round(evidence.gain, 1),
        "change": {name: float(f"{change:.3g}") for name, (change, _) in evidence.changes.items()},
        "before": [isoformat(time) for time in before],
        "after": [isoformat(time) for time in after[:_CARRIED]],
    }


def _id(part: Part, first: int) -> str:
    """A name that follows from place and time, so that a rerun gives the same."""
    x, y = part.corner
    text = f"{x:.3f} {y:.3f} {isoformat(first)}"
    return "ev-" + b32encode(hashlib.sha256(text.encode()).digest()).decode()[:10].lower()


def _instant(seconds: float | None) -> pd.Timestamp:
    return pd.NaT if seconds is None else pd.Timestamp(round(seconds), unit="s")
