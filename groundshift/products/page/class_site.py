"""The map page of a map of land cover: classes, how probable they are, the ground.

Below the page's folder `data`, where `<where>` is as in `rasters`:

    <where>/before.webp, after.webp     pictures
    <where>/class.js                    number of the class, a byte per pixel; 0 where none is known
    <where>/probability.js              of that class, a byte per pixel
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundshift.cube.store import CellCube
from groundshift.domain.time import DAY
from groundshift.models.pixel_trees import LandClass
from groundshift.products.class_maps import (
    PROBABILITY,
    ClassMap,
    class_path,
    probability_path,
)
from groundshift.products.maps import read_map
from groundshift.products.page.chunks import DATA, PAGE, quantise, write_chunk, write_json
from groundshift.products.page.rasters import View, views_of
from groundshift.products.page.site import INDEX, colours, copy_static, grid_of, place_of
from groundshift.samples.reference import NO_CLASS


@dataclass(frozen=True)
class ClassSite:
    """What the page shows.

    Attributes:
        area: name of the area.
        period: [start, end) in seconds since 1970.
        maps: of every cell.
        classes: in the order of their numbers, from 1.
        cubes: what was mapped, by cell.
        licences: licence and attribution lines.
    """

    area: str
    period: tuple[int, int]
    maps: Sequence[ClassMap]
    classes: Sequence[LandClass]
    cubes: Mapping[str, CellCube]
    licences: Sequence[str]

    def write(self, folder: Path) -> Path:
        """Write the page into an artifact's folder `page`.

        Args:
            folder: of the artifact, with its maps.

        Returns:
            Its `index.html`.
        """
        data = folder / DATA
        cells = [found.cell for found in self.maps]
        views = list(views_of(data, cells, self.cubes))
        for view in views:
            _write_layers(folder, data, view)
        canvas, grounds = views[0].canvas, views[0].grounds
        hectares = np.sum([found.hectares for found in self.maps], axis=0)
        about = {
            "area": self.area,
            "period": self.period,
            "grid": grid_of(canvas.grid),
            "factor": canvas.factor,
            "cells": [place_of(cell, canvas.grid) for cell in cells],
            "classes": [
                {"name": one.name, "colour": one.colour, "hectares": round(float(area), 4)}
                for one, area in zip(self.classes, hectares, strict=True)
            ],
            "unknown": round(sum(found.unknown for found in self.maps), 4),
            "looks": {name: list(days) for name, days in self._looks().items()},
            "ground": [ground.caption for ground in grounds] if grounds else None,
            "colours": colours(),
            "licences": self.licences,
        }
        write_json(data, "about", about)
        copy_static(folder / PAGE)
        return folder / PAGE / INDEX

    def _looks(self) -> dict[str, Iterable[int]]:
        """Days since 1970 on which each sensor saw the area."""
        sensors = sorted({name for cube in self.cubes.values() for name in cube.roles.values()})
        return {
            name: sorted(
                {int(time) // DAY for cube in self.cubes.values() for time in cube.look_times(name)}
            )
            for name in sensors
        }


def _write_layers(folder: Path, data: Path, view: View) -> None:
    """Classes and probabilities on one picture, every `factor`-th pixel of them."""
    classes = view.canvas.blank(dtype=np.uint8, fill=NO_CLASS)
    probability: Any = view.canvas.blank()
    for cell in view.cells:
        view.canvas.paste(classes, cell, read_map(class_path(folder, cell)))
        view.canvas.paste(probability, cell, read_map(probability_path(folder, cell)))
    write_chunk(data, f"{view.where}/class", classes.tobytes())
    write_chunk(data, f"{view.where}/{PROBABILITY}", quantise(probability, 0, 1).tobytes())
