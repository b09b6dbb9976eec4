"""Events over runs: which one is known already, under which id, and what is news of it.

A monitoring run finds everything anew, by a cube that late scenes have revised. An event is the one
that was published before if the two overlap in space and time. Each state of an event is news in
one run only; what an analyst rejected never is.
"""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from groundshift.events.table import CONFIRMED, GROWN, NEW, WITHDRAWN, typed
from groundshift.samples.labels.truth import REJECTED

OVERLAP = 0.3
"""Two outlines are of one event if they share this part of the smaller one."""

GROWTH = 1.25
"""An event has grown if it is so many times as large as when it was reported last."""

QUIET = 0.5
"""Part of an event that must lie on rejected ground to stay quiet."""


@dataclass(frozen=True)
class Pairs:
    """Which events of two tables overlap in space and time, [pair] each."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    shared: NDArray[np.float64]
    """Common area, as a share of the smaller of the two."""
    alike: NDArray[np.float64]
    """Common area, as a share of both together."""


def overlapping(first: gpd.GeoDataFrame, second: gpd.GeoDataFrame, apart: float) -> Pairs:
    """Events of two tables that share ground at one time.

    Args:
        first: events with `date`, `date_from` and `date_to`.
        second: likewise, in the same reference system.
        apart: seconds up to which two dates are the same; those whose intervals overlap are, too.
    """
    one, other = second.sindex.query(first.geometry, predicate="intersects")
    shapes, others = first.geometry.to_numpy()[one], second.geometry.to_numpy()[other]
    common = shapely.area(shapely.intersection(shapes, others))
    area, its_area = shapely.area(shapes), shapely.area(others)
    begin, end, date = (_seconds(first[name])[one] for name in ("date_from", "date_to", "date"))
    its_begin, its_end, its_date = (
        _seconds(second[name])[other] for name in ("date_from", "date_to", "date")
    )
    same = (np.abs(date - its_date) < apart) | ((begin <= its_end) & (its_begin <= end))
    kept = (common > 0) & same
    shared = common / np.minimum(area, its_area)
    alike = common / (area + its_area - common)
    return Pairs(one[kept], other[kept], shared[kept], alike[kept])


def follow(
    found: gpd.GeoDataFrame, earlier: gpd.GeoDataFrame, *, since: int, apart: float
) -> gpd.GeoDataFrame:
    """Give events that were published before their ids back, and say what is news.

    - An event keeps the id of the earlier one that it resembles most, each id going once. Another
      piece of an event that fell apart is no news; neither is one that was swallowed.
    - It is news again when it is confirmed, and when it has grown (`GROWTH`).
    - An earlier event that is not found any more is withdrawn, which is news once. It stays in the
      table, so that it is recognised if it comes back. One that lies before the time that was
      looked at stays as it is.

    Args:
        found: this run's events.
        earlier: events as they were published last.
        since: start of the time that was looked at, in seconds.
        apart: seconds up to which two dates are the same.
    """
    if earlier.empty:
        return found
    earlier = typed(earlier.to_crs(found.crs)).reset_index(drop=True)
    found = found.reset_index(drop=True)
    pairs = overlapping(found, earlier, apart)
    near = pairs.shared >= OVERLAP
    partner = _partners(pairs, near)
    followed = [
        _followed(event, None if (old := partner.get(number)) is None else earlier.iloc[old])
        for number, event in found.iterrows()
    ]
    pieces = {int(number) for number in pairs.first[near]} - set(partner)
    for number in pieces:
        followed[number]["news"] = False
    lost = earlier.drop(index=list(partner.values()))
    swallowed = set(pairs.second[near].tolist())
    rest = [_lost(event, since, number in swallowed) for number, event in lost.iterrows()]
    table = gpd.GeoDataFrame([*followed, *rest], columns=found.columns, crs=found.crs)
    return typed(table)


def quieten(events: gpd.GeoDataFrame, reviews: gpd.GeoDataFrame, apart: float) -> gpd.GeoDataFrame:
    """Give events what analysts said of them; what was rejected is no news.

    A review counts for the event of its id, and for any other most of which lies on reviewed ground
    at that time.

    Args:
        events: to be published.
        reviews: the table of reviews.
        apart: seconds up to which two dates are the same.
    """
    if reviews.empty or events.empty:
        return events
    reviews = reviews.to_crs(events.crs).reset_index(drop=True)
    events = events.reset_index(drop=True)
    number_of = {event: number for number, event in enumerate(reviews["id"])}
    pairs = overlapping(events, reviews, apart)
    area, its_area = events.geometry.area.to_numpy(), reviews.geometry.area.to_numpy()
    common = pairs.shared * np.minimum(area[pairs.first], its_area[pairs.second])
    share = common / area[pairs.first]
    best: dict[int, int] = {}
    for pair in np.argsort(share, kind="stable"):
        if share[pair] >= QUIET:
            best[int(pairs.first[pair])] = int(pairs.second[pair])
    for number, event in enumerate(events["id"]):
        if event in number_of:
            best[number] = number_of[event]
    told = list(best)
    for name in ("verdict", "class", "by", "at"):
        events.loc[told, f"review_{name}"] = reviews[name].iloc[list(best.values())].to_numpy()
    events.loc[events["review_verdict"] == REJECTED, "news"] = False
    return typed(events)


def _partners(pairs: Pairs, near: NDArray[np.bool_]) -> dict[int, int]:
    """Each with one partner at most, the most alike first: {first: second}."""
    partners: dict[int, int] = {}
    taken: set[int] = set()
    order = np.lexsort((pairs.second, pairs.first, -pairs.alike))
    for pair in order[near[order]]:
        one, other = int(pairs.first[pair]), int(pairs.second[pair])
        if one not in partners and other not in taken:
            partners[one] = other
            taken.add(other)
    return partners


def _followed(event: pd.Series, old: pd.Series | None) -> dict[str, object]:
    """An event of this run as the one that it was before."""
    row: dict[str, object] = event.to_dict()
    if old is None:
        return row
    row |= {name: old[name] for name in old.index if name.startswith("review_")}
    row |= {"id": old["id"], "first_seen": min(event["first_seen"], old["first_seen"])}
    row |= {"news": False, "area_reported_m2": old["area_reported_m2"]}
    if pd.isna(row["area_reported_m2"]):
        row["area_reported_m2"] = old["area_m2"]
    if pd.notna(event["confirmed"]) and pd.isna(old["confirmed"]):
        return row | {"news": True, "state": CONFIRMED, "area_reported_m2": event["area_m2"]}
    if event["area_m2"] >= GROWTH * float(str(row["area_reported_m2"])):
        return row | {"news": True, "state": GROWN, "area_reported_m2": event["area_m2"]}
    back = CONFIRMED if pd.notna(event["confirmed"]) else NEW
    return row | {"state": back if old["state"] == WITHDRAWN else old["state"]}


def _lost(event: pd.Series, since: int, swallowed: bool) -> dict[str, object]:
    """An earlier event that this run does not find."""
    row: dict[str, object] = event.to_dict() | {"news": False}
    if event["state"] == WITHDRAWN or event["date"].timestamp() < since:
        return row
    return row | {"state": WITHDRAWN, "news": not swallowed}


def _seconds(instants: pd.Series) -> NDArray[np.int64]:
    return np.asarray(instants.to_numpy("datetime64[s]").astype(np.int64))
