"""Scores of dated events: which known changes were found, what was found in vain, how well dated.

Known and found events are compared block by block, as sets of pixels: an event that crosses the
border of a block counts in each. The two match if their intersection is at least a quarter of
their union (IoU >= 0.25), each with one partner at most, the best pairs first. A known change
counts if at least half of it happened within some scored window. Its date is the middle of its
start and end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from groundshift.assessment.protocol import Panel
from groundshift.assessment.scores import Score
from groundshift.domain.time import DAY
from groundshift.samples.labels.truth import POSITIVE, URBAN

MIN_IOU = 0.25
NEAR_DAYS = 30

Mask = NDArray[np.bool_]

COLUMNS = (
    "cell",
    "block",
    "id",
    "kind",
    "strength",
    "speed",
    "pixels",
    "start",
    "date",
    "end",
    "counts",
    "mean_score",
    "best_score",
    "found_id",
    "iou",
    "found_date",
    "error_days",
)
DATED, POLYGONIZED = "dated by series", "threshold and polygonize"
"""Ways of making events of the same scores."""

FALSE_ALARM = "none"
"""Kind of the rows of events that match no known change."""


@dataclass(frozen=True)
class KnownEvent:
    """A known change inside one block.

    Attributes:
        id: of the truth.
        kind: `urban`, or another.
        strength: share of the new ground in the pixel, NaN where not known.
        start: in seconds since 1970.
        end: likewise; equal to the start for a sudden change.
        pixels: [y, x] of the block.
    """

    id: str
    kind: str
    strength: float
    start: int
    end: int
    pixels: Mask

    @property
    def date(self) -> float:
        """Middle of the change."""
        return (self.start + self.end) / 2

    @property
    def speed(self) -> str:
        """`abrupt` or `gradual`."""
        return "abrupt" if self.start == self.end else "gradual"

    def shares(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
        """Share of the change within each window [window], as labels have it."""
        if self.start == self.end:
            return ((starts <= self.start) & (self.start < ends)).astype(np.float64)
        overlap = np.minimum(self.end, ends) - np.maximum(self.start, starts)
        return np.asarray(np.maximum(overlap, 0) / (self.end - self.start))


def known_events(panel: Panel, truth: gpd.GeoDataFrame) -> list[KnownEvent]:
    """The known changes that reach into a block, in the order of the table."""
    table = truth.to_crs(panel.block.grid.crs.to_wkt())
    events = []
    for row, geometry in zip(table.itertuples(), table.geometry, strict=True):
        pixels = pixels_inside(geometry, panel.block.grid) & panel.block.inside
        if pixels.any():
            start, end = (int(np.datetime64(t, "s").astype(int)) for t in (row.start, row.end))
            strength = float(getattr(row, "strength", np.nan))
            events.append(KnownEvent(str(row.id), row.kind, strength, start, end, pixels))
    return events


def match(known: Sequence[Mask], found: Sequence[Mask]) -> dict[int, tuple[int, float]]:
    """Pairs of known and found events, the best overlap first: {known: (found, IoU)}."""
    overlaps = [
        (_iou(mine, theirs), k, f) for k, mine in enumerate(known) for f, theirs in enumerate(found)
    ]
    pairs: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for iou, k, f in sorted(overlaps, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if iou >= MIN_IOU and k not in pairs and f not in taken:
            pairs[k] = (f, iou)
            taken.add(f)
    return pairs


def event_table(
    panel: Panel,
    scores: NDArray[np.float32],
    truth: gpd.GeoDataFrame,
    found: gpd.GeoDataFrame,
) -> pd.DataFrame:
    """Known changes of a block with what was found of them, then what matches none.

    Args:
        panel: the block.
        scores: [window, y, x].
        truth: dated polygons.
        found: events with geometry, id and date, on the block's grid.

    Returns:
        Rows with `COLUMNS`: `counts` tells which known changes count, `mean_score` is over the
        windows that hold at least half of the change, `best_score` over the pixels' best windows,
        `error_days` is positive where the event is dated too late.
    """
    known = known_events(panel, truth)
    masks = [pixels_inside(geometry, panel.block.grid) for geometry in found.geometry]
    pairs = match([event.pixels for event in known], masks)
    place = {"cell": panel.block.cell.id, "block": panel.block.number}
    rows = []
    for number, event in enumerate(known):
        row = place | _described(event, panel, scores)
        if number in pairs:
            other, iou = pairs[number]
            date = pd.Timestamp(found["date"].iloc[other])
            row |= {"found_id": found["id"].iloc[other], "iou": iou, "found_date": date}
            row["error_days"] = (date.timestamp() - event.date) / DAY
        rows.append(row)
    matched = {other for other, _ in pairs.values()}
    for other in sorted(set(range(len(masks))) - matched):
        event = found.iloc[other]
        false_alarm = {
            "kind": FALSE_ALARM,
            "pixels": int(masks[other].sum()),
            "counts": False,
            "best_score": float(event["score"]),
            "found_id": event["id"],
            "found_date": pd.Timestamp(event["date"]),
        }
        rows.append(place | false_alarm)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _described(event: KnownEvent, panel: Panel, scores: NDArray[np.float32]) -> dict[str, Any]:
    """What is known of a change, and how the detector scores its pixels."""
    inside = event.shares(panel.starts, panel.ends) >= POSITIVE
    mine = scores[:, event.pixels]
    return {
        "id": event.id,
        "kind": event.kind,
        "strength": event.strength,
        "speed": event.speed,
        "pixels": int(event.pixels.sum()),
        "start": _instant(event.start),
        "date": _instant(event.date),
        "end": _instant(event.end),
        "counts": bool(event.kind == URBAN and inside.any()),
        "mean_score": float(mine[inside].mean()) if inside.any() else None,
        "best_score": float(mine.max(axis=0).mean()) if len(mine) else None,
    }


def event_summary(table: pd.DataFrame) -> dict[str, Score]:
    """Precision, recall and F1 of events, and how far their dates are off.

    A found event that matches a change of another kind is a false alarm; one that matches a change
    outside all windows counts neither way.

    Args:
        table: rows of `event_table` of all blocks.
    """
    counted = table[table["counts"]]
    right = int(counted["found_id"].notna().sum())
    vain = table["found_id"].notna() & (table["kind"] != URBAN)
    found = right + int(vain.sum())
    no_event = Score(None, "no known change within the scored windows and blocks")
    if counted.empty:
        names = ("event_precision", "event_recall", "event_f1", *_date_errors(counted))
        return dict.fromkeys(names, no_event)
    precision = Score(right / found) if found else Score(None, "no event was found")
    return {
        "event_precision": precision,
        "event_recall": Score(right / len(counted)),
        "event_f1": Score(2 * right / (len(counted) + found)),
        **_date_errors(counted),
    }


def way_row(way: str, threshold: float, table: pd.DataFrame) -> dict[str, object]:
    """How good one way of making events of the same scores is.

    Args:
        way: its name.
        threshold: of the scores.
        table: rows of `event_table` of all blocks.
    """
    summary = event_summary(table)
    names = ("event_precision", "event_recall", "event_f1", "date_error_median")
    known = int(table["counts"].sum())
    return {"way": way, "threshold": threshold, "events": known} | {
        name: summary[name].value for name in names
    }


def events_by_group(table: pd.DataFrame) -> pd.DataFrame:
    """Counted changes by strength and speed: how many, how many found, how well dated."""
    rows = []
    counted = table[table["counts"]]
    for (strength, speed), group in counted.groupby(["strength", "speed"], dropna=False):
        errors = _date_errors(group)
        rows.append(
            {
                "strength": strength,
                "speed": speed,
                "events": len(group),
                "found": int(group["found_id"].notna().sum()),
                "mean_score": float(group["mean_score"].mean()),
                **{name: score.value for name, score in errors.items()},
            }
        )
    return pd.DataFrame(rows)


def _date_errors(events: pd.DataFrame) -> dict[str, Score]:
    """Median and mean size of the dates' errors, their median, and the share within a month."""
    errors = events["error_days"].dropna().to_numpy(np.float64)
    names = ("date_error_median", "date_error_mean", "date_bias", f"dated_within_{NEAR_DAYS}_days")
    if not len(errors):
        return dict.fromkeys(names, Score(None, "no known change was found"))
    size = np.abs(errors)
    values = (np.median(size), size.mean(), np.median(errors), (size <= NEAR_DAYS).mean())
    return {name: Score(float(value)) for name, value in zip(names, values, strict=True)}


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The tables of all blocks, one after another; columns stay even without a row."""
    rows = [row for table in tables for row in table.to_dict(orient="records")]
    # By rows, since pandas guesses the type of a column from tables that are empty there, too.
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"counts": bool})


def pixels_inside(geometry: object, grid: GeoBox) -> Mask:
    """Pixels whose centre lies in a polygon, [y, x]."""
    burnt = rasterize([geometry], out_shape=grid.shape, transform=grid.transform, dtype=np.uint8)
    return np.asarray(burnt, bool)


def _iou(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def _instant(seconds: float) -> pd.Timestamp:
    return pd.Timestamp(round(seconds), unit="s")
