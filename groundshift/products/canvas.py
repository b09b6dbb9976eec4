"""A picture grid over all cells of an area, coarse enough for a page, and images on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from groundshift.domain.bands import role_index
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import isoformat
from groundshift.errors import SettingsError

if TYPE_CHECKING:
    from groundshift.cube.store import CellCube

_COMPOSITE = 5
"""Images in a composite: enough for the median to drop a cloud that the mask missed."""
_STRIP_VALUES = 1 << 22
"""Most numbers of an image held at once for a composite (16 MiB)."""
_SAMPLE = 64

Number = TypeVar("Number", bound=np.generic)

Steps = NDArray[np.intp]


@dataclass(frozen=True)
class Canvas:
    """A picture grid: every `factor`-th pixel of all cells' cores in one rectangle."""

    grid: GeoBox
    """The full pixels of the rectangle around all cores."""
    factor: int

    @classmethod
    def over(cls, cells: Iterable[Cell], longest: int) -> "Canvas":
        """The canvas over some cells whose longer edge has at most `longest` pixels."""
        cores = [cell.core for cell in cells]
        boxes = [core.boundingbox for core in cores]
        left, bottom = min(b.left for b in boxes), min(b.bottom for b in boxes)
        right, top = max(b.right for b in boxes), max(b.top for b in boxes)
        grid = GeoBox.from_bbox(
            (left, bottom, right, top),
            crs=cores[0].crs,
            resolution=abs(cores[0].resolution.x),
            tight=True,
        )
        return cls(grid, max(1, -(-max(grid.shape) // longest)))

    @property
    def shape(self) -> tuple[int, int]:
        """Picture size, (rows, columns)."""
        rows, columns = self.grid.shape
        return -(-rows // self.factor), -(-columns // self.factor)

    @property
    def pixel(self) -> float:
        """Edge of a picture pixel in metres."""
        return float(abs(self.grid.resolution.x)) * self.factor

    def blank(self, *bands: int, dtype: Any = np.float32, fill: float = np.nan) -> NDArray[Any]:
        """An empty image, [y, x] and band if given."""
        return np.full((*self.shape, *bands), fill, dtype)

    def paste(self, image: NDArray[Any], cell: Cell, values: NDArray[Any]) -> None:
        """Put a cell's values, [y, x] (and band) at full or picture resolution, into an image."""
        rows, columns = cell.core.shape
        if values.shape[:2] == (rows, columns):
            values = values[:: self.factor, :: self.factor]
        y, x = self._corner(cell)
        height, width = (
            min(values.shape[0], image.shape[0] - y),
            min(values.shape[1], image.shape[1] - x),
        )
        image[y : y + height, x : x + width] = values[:height, :width]

    def to_picture(self, geometry: BaseGeometry) -> BaseGeometry:
        """A geometry of the cells' reference system in picture pixels, x to the right, y down."""
        inverse = ~self.grid.transform

        def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
            x, y = inverse @ (points[:, 0], points[:, 1])
            return np.column_stack([x, y]) / self.factor

        return shapely.transform(geometry, place)

    def cover(self, shapes: gpd.GeoDataFrame) -> NDArray[np.bool_]:
        """Which picture pixels polygons of the cells' reference system reach into, [y, x]."""
        if not len(shapes):
            return np.zeros(self.shape, bool)
        drawn = map(self.to_picture, shapes.geometry)
        # Whole pixels at full size; on a thinned picture, what a small polygon touches counts.
        burnt = rasterize(drawn, self.shape, all_touched=self.factor > 1, dtype=np.uint8)
        return np.asarray(burnt, bool)

    def _corner(self, cell: Cell) -> tuple[int, int]:
        transform = cell.core.transform
        x, y = ~self.grid.transform @ (transform.c, transform.f)
        return round(y) // self.factor, round(x) // self.factor


def coarsen(
    score: NDArray[np.float32], beside: NDArray[Number], factor: int
) -> tuple[NDArray[np.float32], NDArray[Number]]:
    """Greatest score of every `factor` x `factor` pixels, and what else is known of that pixel.

    So that a change of a few pixels stays visible on a picture of a large area.

    Args:
        score: [y, x], NaN where there is none.
        beside: [y, x], its day for instance.
        factor: pixels per picture pixel.
    """
    if factor == 1:
        return score, beside
    scores = _blocks(score, factor, np.nan)
    best = np.argmax(np.nan_to_num(scores, nan=-1.0), axis=-1)[..., None]
    greatest: NDArray[np.float32] = np.take_along_axis(scores, best, axis=-1)[..., 0]
    its: NDArray[Number] = np.take_along_axis(_blocks(beside, factor, 0), best, axis=-1)[..., 0]
    return greatest, its


def _blocks(values: NDArray[Any], factor: int, fill: float) -> NDArray[Any]:
    """Pixels by the picture pixel they fall into, [y, x, pixel of the block]."""
    rows, columns = (-(-size // factor) for size in values.shape)
    pad = [(0, -size % factor) for size in values.shape]
    padded = np.pad(values, pad, constant_values=fill)
    blocks = padded.reshape(rows, factor, columns, factor).swapaxes(1, 2)
    return blocks.reshape(rows, columns, factor * factor)


@dataclass(frozen=True)
class _Look:
    """A look at picture resolution, [y, x, band] in the sensor's units.

    Attributes:
        fresh: NaN where it saw nothing.
        carried: with what earlier looks saw there; NaN where none did.
    """

    fresh: NDArray[np.float32]
    carried: NDArray[np.float32]


@dataclass(frozen=True)
class Backdrop:
    """An image of the ground: red, green and blue, or grey three times, 0...1."""

    image: NDArray[np.float32]
    """[y, x, 3], NaN where nothing was seen."""
    caption: str
    limits: tuple[float, float]
    """Values of the ground that are shown as 0 and 1."""


def backdrops(
    cubes: Mapping[str, "CellCube"],
    canvas: Canvas,
    limits: tuple[float, float] | None = None,
) -> tuple[Backdrop, Backdrop] | None:
    """Images of the area early and late in the period, stretched alike.

    Each is the median of the clearest images of the first or last third of the optical sensor's
    looks; of the radar's, in dB, where there is no optical one.

    Args:
        cubes: of the cells.
        canvas: the picture grid.
        limits: values shown as 0 and 1; by default the 2nd and 98th percentile.

    Returns:
        Before and after; None where a cube has no sensor to show.
    """
    early, late = canvas.blank(3), canvas.blank(3)
    dates: list[tuple[int, int, int, int]] = []
    sensor = None
    for cell_cube in cubes.values():
        sensor = shown_sensor(cell_cube)
        if sensor is None:
            return None
        first, second = _looks(cell_cube, sensor)
        for image, steps in ((early, first), (late, second)):
            canvas.paste(image, cell_cube.cell, _composite(cell_cube, sensor, steps, canvas.factor))
        times = cell_cube.times
        dates.append(
            (times[first].min(), times[first].max(), times[second].min(), times[second].max())
        )
    if sensor is None:
        return None
    spans = np.array(dates)
    kind = "natural colour" if len(shown_bands(sensor)) == 3 else f"{sensor.bands[0]}"
    captions = [
        f"{sensor.name} {kind}, median of the clearest looks {_day(spans[:, a].min())} to "
        f"{_day(spans[:, a + 1].max())}"
        for a in (0, 2)
    ]
    chosen = limits or value_limits(early, late)
    before, after = (
        Backdrop(stretch(image, chosen), caption, chosen)
        for image, caption in zip((early, late), captions, strict=True)
    )
    return before, after


@dataclass(frozen=True)
class GroundSeries:
    """The ground as it was last seen, asked for in the order of time: no look is read twice.

    Attributes:
        cubes: of the cells.
        canvas: the picture grid.
        limits: values shown as 0 and 1.
    """

    cubes: Mapping[str, "CellCube"]
    canvas: Canvas
    limits: tuple[float, float]
    _looks: dict[str, dict[int, _Look]] = field(default_factory=dict)
    """By cell and step, those that the last picture was made of."""

    def at(self, time: int) -> NDArray[np.float32]:
        """The ground up to an instant, stretched: [y, x, 3] in 0...1.

        It is the median of the last looks, so that a cloud that the mask missed is not drawn.

        Args:
            time: in seconds since 1970.
        """
        image = self.canvas.blank(3)
        for name, cell_cube in self.cubes.items():
            sensor = shown_sensor(cell_cube)
            if sensor is None:
                continue
            _, _, steps = cell_cube.looks(sensor.name, slice(0, 0), slice(0, 0), (0,))
            last = steps[cell_cube.times[steps] <= time][-_COMPOSITE:].tolist()
            known = self._looks.get(name, {})
            factor = self.canvas.factor
            looks = {
                step: known[step] if step in known else _whole_look(cell_cube, sensor, step, factor)
                for step in last
            }
            self._looks[name] = looks
            if looks:
                self.canvas.paste(image, cell_cube.cell, _shown(sensor, list(looks.values())))
        return stretch(image, self.limits)


def shown_sensor(cell_cube: "CellCube") -> Sensor | None:
    """The optical sensor; a radar where there is no optical one."""
    role = next((r for r in ("optical", "radar_a", "radar_b") if r in cell_cube.roles), None)
    return None if role is None else cell_cube.sensors[cell_cube.roles[role]]


def shown_bands(sensor: Sensor) -> tuple[int, ...]:
    """Indices of red, green and blue; of the first band where the sensor lacks one of them."""
    if sensor.kind == "optical":
        try:
            red, green, blue = (
                role_index(sensor.mission, sensor.bands, role) for role in ("red", "green", "blue")
            )
            return red, green, blue
        except SettingsError:
            return (0,)
    return (0,)


def _looks(cell_cube: "CellCube", sensor: Sensor) -> tuple[Steps, Steps]:
    """Steps of the clearest looks in the first and the last third of a sensor's looks."""
    rows, columns = (_middle(size) for size in cell_cube.shape)
    count = len(cell_cube.times)
    frames, frame_of_step = cell_cube.frames(sensor.name, 0, count, rows, columns, (0,))
    steps = np.flatnonzero(np.diff(frame_of_step, prepend=-1))
    share = frames.fresh.mean(axis=(1, 2))
    if (share > 0).any():
        steps, share = steps[share > 0], share[share > 0]
    third = -(-len(steps) // 3)

    def clearest(part: slice) -> Steps:
        best = np.argsort(-share[part], kind="stable")[:_COMPOSITE]
        return np.sort(steps[part][best])

    return clearest(slice(third)), clearest(slice(len(steps) - third, None))


def _middle(size: int) -> slice:
    """The middle of a cell, by which the clarity of a look is judged."""
    edge = min(size, _SAMPLE)
    return slice((size - edge) // 2, (size + edge) // 2)


def _composite(
    cell_cube: "CellCube", sensor: Sensor, steps: Steps, factor: int
) -> NDArray[np.float32]:
    """Median of the fresh pixels at some steps, [y, x, 3] at picture resolution.

    A pixel that none of them saw takes what the last of them carried forward.
    """
    return np.concatenate(
        [
            _shown(sensor, [_look(cell_cube, sensor, int(step), y, factor) for step in steps])
            for y in _strips(cell_cube, sensor, factor)
        ]
    )


def _strips(cell_cube: "CellCube", sensor: Sensor, factor: int) -> list[slice]:
    """Rows of a cell that are held at once, in whole picture pixels."""
    inner, _ = cell_cube.cell.inner
    height, width = cell_cube.cell.core.shape
    rows = max(1, _STRIP_VALUES // (width * len(shown_bands(sensor))) // factor) * factor
    return [
        slice(inner.start + top, inner.start + min(top + rows, height))
        for top in range(0, height, rows)
    ]


def _look(cell_cube: "CellCube", sensor: Sensor, step: int, y: slice, factor: int) -> _Look:
    """One look at some rows of a cell."""
    _, columns = cell_cube.cell.inner
    frames = cell_cube.read(sensor.name, step, step + 1, y, columns, shown_bands(sensor))
    values = frames.values[0, ::factor, ::factor]
    fresh, age = (a[0, ::factor, ::factor, None] for a in (frames.fresh, frames.age_days))
    return _Look(np.where(fresh, values, np.nan), np.where(age >= 0, values, np.nan))


def _whole_look(cell_cube: "CellCube", sensor: Sensor, step: int, factor: int) -> _Look:
    """One look at a whole cell."""
    strips = _strips(cell_cube, sensor, factor)
    parts = [_look(cell_cube, sensor, step, y, factor) for y in strips]
    return _Look(
        np.concatenate([part.fresh for part in parts]),
        np.concatenate([part.carried for part in parts]),
    )


def _shown(sensor: Sensor, looks: Sequence[_Look]) -> NDArray[np.float32]:
    """Median of looks in time, as it is shown: [y, x, 3], a radar in dB."""
    middle = _median(np.stack([look.fresh for look in looks]))
    image = np.where(np.isfinite(middle), middle, looks[-1].carried)
    if sensor.kind == "radar":
        image = 10 * np.log10(np.maximum(image, 1e-6))
    return np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.float32)


def _median(looks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median over the first axis of what is not NaN."""
    ordered = np.sort(looks, axis=0)  # NaN last
    count = np.isfinite(looks).sum(axis=0, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=0)
    high = np.take_along_axis(ordered, count // 2 * (count > 0), axis=0)
    middle: NDArray[np.float32] = np.where(count % 2 == 1, low, (low + high) / 2)[0]
    return middle


def value_limits(*images: NDArray[np.float32]) -> tuple[float, float]:
    """The 2nd and 98th percentile over all images and bands.

    One stretch for all bands keeps grey things grey.
    """
    together = np.concatenate([image.ravel() for image in images])
    if not np.isfinite(together).any():
        return 0.0, 1.0
    low, high = np.nanpercentile(together, (2, 98))
    return float(low), float(high)


def stretch(image: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.float32]:
    """To 0...1 between two values."""
    low, high = limits
    stretched: NDArray[np.float32] = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    return stretched.astype(np.float32, copy=False)


def _day(seconds: int) -> str:
    return isoformat(seconds)[:10]
