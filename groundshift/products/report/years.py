"""Area of change by year: as it was mapped, and as a judged sample tells it."""

import geopandas as gpd

from groundshift.assessment.area import AreaEstimate
from groundshift.events.table import GAIN, LOSS
from groundshift.products.report.page import Column, Row, Table
from groundshift.products.sampling import JudgedSample

_TITLE = "Area of change by year"
_HASH = 12


def years_table(events: gpd.GeoDataFrame, sample: JudgedSample | None = None) -> Table:
    """How many events there are in each year, and on what area.

    Args:
        events: all that stand, with `date`, `area_m2` and `direction`.
        sample: the true area by year, if somebody judged one.
    """
    years = {str(year): own for year, own in events.groupby(events["date"].dt.year)}
    estimates = {} if sample is None else sample.areas
    rows = []
    for year in sorted(years.keys() | estimates.keys()):
        own = years.get(year, events[:0])
        areas = [own["area_m2"][own["direction"] == direction].sum() for direction in (GAIN, LOSS)]
        cells = [f"{square_metres / 1e4:.2f}" for square_metres in (own["area_m2"].sum(), *areas)]
        told = [] if sample is None else _told(estimates.get(year))
        rows.append(Row((year, *told, str(len(own)), *cells)))
    true = (Column("area of change, ha", number=True), Column("95 % confidence", number=True))
    columns = (
        Column("year"),
        *(() if sample is None else true),
        Column("events", number=True),
        Column("mapped area, ha", number=True),
        Column("of it built-up gain, ha", number=True),
        Column("of it built-up loss, ha", number=True),
    )
    return Table(_TITLE, columns, rows, lead=_lead(sample))


def _told(estimate: AreaEstimate | None) -> tuple[str, str]:
    """An area and its interval; no unit of that year means none was found, not that none is."""
    if estimate is None:
        return "0.00", "no unit of the sample"
    return (
        f"{estimate.area / 1e4:.2f}",
        f"{estimate.low / 1e4:.2f} to {estimate.high / 1e4:.2f}",
    )


def _lead(sample: JudgedSample | None) -> str:
    mapped = "Mapped areas: pixels of events, which miss some change and hold some that is none. "
    if sample is None:
        return (
            f"{mapped}The true area with its confidence interval needs a sample that somebody "
            "judged: groundshift review sample draws one."
        )
    return (
        f"Area of change: estimated from {sample.units} judged pixels of a stratified random "
        f"sample of the maps {sample.maps[:_HASH]} (Olofsson et al. 2014, Stehman 2014). {mapped}"
    )
