"""Events as the page draws them: outlines that come back, facts of today's and later columns."""

import geopandas as gpd
import pandas as pd
import shapely
from odc.geo.geobox import GeoBox

from groundshift.domain.time import DAY
from groundshift.products.page.features import event_features, rings_of

GRID = GeoBox.from_bbox(
    (501000, 5628000, 502000, 5629000), crs="EPSG:32631", resolution=10, tight=True
)


def drawn(steps: list[int]) -> list[tuple[float, float]]:
    """Corners in pixels of a ring of steps."""
    points, x, y = [], 0, 0
    for dx, dy in zip(steps[::2], steps[1::2], strict=True):
        x, y = x + dx, y + dy
        points.append((x / 4, y / 4))
    return points


def test_outlines_lose_nothing_but_points_on_straight_lines() -> None:
    hole = shapely.box(501030, 5628930, 501050, 5628950)
    shape = shapely.segmentize(shapely.box(501010, 5628900, 501100, 5628990), 10).difference(hole)
    (rings,) = rings_of(shape, GRID)
    outer, inner = (shapely.Polygon(drawn(ring)) for ring in rings)
    assert outer.equals(shapely.box(1, 1, 10, 10))
    assert inner.equals(shapely.box(3, 5, 5, 7))
    assert len(rings[0]) == 8


def test_dates_and_facts_come_from_whichever_columns_there_are() -> None:
    shapes = [shapely.box(501010, 5628900, 501100, 5628990), shapely.box(501500, 0, 501510, 10)]
    events = gpd.GeoDataFrame(
        {
            "id": ["small", "large"],
            "score_peak": [0.9, 0.8],
            "area_m2": [100.0, 8100.0],
            "date": pd.to_datetime(["2018-01-02", "2018-03-04"]),
            "date_from": pd.to_datetime(["2018-01-01", None]),
            "state": ["new", None],
        },
        geometry=shapes[::-1],
        crs="EPSG:32631",
    )
    large, small = event_features(events, GRID)
    assert large["id"] == "large"
    assert "from" not in large
    assert "state" not in large
    assert small["state"] == "new"
    assert small["day"] == pd.Timestamp("2018-01-02").timestamp() // DAY == small["from"] + 1
    assert large["at"] == [5.5, 5.5]
