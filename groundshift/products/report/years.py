"""Area of change by year, as it was mapped."""

import geopandas as gpd

from groundshift.events.table import GAIN, LOSS
from groundshift.products.report.page import Column, Row, Table


def years_table(events: gpd.GeoDataFrame) -> Table:
    """How many events there are in each year, and on what area.

    Args:
        events: all that stand, with `date`, `area_m2` and `direction`.
    """
    rows = []
    for year, own in events.groupby(events["date"].dt.year):
        areas = [own["area_m2"][own["direction"] == direction].sum() for direction in (GAIN, LOSS)]
        cells = [f"{square_metres / 1e4:.2f}" for square_metres in (own["area_m2"].sum(), *areas)]
        rows.append(Row((str(year), str(len(own)), *cells)))
    columns = (
        Column("year"),
        Column("events", number=True),
        Column("mapped area, ha", number=True),
        Column("of it built-up gain, ha", number=True),
        Column("of it built-up loss, ha", number=True),
    )
    lead = (
        "Mapped areas: pixels of events, which miss some change and hold some that is none. The "
        "true area with its confidence interval needs a sample that somebody judged: groundshift "
        "review sample draws one."
    )
    return Table("Area of change by year", columns, rows, lead=lead)
