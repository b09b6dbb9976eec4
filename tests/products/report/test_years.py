"""Area of change by year."""

import geopandas as gpd
import pandas as pd
from shapely import box

from groundshift.products.report.years import years_table


def events_of(*rows: tuple[str, float, str]) -> gpd.GeoDataFrame:
    dates, areas, directions = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {"date": pd.to_datetime(list(dates)), "area_m2": areas, "direction": directions}
    return gpd.GeoDataFrame(columns, geometry=[box(0, 0, 10, 10)] * len(rows), crs="EPSG:32631")


def test_areas_are_summed_by_year_and_direction_and_called_mapped() -> None:
    table = years_table(
        events_of(
            ("2018-12-31", 5000, "builtup_gain"),
            ("2017-03-01", 10000, "builtup_gain"),
            ("2018-01-01", 2000, "builtup_loss"),
            ("2018-06-01", 3000, "unknown"),
        )
    )
    assert [row.cells for row in table.rows] == [
        ("2017", "1", "1.00", "1.00", "0.00"),
        ("2018", "3", "1.00", "0.50", "0.20"),
    ]
    assert "review sample" in table.lead


def test_without_events_there_is_no_year() -> None:
    assert not years_table(events_of()).rows
