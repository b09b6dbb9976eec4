"""The table of reviews: kept, checked, and used as labels."""

import geopandas as gpd
import pandas as pd
import pytest
from shapely import Polygon, box

from groundshift.errors import ContractError
from groundshift.events.reviews import (
    TYPES,
    check,
    document_of,
    empty_reviews,
    read_reviews,
    reviews_of,
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
    path = tmp_path / "reviews" / "area.json"
    assert read_reviews(path) is None
    assert reviews_of(None, "").empty
    first = update(empty_reviews(), reviews(("b", "accepted", "road", 1), ("a", "unsure", None, 1)))
    write_reviews(path, document_of(first))
    kept = reviews_of(read_reviews(path), str(path))
    assert kept["id"].tolist() == ["a", "b"]
    assert kept.crs.to_epsg() == 32631
    assert kept.geometry.geom_equals(first.geometry).all()
    assert kept.drop(columns="geometry").equals(first.drop(columns="geometry"))
    assert gpd.read_file(path).crs.to_epsg() == 32631  # GDAL sees where it lies
    later = update(kept, reviews(("a", "rejected", "farming", 5), ("b", "unsure", None, 0)))
    assert later.set_index("id")["verdict"].to_dict() == {"a": "rejected", "b": "accepted"}
    assert update(kept, empty_reviews()) is kept
    assert reviews_of(document_of(empty_reviews()), "").empty


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "reviews.json"
    path.write_text("nothing")
    with pytest.raises(ContractError, match="expected a table of reviews"):
        read_reviews(path)
    document = document_of(reviews(("a", "accepted", None, 0)))
    del document["features"][0]["properties"]["verdict"]
    with pytest.raises(ContractError, match="r: expected a table of reviews"):
        reviews_of(document, "r")


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
