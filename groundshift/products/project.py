"""A QGIS project beside the maps: events and maps with their colours, and the time of every map.

maps.qgs    opens everything by relative paths, so that the folder can be moved as a whole
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from odc.geo import CRS

from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat
from groundshift.products.events_io import GEOJSON
from groundshift.products.maps import (
    DATE_OF_MAXIMUM,
    MAXIMUM,
    MapWindow,
    aggregate_path,
    score_path,
)
from groundshift.products.qgis import VERSION, date_shader, events_style, score_shader, to_text

PROJECT = "maps.qgs"

_ID = "groundshift_layer_{:04d}"
"""Of a layer; QGIS replaces ids of ten letters or fewer, and then its tree leads nowhere."""

_TIP = (
    '<b>[% "id" %]</b> [% "state" %]<br>[% "date" %] ([% "date_from" %] to [% "date_to" %])<br>'
    '[% "direction" %], [% round("area_m2") %] m², score [% round("score", 2) %]'
)


def write_project(
    folder: Path,
    title: str,
    maps: Mapping[Cell, Sequence[MapWindow]],
    period: tuple[int, int],
) -> Path:
    """Write the project.

    The maps of windows lie in a group that is off; QGIS's temporal controller shows each from the
    end of its window to that of the next one, as the newest map of that time.

    Args:
        folder: of the maps and events, which lie there already.
        title: of the project.
        maps: the windows mapped in each cell.
        period: [start, end) of the colours of dates, in seconds.

    Returns:
        The file.
    """
    root = ET.Element("qgis", version=VERSION, projectname=title)
    ET.SubElement(root, "title").text = title
    crs = next(iter(maps)).core.crs
    ET.SubElement(root, "projectCrs").append(_reference(crs))
    tree = ET.SubElement(root, "layer-tree-group")
    layers = ET.Element("projectlayers")
    events = events_style(field="review_verdict", tip=_TIP)
    _add(tree, layers, "events", f"./{GEOJSON}", CRS("EPSG:4326"), list(events), shown=True)
    for name, shader in ((DATE_OF_MAXIMUM, date_shader(period)), (MAXIMUM, score_shader())):
        group = _group(tree, name.replace("_", " "), shown=name == MAXIMUM)
        for cell in maps:
            path = aggregate_path(Path(), cell, name)
            _add(group, layers, f"{name} {cell.id}", f"./{path}", crs, [shader], shown=True)
    scores = _group(tree, "scores by window", shown=False)
    for cell, windows in maps.items():
        for window, shown_until in zip(windows, _until(windows), strict=True):
            path = score_path(Path(), cell, window)
            name = f"{isoformat(window.start)[:10]} to {isoformat(window.end)[:10]} {cell.id}"
            time = _temporal(window.end, shown_until)
            _add(scores, layers, name, f"./{path}", crs, [score_shader(), time], shown=True)
    root.append(layers)
    root.append(_properties())
    root.append(_controller(maps.values()))
    target = folder / PROJECT
    target.write_text(to_text(root) + "\n")
    return target


def _until(windows: Sequence[MapWindow]) -> Sequence[int]:
    """When the map of the next window takes over; the last one stays for a window's length."""
    return [*(window.end for window in windows[1:]), *(2 * w.end - w.start for w in windows[-1:])]


def _add(
    tree: ET.Element,
    layers: ET.Element,
    name: str,
    source: str,
    crs: CRS | None,
    style: Sequence[ET.Element],
    *,
    shown: bool,
) -> None:
    """One layer, in the tree and in the list."""
    raster = source.endswith(".tif")
    provider = "gdal" if raster else "ogr"
    layer_id = _ID.format(len(layers))
    checked = "Qt::Checked" if shown else "Qt::Unchecked"
    ET.SubElement(
        tree,
        "layer-tree-layer",
        id=layer_id,
        name=name,
        source=source,
        providerKey=provider,
        checked=checked,
        expanded="0",
    )
    layer = ET.SubElement(layers, "maplayer", type="raster" if raster else "vector")
    if not raster:
        layer.set("geometry", "Polygon")
    for tag, text in (
        ("id", layer_id),
        ("datasource", source),
        ("layername", name),
        ("provider", provider),
    ):
        ET.SubElement(layer, tag).text = text
    ET.SubElement(layer, "srs").append(_reference(crs))
    layer.extend(style)


def _group(tree: ET.Element, name: str, *, shown: bool) -> ET.Element:
    checked = "Qt::Checked" if shown else "Qt::Unchecked"
    return ET.SubElement(tree, "layer-tree-group", name=name, checked=checked, expanded="0")


def _properties() -> ET.Element:
    properties = ET.Element("properties")
    paths = ET.SubElement(properties, "Paths")
    ET.SubElement(paths, "Absolute", type="bool").text = "false"
    # Without it QGIS takes no notice of the project's reference system.
    system = ET.SubElement(properties, "SpatialRefSys")
    ET.SubElement(system, "ProjectionsEnabled", type="int").text = "1"
    return properties


def _controller(maps: Iterable[Sequence[MapWindow]]) -> ET.Element:
    """Settings of the temporal controller: from the first map to the end of the last one's time."""
    controller = ET.Element(
        "ProjectTimeSettings",
        timeStep="1",
        timeStepUnit="mon",
        frameRate="2",
        cumulativeTemporalRange="0",
    )
    windows = sorted({window for own in maps for window in own})
    if windows:
        span = ET.SubElement(controller, "TemporalRange")
        _span(span, windows[0].end, _until(windows)[-1])
    return controller


def _temporal(start: int, end: int) -> ET.Element:
    temporal = ET.Element("temporal", mode="0", enabled="1", fetchMode="0")
    _span(ET.SubElement(temporal, "fixedRange"), start, end)
    return temporal


def _span(element: ET.Element, start: int, end: int) -> None:
    ET.SubElement(element, "start").text = isoformat(start)
    ET.SubElement(element, "end").text = isoformat(end)


def _reference(crs: CRS | None) -> ET.Element:
    """A reference system by its code, and by its WKT where it has none."""
    system = ET.Element("spatialrefsys")
    epsg = crs.to_epsg() if crs is not None else None
    ET.SubElement(system, "wkt").text = crs.to_wkt() if crs is not None else ""
    if epsg:
        ET.SubElement(system, "authid").text = f"EPSG:{epsg}"
    return system
