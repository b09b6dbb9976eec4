"""The STAC catalogue of land cover: an item per cell, with names and colours of the classes.

Classes are described by STAC's classification extension, which GIS programs read as a legend.
"""

from collections.abc import Sequence
from pathlib import Path

import pystac

from groundshift.models.pixel_trees import LandClass
from groundshift.products.catalogue import (
    CatalogueText,
    cog_asset,
    footprint_of,
    make_item,
    save_collection,
)
from groundshift.products.class_maps import (
    CLASSES,
    PROBABILITY,
    ClassMap,
    class_path,
    probability_path,
)
from groundshift.samples.reference import NO_CLASS

_EXTENSION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"


def write_class_catalogue(
    folder: Path, text: CatalogueText, maps: Sequence[ClassMap], classes: Sequence[LandClass]
) -> Path:
    """Describe the maps of an artifact, which are written already.

    Args:
        folder: the artifact.
        text: what holds for all of them.
        maps: of every cell.
        classes: in the order of their numbers, from 1.

    Returns:
        `stac/collection.json`.
    """
    items = [_item(folder, text, found, classes) for found in maps]
    return save_collection(folder, text, items, title="Land cover", keyword="land cover")


def _item(
    folder: Path, text: CatalogueText, found: ClassMap, classes: Sequence[LandClass]
) -> pystac.Item:
    cell = found.cell
    item = make_item(f"{cell.id}_landcover", footprint_of(cell.core), text.period, cell.core)
    item.stac_extensions.append(_EXTENSION)
    path = class_path(folder, cell)
    asset = cog_asset(path, "Class of land cover", "class", "uint8", NO_CLASS)
    asset.extra_fields["classification:classes"] = _legend(classes)
    item.add_asset(CLASSES, asset)
    path = probability_path(folder, cell)
    title = "Probability of the class, as the trees give it"
    item.add_asset(PROBABILITY, cog_asset(path, title, "probability", "float32", "nan"))
    return item


def _legend(classes: Sequence[LandClass]) -> list[dict[str, object]]:
    nothing: dict[str, object] = {"value": NO_CLASS, "name": "no_data", "nodata": True}
    named = [
        {
            "value": number,
            "name": one.name.lower().replace(" ", "_"),
            "title": one.name,
            "color_hint": one.colour.removeprefix("#").upper(),
        }
        for number, one in enumerate(classes, start=1)
    ]
    return [nothing, *named]
