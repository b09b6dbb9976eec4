"""The report of a map of land cover: one page with everything inside, and a picture of the map."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.artifacts import Manifest
from groundshift.cube.store import CellCube
from groundshift.domain.time import isoformat
from groundshift.models.pixel_trees import LandClass
from groundshift.products import pictures
from groundshift.products.canvas import Canvas, backdrops
from groundshift.products.class_maps import ClassMap, class_path, probability_path, rgb
from groundshift.products.maps import read_map
from groundshift.products.report.lineage import lineage_table, settings_tables
from groundshift.products.report.page import Column, Fact, Plot, Quality, Row, Seen, Table, render
from groundshift.products.report.seen import seen

REPORT, PREVIEW = "report.html", "preview.png"

_TEMPLATE = "landcover.html.j2"
_LONGEST = 900
"""Most pixels along the longer edge of a picture."""
_SCORES = {"accuracy": "accuracy", "macro_f1": "macro F1", "miou": "mIoU"}


@dataclass(frozen=True)
class Mapped:
    """What a page is about.

    Attributes:
        area: name of the area.
        period: [start, end) in seconds since 1970.
        maps: of every cell.
        classes: in the order of their numbers, from 1.
        cubes: what was mapped, by cell.
        evaluation: folder of the artifact.
        chain: manifests of all inputs, latest stage first; the cube's is the last.
        settings: of the maps.
        licences: licence and attribution lines.
        page: relative address of the map page.
    """

    area: str
    period: tuple[int, int]
    maps: Sequence[ClassMap]
    classes: Sequence[LandClass]
    cubes: Mapping[str, CellCube]
    evaluation: Path
    chain: Sequence[Manifest]
    settings: Mapping[str, Any]
    licences: Sequence[str]
    page: str

    @property
    def hectares(self) -> NDArray[np.float64]:
        """Of every class."""
        hectares: NDArray[np.float64] = np.sum([found.hectares for found in self.maps], axis=0)
        return hectares


@dataclass(frozen=True)
class _Page:
    area: str
    subtitle: str
    facts: Sequence[Fact]
    pictures: Sequence[Plot]
    areas: Table
    quality: Quality
    seen: Seen
    lineage: Table
    settings: Sequence[Table]
    licences: Sequence[str]
    page: str


def write_landcover_report(folder: Path, mapped: Mapped) -> None:
    """Write `report.html` and `preview.png` beside the maps they show.

    Args:
        folder: of the artifact, with its maps.
        mapped: what they are of.
    """
    metrics = json.loads((mapped.evaluation / "metrics.json").read_text())
    canvas = Canvas.over((found.cell for found in mapped.maps), _LONGEST)
    classes, probability = _pictures(folder, mapped, canvas)
    (folder / PREVIEW).write_bytes(classes)
    grounds = backdrops(mapped.cubes, canvas)
    shown = [
        Plot(pictures.data_uri(classes), "Class of land cover"),
        Plot(pictures.data_uri(probability), "Probability of that class, as the trees give it"),
    ]
    if grounds is not None:
        ground = pictures.encode_png(pictures.paint_ground(grounds[0].image))
        shown.insert(0, Plot(pictures.data_uri(ground), grounds[0].caption))
    page = _Page(
        area=mapped.area,
        subtitle=f"{_day(mapped.period[0])} to {_day(mapped.period[1])}",
        facts=_facts(mapped, metrics),
        pictures=shown,
        areas=_areas(mapped),
        quality=_quality(mapped, metrics),
        seen=seen(mapped.cubes, mapped.chain[-1], mapped.period),
        lineage=lineage_table(mapped.chain),
        settings=settings_tables(mapped.chain, mapped.settings),
        licences=mapped.licences,
        page=mapped.page,
    )
    render(folder / REPORT, _TEMPLATE, page=page)


def _pictures(folder: Path, mapped: Mapped, canvas: Canvas) -> tuple[bytes, bytes]:
    """The map and its probabilities as PNGs."""
    numbers = canvas.blank(dtype=np.uint8, fill=0)
    sure = canvas.blank()
    for found in mapped.maps:
        canvas.paste(numbers, found.cell, read_map(class_path(folder, found.cell)))
        canvas.paste(sure, found.cell, read_map(probability_path(folder, found.cell)))
    palette = np.array([(0, 0, 0, 0), *((*rgb(c.colour), 255) for c in mapped.classes)], np.uint8)
    probability = pictures.paint_level(sure, pictures.DATE_COLOURS)
    return pictures.encode_png(palette[numbers]), pictures.encode_png(probability)


def _facts(mapped: Mapped, metrics: Mapping[str, Any]) -> list[Fact]:
    total = float(mapped.hectares.sum())
    largest = int(mapped.hectares.argmax())
    share = mapped.hectares[largest] / total if total else 0
    scores, base = (metrics["classifiers"][name] for name in ("lightgbm", "commonest class"))
    facts = [
        Fact("mapped", f"{total:,.1f} ha".replace(",", " "), f"{len(mapped.classes)} classes"),
        Fact("largest class", mapped.classes[largest].name, f"{share:.0%} of the ground"),
    ]
    for name, title in _SCORES.items():
        if scores[name] is not None:
            facts.append(Fact(title, f"{scores[name]:.3f}", f"commonest class {base[name]:.3f}"))
    return facts


def _areas(mapped: Mapped) -> Table:
    total = float(mapped.hectares.sum()) or 1.0
    rows = [
        Row((one.name, f"{hectares:.2f}", f"{hectares / total:.1%}"), key=one.colour)
        for one, hectares in zip(mapped.classes, mapped.hectares, strict=True)
    ]
    unknown = sum(found.unknown for found in mapped.maps)
    if unknown:
        rows.append(Row(("nothing known", f"{unknown:.2f}", "")))
    columns = (Column("class"), Column("hectares", number=True), Column("share", number=True))
    return Table("Areas", columns, rows)


def _quality(mapped: Mapped, metrics: Mapping[str, Any]) -> Quality:
    scores, base = (metrics["classifiers"][name] for name in ("lightgbm", "commonest class"))
    gate = metrics["gate"]
    lead = (
        f"On {metrics['samples']} samples of {metrics['blocks']} blocks that the model has never "
        "seen, inside patches of one class of the reference. In brackets: 95 % of draws of blocks. "
        + "; ".join((f"Verdict: {gate['verdict']}", *gate["reasons"]))
        + "."
    )
    columns = (
        Column("score"),
        Column("model", number=True),
        Column("commonest class", number=True),
    )
    whole = [
        Row((title, _between(scores[name], metrics["intervals"][name]), _number(base[name])))
        for name, title in _SCORES.items()
    ]
    parts = ("precision", "recall", "f1", "iou")
    titles = ("precision", "recall", "F1", "IoU")
    heads = (Column("class"), *(Column(title, number=True) for title in ("samples", *titles)))
    colours = {one.name: one.colour for one in mapped.classes}
    each = [
        Row(
            (row["class"], str(row["samples"]), *(_number(row[part]) for part in parts)),
            key=colours[row["class"]],
        )
        for row in metrics["classes"]
    ]
    tables = (Table("All classes", columns, whole), Table("Class by class", heads, each))
    picture = pictures.data_uri((mapped.evaluation / "confusion.png").read_bytes())
    return Quality(lead, tables, (Plot(picture, "Which class is taken for which"),))


def _between(value: float | None, limits: Sequence[float] | None) -> str:
    span = "" if limits is None else f" ({limits[0]:.3f} to {limits[1]:.3f})"
    return f"{_number(value)}{span}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _day(seconds: int) -> str:
    return isoformat(seconds)[:10]
