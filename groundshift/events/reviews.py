"""What analysts said: a table of verdicts on events that outlives runs, and what it is good for.

A review keeps the outline and the date that were judged, so that it counts for whatever is found
there later, and can be learnt from (`window.truth` reads the table as it is).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from groundshift.artifacts.writing import write_text
from groundshift.errors import ContractError
from groundshift.samples.labels.truth import ACCEPTED, REJECTED

UNSURE = "unsure"
VERDICTS = (ACCEPTED, REJECTED, UNSURE)

CLASSES = (
    "building",
    "road",
    "solar",
    "greenhouse",
    "demolition",
    "quarry",
    "felling",
    "farming",
    "water",
    "cloud",
    "other",
)
"""What a change is of, or what was taken for one."""

_INSTANT = "datetime64[s]"
TYPES: dict[str, str] = {
    "id": "object",
    "verdict": "object",
    "class": "object",
    "by": "object",
    "at": _INSTANT,
    "start": _INSTANT,
    "date": _INSTANT,
    "end": _INSTANT,
    "date_from": _INSTANT,
    "date_to": _INSTANT,
    "maps": "object",
}
"""Columns of the table beside the geometry; `maps` is the content hash of what was reviewed."""

_EMPTY_CRS = "EPSG:4326"
_MOST_NAMED = 20


def empty_reviews(crs: str = _EMPTY_CRS) -> gpd.GeoDataFrame:
    """A table without a review."""
    columns = [*TYPES, "geometry"]
    return gpd.GeoDataFrame([], columns=columns, geometry="geometry", crs=crs).astype(TYPES)


def reviews_of(document: Mapping[str, Any] | None, where: str) -> gpd.GeoDataFrame:
    """The table that `document_of` wrote; empty where there is none.

    Raises:
        ContractError: something else.
    """
    if document is None:
        return empty_reviews()
    try:
        crs = document["crs"]["properties"]["name"]
        if not document["features"]:
            return empty_reviews(crs)
        table = gpd.GeoDataFrame.from_features(document["features"], crs=crs)
        for name, kind in TYPES.items():
            if kind == _INSTANT:
                table[name] = pd.to_datetime(table[name])
        return table[[*TYPES, "geometry"]].astype(TYPES)
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(
            f"{where}: expected a table of reviews, found none ({error}). Write it with "
            "groundshift review import"
        ) from error


def document_of(reviews: gpd.GeoDataFrame) -> dict[str, Any]:
    """The table as GeoJSON in its own reference system, which GDAL reads too."""
    texts = {
        name: reviews[name].dt.strftime("%Y-%m-%dT%H:%M:%S")
        for name, kind in TYPES.items()
        if kind == _INSTANT
    }
    document: dict[str, Any] = json.loads(reviews.assign(**texts).to_json(drop_id=True))
    return document | {"crs": {"type": "name", "properties": {"name": str(reviews.crs)}}}


def read_reviews(path: Path) -> dict[str, Any] | None:
    """The document of a file; None where there is none.

    Raises:
        ContractError: a file that is no JSON.
    """
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise ContractError(f"{path}: expected a table of reviews, found no JSON") from error
    return document


def write_reviews(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document, whole or not at all."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def update(reviews: gpd.GeoDataFrame, fresh: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Add reviews; of two on the same event the later one counts."""
    if fresh.empty:
        return reviews
    both = pd.concat([reviews.to_crs(fresh.crs), fresh]) if len(reviews) else fresh
    latest = both.sort_values("at", kind="stable").drop_duplicates("id", keep="last")
    table = gpd.GeoDataFrame(latest, geometry="geometry", crs=fresh.crs)
    return table.sort_values("id").reset_index(drop=True).astype(TYPES)


def check(rows: gpd.GeoDataFrame, known: Mapping[str, Any], *, where: str, by: str = "") -> None:
    """Refuse reviews that make no sense, naming each row that doesn't.

    Args:
        rows: those with a verdict: id, verdict, class, by, at, geometry.
        known: events that were there to review, by id.
        where: the file, for the message.
        by: stands for those who gave no name.

    Raises:
        ContractError: with what is wrong of up to 20 rows.
    """
    wrong = [
        f"row {number} ({row.id}): {problem}"
        for number, row in enumerate(rows.rename(columns={"class": "kind"}).itertuples(), start=1)
        for problem in _problems(row, known, by)
    ]
    twice = rows["id"][rows["id"].duplicated()].unique()
    wrong += [f"{event}: expected one row, found several" for event in twice]
    if wrong:
        named = "; ".join(wrong[:_MOST_NAMED])
        more = f"; and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise ContractError(
            f"{where}: {named}{more}. Nothing was imported: correct the rows and import it again"
        )


def _problems(row: Any, known: Mapping[str, Any], by: str) -> list[str]:
    problems = []
    if row.id not in known:
        problems.append("expected an event that was exported, found an unknown id")
    if row.verdict not in VERDICTS:
        problems.append(f"expected a verdict {_listed(VERDICTS)}, found {row.verdict!r}")
    if pd.notna(row.kind) and row.kind not in CLASSES:
        problems.append(f"expected a class {_listed(CLASSES)}, found {row.kind!r}")
    if not by and (pd.isna(row.by) or not str(row.by).strip()):
        problems.append("expected who says so in `by` (or --by NAME), found nothing")
    shape = row.geometry
    if shape is None or shape.is_empty or shape.geom_type not in ("Polygon", "MultiPolygon"):
        problems.append("expected a polygon, found none")
    elif not shape.is_valid:
        problems.append("expected a valid polygon, found one that crosses itself")
    return problems


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" or {names[-1]}"
