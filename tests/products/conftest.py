"""Cells, windows and events for products: two cells beside one another, three windows."""

from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from odc.geo.geobox import GeoBox

from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY
from groundshift.products.maps import MapWindow
from groundshift.settings import parse
from tests.cube import conftest as cubes


def seconds(day: str) -> int:
    """Midnight UTC of a day."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def make_cell(name: str, left: float, *, size: tuple[int, int] = (40, 50)) -> Cell:
    """A cell of 10 m pixels, (rows, columns), with a halo of 3."""
    rows, columns = size
    box = (left, 5629000.0, left + columns * 10, 5629000.0 + rows * 10)
    return Cell(name, GeoBox.from_bbox(box, crs="EPSG:32631", resolution=10, tight=True), 3)


@pytest.fixture
def cells() -> tuple[Cell, Cell]:
    """Two cells beside one another."""
    return make_cell("west", 501000), make_cell("east", 501500)


@pytest.fixture
def windows() -> tuple[MapWindow, ...]:
    """Three overlapping windows."""
    days = (
        ("2017-08-01", "2017-11-29"),
        ("2017-09-01", "2017-12-30"),
        ("2018-01-01", "2018-05-01"),
    )
    return tuple(MapWindow(seconds(start), seconds(end)) for start, end in days)


@pytest.fixture
def scores(windows: tuple[MapWindow, ...]) -> np.ndarray:
    """One map per window, [window, y, x], with a hole in the data in all of them."""
    values = np.random.default_rng(5).random((len(windows), 40, 50)).astype(np.float32)
    values[:, :4, :6] = np.nan
    return values


@pytest.fixture
def events() -> gpd.GeoDataFrame:
    """Two events, one of which has no score of its own."""
    return gpd.GeoDataFrame(
        {
            "id": ["west-0", "west-1"],
            "cell": ["west", "west"],
            "date": pd.to_datetime(["2017-10-01", "2018-02-03"]),
            "score": [0.75, np.nan],
            "pixels": [6, 4],
        },
        geometry=[
            shapely.box(501000, 5629000, 501030, 5629020),
            shapely.box(501100, 5629100, 501120, 5629120),
        ],
        crs="EPSG:32631",
    )


CHANGED = (slice(10, 20), slice(15, 30))
"""Pixels of the west cell's core that turn from field to roof on `CHANGE`."""
CHANGE = "2017-06-01"
PERIOD = ("2017-01-01", "2017-11-27")

OPTICAL = Sensor(
    "s2",
    "optical",
    "sentinel2",
    ("B02", "B03", "B04"),
    units="reflectance",
    dtype="uint16",
    scale=1e-4,
)
RADAR = Sensor("s1", "radar", "sentinel1", ("VV", "VH"), units="linear power")


def _scene(sensor: Sensor, cell: Cell, time: int, rng: np.random.Generator) -> tuple:
    """Stored values and validity of one look: a field, with a roof on it after the change."""
    shape = tuple(cell.grid.shape)
    optical = sensor.kind == "optical"
    field, roof = ((500, 800, 600), (2500, 2400, 2600)) if optical else ((0.05, 0.01), (0.6, 0.2))
    values = np.tile(np.array(field, sensor.dtype), (*shape, 1))
    if cell.id == "west" and time >= seconds(CHANGE):
        rows, columns = (slice(part.start + cell.halo, part.stop + cell.halo) for part in CHANGED)
        values[rows, columns] = roof
    valid = np.ones(shape, bool)
    if optical and rng.random() < 0.5:
        valid[:, : shape[1] // 2] = False
        values[~valid] = 0
    return values, valid


@pytest.fixture
def cube(tmp_path: Path, cells: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch) -> Cube:
    """A cube of both cells: radar every 6 days, optical every 10, half of it cloudy at times."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    rng = np.random.default_rng(3)
    start, end = map(seconds, PERIOD)
    scenes = {
        (cell.id, sensor.name, time): _scene(sensor, cell, time, rng)
        for sensor, every in ((RADAR, 6), (OPTICAL, 10))
        for time in range(start, end, every * DAY)
        for cell in cells
    }
    observations = cubes.source(
        scenes, sensors={s.name: s for s in (RADAR, OPTICAL)}, cells=list(cells)
    )
    values = {
        "name": "test",
        "area": {"bounds": [3.0, 50.8, 3.1, 50.9]},
        "period": {"start": PERIOD[0], "end": PERIOD[1]},
        "stack": {"step": "2d", "radar": ["s1"], "optical": "s2"},
    }
    return cubes.build_cube(tmp_path / "cube", observations, parse("stack", values))


@pytest.fixture
def truth() -> gpd.GeoDataFrame:
    """The change in the cube, and a decoy where nothing was found."""
    change = pd.Timestamp(CHANGE)
    return gpd.GeoDataFrame(
        {
            "id": ["roof", "swap"],
            "kind": ["urban", "swap"],
            "start": [change, change],
            "end": [change, change],
        },
        geometry=[
            shapely.box(501150, 5629200, 501300, 5629300),
            shapely.box(501400, 5629010, 501450, 5629060),
        ],
        crs="EPSG:32631",
    )
