"""The table of events: today's columns, and what later ones tell."""

import geopandas as gpd
import pandas as pd
import shapely

from groundshift.products.report.found import Known, events_table
from groundshift.products.report.page import Table

DAY = pd.Timestamp("2018-03-04")


def table_of(known: Known | None = None, **columns: object) -> Table:
    events = gpd.GeoDataFrame(
        {"id": ["a"], "date": [DAY], "area_m2": [5000.0], **{k: [v] for k, v in columns.items()}},
        geometry=[shapely.box(501000, 5629000, 501100, 5629050)],
        crs="EPSG:32631",
    )
    return events_table(
        events, total=1, known=[known], truth_given=known is not None, courses={}, chips={},
        threshold=0.5, period=(0, 1),
    )  # fmt: skip


def told(table: Table) -> dict[str, str]:
    titles = [column.title for column in table.columns]
    return dict(zip(titles, table.rows[0].cells, strict=True))


def test_an_event_is_told_by_its_columns() -> None:
    row = told(table_of(start=DAY, end=DAY, score=0.75))
    assert row["date"] == "2018-03-04"
    assert row["from, to"] == "sudden"
    assert (row["score"], row["area, ha"]) == ("0.75", "0.50")
    assert "state" not in row


def test_the_spread_of_an_ensemble_stands_beside_the_score() -> None:
    row = told(table_of(start=DAY, end=DAY, score_peak=0.75, uncertainty=0.046))
    assert row["score"] == "0.75 \u00b1 0.05"


def test_state_direction_and_review_are_shown_where_events_have_them() -> None:
    later = DAY + pd.Timedelta(days=9)
    row = told(
        table_of(
            date_from=DAY,
            date_to=later,
            score_peak=0.91,
            state="confirmed",
            direction="builtup_gain",
            review_verdict="rejected",
        )
    )
    assert "review" not in told(table_of(start=DAY, end=DAY, score=0.75, review_verdict=None))
    assert row["from, to"] == "2018-03-04<br>to 2018-03-13"
    assert row["score"] == "0.91"
    assert (row["state"], row["direction"], row["review"]) == (
        "confirmed",
        "builtup gain",
        "rejected",
    )


def test_long_names_of_known_changes_may_be_broken() -> None:
    known = Known("pond_<1>_a", int(DAY.timestamp()), wanted=False)
    row = told(table_of(known, start=DAY, end=DAY, score=0.75))
    assert row["lies on"] == "pond_<wbr>&lt;1&gt;_<wbr>a (decoy)"
