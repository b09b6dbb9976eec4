"""Styles that QGIS reads: how maps and events are drawn, and what an analyst may fill in."""

from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree as ET

from matplotlib import colormaps

from groundshift.domain.time import DAY, isoformat
from groundshift.events.reviews import CLASSES, UNSURE, VERDICTS
from groundshift.products.pictures import DATE_COLOURS, EVENT_COLOUR, SCORE_COLOURS
from groundshift.samples.labels.truth import ACCEPTED, REJECTED

VERSION = "3.22.0"
"""Of the QGIS whose format is written; later ones read it."""

VERDICT_COLOURS = {ACCEPTED: "#1b9e77", REJECTED: "#9a9a9a", UNSURE: "#7570b3"}

_STOPS = 9
_Stop = tuple[float, tuple[float, float, float, float], str]
"""Value, red, green, blue and alpha, label."""


def to_text(root: ET.Element) -> str:
    """A document as QGIS writes it."""
    ET.indent(root, " ")
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(
        root, encoding="unicode"
    )


def events_style(
    *,
    field: str,
    tip: str = "",
    choices: Mapping[str, Sequence[str]] | None = None,
    hidden: Sequence[str] = (),
) -> ET.Element:
    """A style of outlines coloured by verdict.

    Args:
        field: column that holds the verdict.
        tip: HTML that is shown where the pointer rests, with QGIS's expressions in it.
        choices: columns that are filled in from a list.
        hidden: columns that the form leaves out.
    """
    root = ET.Element("qgis", version=VERSION, styleCategories="Symbology|MapTips|Forms|Fields")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=field)
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    colours = [*VERDICT_COLOURS.items(), ("", EVENT_COLOUR)]
    for number, (verdict, colour) in enumerate(colours):
        label = verdict or "not reviewed"
        ET.SubElement(
            categories, "category", value=verdict, symbol=str(number), label=label, render="true"
        )
        symbols.append(_outline(str(number), colour))
    form = ET.SubElement(root, "fieldConfiguration")
    for name in hidden:
        widget = ET.SubElement(ET.SubElement(form, "field", name=name), "editWidget", type="Hidden")
        ET.SubElement(widget, "config")
    for name, values in (choices or {}).items():
        form.append(_choice(name, values))
    if tip:
        ET.SubElement(root, "mapTip", enabled="1").text = tip
    return root


def review_style(chip: str) -> str:
    """The style of events to review: a form with lists, and the chip where the pointer rests."""
    tip = (
        f'<b>[% "id" %]</b> [% "date" %]<br>[% "direction" %], [% "area_m2" %] m²<br>'
        f'<img src="data:image/png;base64,[% to_base64("{chip}") %]">'
    )
    choices = {"verdict": VERDICTS, "class": CLASSES}
    return to_text(events_style(field="verdict", tip=tip, choices=choices, hidden=[chip]))


def score_shader() -> ET.Element:
    """How a raster of scores is drawn: transparent up to a quarter."""
    colours = colormaps[SCORE_COLOURS]
    stops = [number / (_STOPS - 1) for number in range(_STOPS)]
    items = [(value, colours(value, bytes=True), f"{value:.2f}") for value in stops]
    return _raster(items, lambda value: 0 if value < 0.25 else 255)


def date_shader(period: tuple[int, int]) -> ET.Element:
    """How a raster of days since 1970 is drawn over a period of seconds."""
    colours = colormaps[DATE_COLOURS]
    first, last = period
    items = []
    for number in range(_STOPS):
        share = number / (_STOPS - 1)
        instant = first + share * (last - first)
        items.append((instant / DAY, colours(share, bytes=True), isoformat(int(instant))[:10]))
    return _raster(items, lambda _: 255)


def _raster(items: Sequence[_Stop], alpha: Callable[[float], int]) -> ET.Element:
    low, high = items[0][0], items[-1][0]
    pipe = ET.Element("pipe")
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="singlebandpseudocolor",
        band="1",
        opacity="1",
        alphaBand="-1",
        classificationMin=str(low),
        classificationMax=str(high),
    )
    shader = ET.SubElement(
        ET.SubElement(renderer, "rastershader"),
        "colorrampshader",
        colorRampType="INTERPOLATED",
        classificationMode="1",
        clip="0",
        minimumValue=str(low),
        maximumValue=str(high),
    )
    for value, (red, green, blue, _), label in items:
        ET.SubElement(
            shader,
            "item",
            value=str(value),
            color=f"#{int(red):02x}{int(green):02x}{int(blue):02x}",
            alpha=str(alpha(value)),
            label=label,
        )
    return pipe


def _outline(name: str, colour: str) -> ET.Element:
    """A polygon that is drawn by its border only."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    symbol = ET.Element("symbol", type="fill", name=name, alpha="1", clip_to_extent="1")
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "pass": "0"})
    options = ET.SubElement(layer, "Option", type="Map")
    for key, value in (
        ("style", "no"),
        ("outline_color", f"{red},{green},{blue},255"),
        ("outline_style", "solid"),
        ("outline_width", "0.6"),
        ("outline_width_unit", "MM"),
    ):
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    return symbol


def _choice(name: str, values: Sequence[str]) -> ET.Element:
    """A column that is filled in from a list."""
    field = ET.Element("field", name=name)
    config = ET.SubElement(ET.SubElement(field, "editWidget", type="ValueMap"), "config")
    options = ET.SubElement(ET.SubElement(config, "Option", type="Map"), "Option")
    options.attrib |= {"type": "List", "name": "map"}
    for value in values:
        entry = ET.SubElement(options, "Option", type="Map")
        ET.SubElement(entry, "Option", type="QString", name=value, value=value)
    return field
