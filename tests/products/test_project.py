"""The QGIS project: whole, relative, and true to the files beside it."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pytest

from groundshift.artifacts import ValueHash
from groundshift.domain.cells import Cell
from groundshift.events.table import typed
from groundshift.products.events_io import write_events
from groundshift.products.maps import CellMaps, MapWindow
from groundshift.products.project import write_project


@pytest.fixture
def project(
    tmp_path: Path,
    cells: tuple[Cell, Cell],
    windows: tuple[MapWindow, ...],
    scores: np.ndarray,
    events: gpd.GeoDataFrame,
) -> Path:
    """A project beside two cells' maps and their events."""
    for cell in cells:
        writer = CellMaps(tmp_path, cell, tags={}, values=ValueHash())
        for window, score in zip(windows, scores, strict=True):
            writer.add(window, score)
        writer.finish()
    write_events(tmp_path, typed(events.assign(start=events.date, end=events.date, area_m2=1.0)))
    period = (windows[0].start, windows[-1].end)
    return write_project(tmp_path, "demo", dict.fromkeys(cells, windows), period)


def test_every_layer_is_in_the_tree_and_its_file_is_there(project: Path) -> None:
    text = project.read_text()
    assert text.startswith("<!DOCTYPE qgis ")
    root = ET.fromstring(text.split("\n", 1)[1])
    layers = {layer.findtext("id"): layer for layer in root.iter("maplayer")}
    tree = {node.get("id"): node for node in root.iter("layer-tree-layer")}
    assert len(layers) == 1 + 2 * 2 + 2 * 3
    assert layers.keys() == tree.keys()
    for name, layer in layers.items():
        source = layer.findtext("datasource")
        assert source.startswith("./")
        assert (project.parent / source).is_file()
        assert tree[name].get("source") == source
        assert tree[name].get("providerKey") == layer.findtext("provider")
        assert layer.findtext("srs/spatialrefsys/authid") in ("EPSG:32631", "EPSG:4326")
    assert root.findtext("projectCrs/spatialrefsys/authid") == "EPSG:32631"
    assert root.findtext("properties/SpatialRefSys/ProjectionsEnabled") == "1"
    # QGIS gives layers of short ids new ones, and then the tree and the list have none in common.
    assert min(map(len, layers)) > 10


def test_maps_have_colours_and_the_time_at_which_they_were_newest(
    project: Path, windows: tuple[MapWindow, ...]
) -> None:
    root = ET.fromstring(project.read_text().split("\n", 1)[1])
    spans = []
    for layer in root.iter("maplayer"):
        if layer.get("type") == "vector":
            columns = gpd.read_file(project.parent / "events.geojson").columns
            assert layer.find("renderer-v2").get("attr") in columns
            continue
        items = layer.findall("pipe/rasterrenderer/rastershader/colorrampshader/item")
        values = [float(item.get("value")) for item in items]
        assert values == sorted(values)
        assert len(set(values)) == len(values) == 9
        if layer.find("temporal") is not None:
            spans.append([layer.findtext(f"temporal/fixedRange/{end}") for end in ("start", "end")])
    assert spans[0] == ["2017-11-29T00:00:00Z", "2017-12-30T00:00:00Z"]
    assert spans[:3] == spans[3:]
    assert all(first[1] == second[0] for first, second in pairwise(spans[:3]))
    played = [root.findtext(f"ProjectTimeSettings/TemporalRange/{end}") for end in ("start", "end")]
    assert played == [spans[0][0], spans[2][1]]
