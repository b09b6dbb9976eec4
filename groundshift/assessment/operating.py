"""How many changes are found at how many false events, and how late; by contrast, size and speed.

A watch is limited by the false events that somebody has to look at. So events are outlined at many
thresholds, and the recall counts at which a given number of false events is not exceeded. Found in
vain are events that match no urban change; one that matches a change outside all scored windows
counts neither way (as in `event_scores`). The rate is per area and time: the scored ground times
the time from the first window's start to the last one's end.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from groundshift.assessment.event_scores import KnownEvent, known_events, match, pixels_inside
from groundshift.assessment.protocol import Panel
from groundshift.assessment.scores import Score
from groundshift.domain.cells import pixel_area
from groundshift.domain.time import DAY
from groundshift.samples.labels.truth import POSITIVE, URBAN

FALSE_EVENTS = 1.0
"""Per 100 km2 and year: what a watch may cost."""

_THRESHOLDS = 32
_YEAR = 365.25 * DAY

STRATA: dict[str, tuple[tuple[str, float, float], ...]] = {
    "contrast": (("under 3 dB", 0, 3), ("3 to 6 dB", 3, 6), ("6 dB and more", 6, np.inf)),
    "size": (("under 0.1 ha", 0, 0.1), ("0.1 to 0.5 ha", 0.1, 0.5), ("0.5 ha and more", 0.5, 1e9)),
    "speed": (
        ("abrupt", -1, 1),
        ("up to 6 months", 1, 183),
        ("6 to 12 months", 183, 366),
        ("over a year", 366, 1e9),
    ),
}
"""Classes of changes with their limits: size of the step in VV (dB), area (ha), duration (days)."""

Outline = Callable[[Panel, NDArray[np.float32], float], Sequence[BaseGeometry]]
"""Outlines of the events of a panel's scores at a threshold. It is asked at many of them: all else
that is known of an event would take longer."""


@dataclass(frozen=True)
class Watched:
    """A block with its scores and what is known to have changed there."""

    panel: Panel
    scores: NDArray[np.float32]
    known: Sequence[KnownEvent]

    @classmethod
    def of(cls, panel: Panel, scores: NDArray[np.float32], truth: gpd.GeoDataFrame) -> "Watched":
        """The block and the changes that reach into it."""
        return cls(panel, scores, known_events(panel, truth))

    def counts(self, event: KnownEvent) -> bool:
        """Whether at least half of an urban change happened within some window."""
        shares = event.shares(self.panel.starts, self.panel.ends)
        return event.kind == URBAN and bool((shares >= POSITIVE).any())

    @property
    def exposure(self) -> float:
        """Scored ground times scored time, in units of 100 km2 and a year."""
        block = self.panel.block
        if not len(self.panel.windows):
            return 0.0
        km2 = float(block.inside.sum()) * pixel_area(block.grid) / 1e6
        years = float(self.panel.ends.max() - self.panel.starts.min()) / _YEAR
        return km2 / 100 * years

    def delay(self, event: KnownEvent, threshold: float) -> float | None:
        """Days from a change's start to the end of the first window that shows it."""
        mean = self.scores[:, event.pixels].mean(axis=1)
        ends = self.panel.ends[(mean >= threshold) & (self.panel.ends > event.start)]
        return None if not len(ends) else float(ends.min() - event.start) / DAY


def operating_curve(watched: Sequence[Watched], outline: Outline) -> pd.DataFrame:
    """Recall and false events at falling thresholds.

    Returns:
        Columns threshold, events (known changes that count), found, recall, false_events,
        false_rate (per 100 km2 and year).
    """
    exposure = sum(one.exposure for one in watched)
    events = sum(one.counts(event) for one in watched for event in one.known)
    rows = []
    for threshold in _thresholds(watched):
        found = in_vain = 0
        for one in watched:
            mine, vain = _counted(one, outline(one.panel, one.scores, threshold))
            found, in_vain = found + mine, in_vain + vain
        rows.append((threshold, events, found, in_vain))
    table = pd.DataFrame(rows, columns=["threshold", "events", "found", "false_events"])
    table.insert(3, "recall", table["found"] / max(events, 1))
    return table.assign(false_rate=table["false_events"] / max(exposure, 1e-12))


def operating_summary(curve: pd.DataFrame, watched: Sequence[Watched]) -> dict[str, Score]:
    """The recall at the rate of false events that a watch may cost, and what it rests on."""
    exposure = sum(one.exposure for one in watched)
    scores = {"exposure": Score(exposure)}
    name = "event_recall_at_rate"
    if curve.empty or not curve["events"].max():
        return scores | {name: Score(None, "no known change within the scored windows and blocks")}
    within = curve[curve["false_rate"] <= FALSE_EVENTS]
    if within.empty:
        reason = f"more than {FALSE_EVENTS:g} false event per 100 km2 and year at every threshold"
        return scores | {name: Score(None, reason)}
    return scores | {name: Score(float(within["recall"].max()))}


def best_threshold_of_events(
    watched: Sequence[Watched], outline: Outline, thresholds: Sequence[float]
) -> float:
    """The threshold of the best F1 of events; of equals the first."""
    known = sum(one.counts(event) for one in watched for event in one.known)

    def f1(threshold: float) -> float:
        counts = [_counted(one, outline(one.panel, one.scores, threshold)) for one in watched]
        right, vain = (sum(numbers) for numbers in zip(*counts, strict=True)) if counts else (0, 0)
        return 2 * right / max(known + right + vain, 1)

    return max(thresholds, key=f1)


def delays(watched: Iterable[Watched], threshold: float, *, wait: float = 0) -> dict[str, Score]:
    """Days until a change shows, p50 and p90 over those that do at a threshold.

    Args:
        watched: the ground.
        threshold: from which score on a change shows.
        wait: days from a window's end until it can be scored.
    """
    found = [
        one.delay(event, threshold) for one in watched for event in one.known if one.counts(event)
    ]
    days = np.array([day for day in found if day is not None])
    names = ("delay_p50", "delay_p90")
    if not len(days):
        return dict.fromkeys(names, Score(None, "no known change reached the threshold"))
    return {
        name: Score(float(value) + wait)
        for name, value in zip(names, np.percentile(days, (50, 90)), strict=True)
    }


def events_by_stratum(table: pd.DataFrame, truth: gpd.GeoDataFrame) -> pd.DataFrame:
    """Counted changes by contrast, size and speed, as far as the truth says these.

    Args:
        table: rows of `event_table`.
        truth: dated polygons; `contrast` in decibels may be missing.

    Returns:
        Columns by, stratum, events, found, recall, date_error_p50, date_error_p90 (days).
    """
    metric = truth if truth.crs.is_projected else truth.to_crs(truth.estimate_utm_crs())
    known = pd.DataFrame({"id": truth["id"].astype(str), "size": metric.area / 1e4})
    known["speed"] = (truth["end"] - truth["start"]).dt.total_seconds() / DAY
    if "contrast" in truth:
        known["contrast"] = truth["contrast"].abs()
    counted = table[table["counts"]][["id", "found_id", "error_days"]]
    joined = counted.merge(known.drop_duplicates("id"), on="id", how="left")
    rows = []
    for by, classes in STRATA.items():
        if by not in joined:
            continue
        for name, low, high in classes:
            mine = joined[(joined[by] >= low) & (joined[by] < high)]
            if len(mine):
                rows.append({"by": by, "stratum": name, **_found(mine)})
    columns = ("by", "stratum", "events", "found", "recall", "date_error_p50", "date_error_p90")
    return pd.DataFrame(rows, columns=list(columns))


def _found(events: pd.DataFrame) -> dict[str, float]:
    errors = events["error_days"].dropna().abs().to_numpy(np.float64)
    p50, p90 = np.percentile(errors, (50, 90)) if len(errors) else (np.nan, np.nan)
    found = int(events["found_id"].notna().sum())
    return {
        "events": len(events),
        "found": found,
        "recall": found / len(events),
        "date_error_p50": float(p50),
        "date_error_p90": float(p90),
    }


def _counted(one: Watched, found: Sequence[BaseGeometry]) -> tuple[int, int]:
    """How many changes that count were found in a block, and how many events in vain."""
    masks = [pixels_inside(geometry, one.panel.block.grid) for geometry in found]
    pairs = match([event.pixels for event in one.known], masks)
    right = sum(one.counts(one.known[number]) for number in pairs)
    urban = sum(one.known[number].kind == URBAN for number in pairs)
    return right, len(masks) - urban


def _thresholds(watched: Sequence[Watched]) -> list[float]:
    """From the rarest scores downwards, evenly in the logarithm of how rare they are.

    What an event is outlined by lies between a pixel's mean score and its best one.
    """
    scored = [one.scores[:, one.panel.block.inside] for one in watched if len(one.panel.windows)]
    if not scored:
        return []
    found: set[float] = set()
    for of_pixel in (np.max, np.mean):
        pooled = np.concatenate([of_pixel(scores, axis=0) for scores in scored])
        shares = np.geomspace(1 / max(len(pooled), 2), 0.3, _THRESHOLDS // 2)
        found |= {float(value) for value in np.quantile(pooled, 1 - shares)}
    return sorted(found, reverse=True)
