"""The table of reviews: kept, checked, and used as labels."""

import geopandas as gpd
import pandas as pd
import pytest
from shapely import Polygon, box

from groundshift.errors import ContractError
from groundshift.events.reviews import (
    TYPES,
    check,
    empty_reviews,
    read_reviews,
    update,
    write_reviews,
)

DATE = pd.Timestamp("2018-03-01")


def reviews(*rows):
    """Reviews from (id, verdict, class, day of the review)."""
    table = gpd.GeoDataFrame(
        {
            "id": [row[0] for row in rows],
            "verdict": [row[1] for row in rows],
            "class": [row[2] for row in rows],
            "by": "ada",
            "at": [DATE + pd.Timedelta(days=row[3]) for row in rows],
            **dict.fromkeys(("start", "date", "end", "date_from", "date_to"), DATE),
            "maps": "m",
        },
        geometry=[box(10 * n, 0, 10 * n + 10, 10) for n in range(len(rows))],
        crs="EPSG:32631",
    )
    return table.astype(TYPES)


def test_reviews_survive_on_disk_and_the_latest_counts(tmp_path):
    path = tmp_path / "reviews" / "area.parquet"
    assert read_reviews(path).empty
    assert read_reviews(None).empty
    first = update(empty_reviews(), reviews(("b", "accepted", "road", 1), ("a", "unsure", None, 1)))
    write_reviews(path, first)
    kept = read_reviews(path)
    assert kept["id"].tolist() == ["a", "b"]
    later = update(kept, reviews(("a", "rejected", "farming", 5), ("b", "unsure", None, 0)))
    assert later.set_index("id")["verdict"].to_dict() == {"a": "rejected", "b": "accepted"}
    assert update(kept, empty_reviews()) is kept


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "reviews.parquet"
    reviews(("a", "accepted", None, 0)).drop(columns="verdict").to_parquet(path)
    with pytest.raises(ContractError, match="expected a table of reviews"):
        read_reviews(path)
    path.write_text("nothing")
    with pytest.raises(ContractError, match="expected a table of reviews"):
        read_reviews(path)


def test_every_bad_row_is_named():
    rows = reviews(
        ("a", "acepted", None, 0),
        ("b", "rejected", "potatoes", 0),
        ("lost", "accepted", None, 0),
        ("d", "accepted", None, 0),
        ("e", "accepted", None, 0),
        ("e", "rejected", None, 0),
    )
    rows.loc[3, "by"] = " "
    rows.loc[3, "geometry"] = Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    known = dict.fromkeys(["a", "b", "d", "e"])
    with pytest.raises(ContractError) as error:
        check(rows, known, where="file.gpkg")
    message = str(error.value)
    for said in (
        "file.gpkg: row 1 (a): expected a verdict accepted, rejected or unsure, found 'acepted'",
        "row 2 (b): expected a class building, road,",
        "row 3 (lost): expected an event that was exported",
        "row 4 (d): expected who says so",
        "row 4 (d): expected a valid polygon",
        "e: expected one row, found several",
        "Nothing was imported",
    ):
        assert said in message
    fine = rows.iloc[[4]]
    check(fine, known, where="file.gpkg")
    check(rows.iloc[[4]].assign(by=None), known, where="file.gpkg", by="ada")


def test_many_bad_rows_are_counted():
    rows = reviews(*((f"e{n}", "no", None, 0) for n in range(30)))
    with pytest.raises(ContractError, match="and 10 more"):
        check(rows, dict.fromkeys(rows["id"]), where="file.gpkg")
