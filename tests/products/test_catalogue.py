"""The STAC catalogue: relative, valid as far as schemas are at hand, complete."""

import json
from pathlib import Path

import numpy as np
import pystac
import pytest
import shapely

from groundshift.artifacts import ValueHash
from groundshift.domain.cells import Cell
from groundshift.products.catalogue import CatalogueText, write_catalogue
from groundshift.products.maps import CellMaps, MapWindow


@pytest.fixture
def collection(
    tmp_path: Path, cells: tuple[Cell, ...], windows: tuple[MapWindow, ...], scores: np.ndarray
) -> Path:
    """A catalogue over two cells with maps."""
    for cell in cells:
        writer = CellMaps(tmp_path, cell, tags={}, values=ValueHash())
        for window, score in zip(windows, scores, strict=True):
            writer.add(window, score)
        writer.finish()
    for name in ("events.parquet", "events.geojson"):
        (tmp_path / name).touch()
    text = CatalogueText("demo", (windows[0].start, windows[-1].end), "Maps.", ("line",), "abc")
    return write_catalogue(tmp_path, text, dict.fromkeys(cells, windows))


def test_every_map_is_an_item_whose_asset_is_there(collection: Path) -> None:
    opened = pystac.Collection.from_file(str(collection))
    items = list(opened.get_items())
    assert len(items) == 2 * (3 + 1) + 1
    for item in items:
        for asset in item.get_assets().values():
            assert not Path(asset.href).is_absolute()
            assert Path(asset.get_absolute_href() or "").is_file()
    item = next(item for item in items if item.id.startswith("west_20170901"))
    assert item.datetime is None
    assert item.properties["start_datetime"] == "2017-09-01T00:00:00Z"
    assert item.properties["end_datetime"] == "2017-12-30T00:00:00Z"
    assert item.properties["proj:code"] == "EPSG:32631"
    assert item.properties["proj:shape"] == [40, 50]
    assert item.properties["proj:transform"] == [10.0, 0.0, 501000.0, 0.0, -10.0, 5629400.0]
    assert item.bbox is not None
    assert item.bbox[0] < item.bbox[2]
    assert 3 < item.bbox[0] < 3.1
    assert shapely.geometry.shape(item.geometry).exterior.is_ccw


def test_links_stay_inside_the_catalogue(collection: Path) -> None:
    for path in sorted(collection.parent.rglob("*.json")):
        for link in json.loads(path.read_text())["links"]:
            assert link["href"].startswith(".")
            assert (path.parent / link["href"]).is_file()


def test_the_core_schemas_are_met(collection: Path) -> None:
    opened = pystac.Collection.from_file(str(collection))
    for item in opened.get_items():
        item.stac_extensions = []  # their schemas are on the network only
        item.validate()
    opened.validate()


def test_the_catalogue_is_the_same_every_time(
    collection: Path, cells: tuple[Cell, ...], windows: tuple[MapWindow, ...]
) -> None:
    before = {path: path.read_bytes() for path in collection.parent.rglob("*.json")}
    text = CatalogueText("demo", (windows[0].start, windows[-1].end), "Maps.", ("line",), "abc")
    write_catalogue(collection.parents[1], text, dict.fromkeys(cells, windows))
    assert {path: path.read_bytes() for path in collection.parent.rglob("*.json")} == before
