"""Area of change by year."""

import geopandas as gpd
import pandas as pd
import pytest
from shapely import box

from groundshift.assessment.area import AreaEstimate
from groundshift.errors import ContractError
from groundshift.products.report.years import years_table
from groundshift.products.sampling import JudgedSample


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


def test_a_judged_sample_tells_the_true_area_beside_the_mapped_one() -> None:
    areas = {"2017": AreaEstimate(12_000, 1_000, 10_000, 14_000)}
    sample = JudgedSample("a" * 64, 400, areas)
    table = years_table(events_of(("2018-01-01", 2000, "builtup_loss")), sample)
    assert [row.cells for row in table.rows] == [
        ("2017", "1.20", "1.00 to 1.40", "0", "0.00", "0.00", "0.00"),
        ("2018", "0.00", "no unit of the sample", "1", "0.20", "0.00", "0.20"),
    ]
    assert len(table.columns) == 7
    assert "400 judged pixels" in table.lead
    assert "aaaaaaaaaaaa (" in table.lead


def test_a_document_without_a_sample_tells_no_area() -> None:
    assert JudgedSample.of(None) is JudgedSample.of({"features": []}) is None
    with pytest.raises(ContractError, match="Import the sample again"):
        JudgedSample.of({"areas": {"maps": "a", "units": 3}})
