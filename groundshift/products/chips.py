"""Small pictures of an event: the ground before and after, with its outline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

from groundshift.cube.store import CellCube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.products.canvas import shown_bands, shown_sensor, stretch, value_limits
from groundshift.products.pictures import EVENT_COLOUR, encode_png, paint_ground

EDGE = 176
"""Edge of each of the two pictures of a PNG."""

_MARGIN = 12  # pixels of the ground shown around an event, at least
_GAP = 6
_CANDIDATES = 12  # looks before and after the change that come into question
_COMPOSITE = 3  # of which so many of the clearest are shown
_LEAST_POWER = 1e-5
_STRIP = 128  # rows whose looks are counted at a time


@dataclass(frozen=True)
class Chip:
    """An event's ground before and after.

    Attributes:
        before: [y, x, 3] in 0...1, NaN where nothing was seen.
        after: likewise.
        outline: of the event in pixels of the two, x to the right, y down.
    """

    before: NDArray[np.float32]
    after: NDArray[np.float32]
    outline: BaseGeometry


def event_chip(
    cubes: Mapping[str, CellCube], event: pd.Series, limits: tuple[float, float] | None = None
) -> Chip | None:
    """The ground before and after an event.

    Each is the median of the clearest looks next to the interval of its date; where that interval
    begins before the first look or ends after the last one, next to the date itself.

    Args:
        cubes: of the cells, by id.
        event: a row of the table of events.
        limits: values shown as 0 and 1; by default the chip's own 2nd and 98th percentile.

    Returns:
        None where no cube shows the event.
    """
    cube = next((cubes[cell] for cell in event["cells"].split(", ") if cell in cubes), None)
    sensor = None if cube is None else shown_sensor(cube)
    if cube is None or sensor is None:
        return None
    rows, columns = _place(cube.cell, event["geometry"])
    counts, steps = _clear(cube, sensor, rows, columns)
    images = []
    for looks in _before_and_after(cube.times[steps], counts > 0, event):
        clearest = looks[np.argsort(-counts[looks], kind="stable")[:_COMPOSITE]]
        images.append(_composite(cube, sensor, rows, columns, steps[clearest]))
    chosen = limits or value_limits(*images)
    inverse = ~cube.cell.grid.transform

    def in_pixels(points: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = inverse @ (points[:, 0], points[:, 1])
        return np.column_stack([x - columns.start, y - rows.start])

    outline = shapely.transform(event["geometry"], in_pixels)
    return Chip(stretch(images[0], chosen), stretch(images[1], chosen), outline)


def to_png(chip: Chip) -> bytes:
    """The two pictures side by side, with the outline drawn on both."""
    rings = [
        np.array(ring.coords)[:, :2]
        for polygon in shapely.get_parts(chip.outline)
        for ring in (polygon.exterior, *polygon.interiors)
    ]
    pictures = [paint_ground(image) for image in (chip.before, chip.after)]
    return encode_png(_side_by_side(pictures, rings))


def _place(cell: Cell, geometry: BaseGeometry) -> tuple[slice, slice]:
    """A square of a cell's grid around an event, as far as the grid goes."""
    inverse = ~cell.grid.transform
    left, bottom, right, top = geometry.bounds
    (x0, y0), (x1, y1) = inverse @ (left, top), inverse @ (right, bottom)
    edge = round(max(x1 - x0, y1 - y0)) + 2 * _MARGIN
    spans = []
    for middle, size in (((y0 + y1) / 2, cell.grid.shape[0]), ((x0 + x1) / 2, cell.grid.shape[1])):
        width = min(edge, size)
        begin = min(max(round(middle - width / 2), 0), size - width)
        spans.append(slice(begin, begin + width))
    return spans[0], spans[1]


def _before_and_after(
    times: NDArray[np.int64], useful: NDArray[np.bool_], event: pd.Series
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Looks that come into question, of those that saw any of the place."""
    seen = np.flatnonzero(useful)
    when = times[seen]
    first, date, last = (event[name].timestamp() for name in ("date_from", "date", "date_to"))
    before = next((own for end in (first, date) if len(own := seen[when <= end])), seen[:1])
    after = next((own for start in (last, date) if len(own := seen[when >= start])), seen[-1:])
    return before[-_CANDIDATES:], after[:_CANDIDATES]


def _clear(
    cube: CellCube, sensor: Sensor, rows: slice, columns: slice
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many pixels of a place each look saw, strip by strip, and the looks' steps."""
    counts, steps = [], np.empty(0, np.int64)
    for top in range(rows.start, rows.stop, _STRIP):
        strip = slice(top, min(top + _STRIP, rows.stop))
        fresh, steps = cube.fresh(sensor.name, strip, columns)
        counts.append(fresh.sum(axis=(1, 2)))
    return np.sum(counts, axis=0), steps


def _composite(
    cube: CellCube, sensor: Sensor, rows: slice, columns: slice, steps: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Median of the looks that came at some steps, [y, x, 3]; NaN where none saw the ground."""
    size = (rows.stop - rows.start, columns.stop - columns.start)
    shown = np.full((len(steps), *size, 3), np.nan, np.float32)
    for number, step in enumerate(steps.tolist()):
        bands = shown_bands(sensor)
        found, _ = cube.frames(sensor.name, step, step + 1, rows, columns, bands)
        values = found.values[0]
        if sensor.kind == "radar":
            values = 10 * np.log10(np.maximum(values, _LEAST_POWER))
        shown[number] = np.where(found.fresh[0][..., None], values, np.nan)
    seen = np.isfinite(shown).all(axis=-1).any(axis=0)
    image = np.full((*size, 3), np.nan, np.float32)
    image[seen] = np.nanmedian(shown[:, seen], axis=0)
    return image


def _side_by_side(
    pictures: Sequence[NDArray[np.uint8]], outline: Sequence[NDArray[np.float64]]
) -> NDArray[np.uint8]:
    chip = Image.new("RGB", (2 * EDGE + _GAP, EDGE), "white")
    for number, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        scale = EDGE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        large = Image.fromarray(picture).convert("RGB").resize(size, Image.Resampling.NEAREST)
        pen = ImageDraw.Draw(large)
        for ring in outline:
            pen.line([tuple(point) for point in (ring * scale).tolist()], EVENT_COLOUR, 2)
        chip.paste(large, (number * (EDGE + _GAP), 0))
    return np.asarray(chip)
