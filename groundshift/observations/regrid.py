"""Bringing images onto a cell's grid, so that a pixel's value doesn't depend on how areas are cut.

Every target pixel's centre is located on the source grid on its own, without the approximations
of block-wise warpers, and its coordinates are multiples of the pixel size counted from the
reference system's origin, not from the cell's corner: two cells that share a pixel locate it
alike to the last bit.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from pyproj import Transformer

Window = tuple[slice, slice]
"""Rows and columns of a source image."""

_FINENESS = 2.0**20
"""Positions are rounded to 1 / 2^20 pixel, so that pixel edges and centres are met exactly."""


@dataclass(frozen=True)
class Lookup:
    """Where the centres of a target grid's pixels lie on a source grid.

    Attributes:
        rows: Positions in source pixels from the source's upper edge (0.5 is the first row's
            centre), [y, x], or [y, 1] where rows don't depend on the column.
        columns: Likewise from the left edge, [y, x] or [1, x].
        shape: (height, width) of the source.
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    shape: tuple[int, int]

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Which target pixels have their centre on the source, [y, x]."""
        height, width = self.shape
        rows = (self.rows >= 0) & (self.rows < height)
        columns = (self.columns >= 0) & (self.columns < width)
        return np.asarray(rows & columns)

    @cached_property
    def window(self) -> Window | None:
        """The part of the source that is needed, one pixel around for interpolation; None: none."""
        if not self.inside.any():
            return None
        bounds = []
        for positions, size in zip((self.rows, self.columns), self.shape, strict=True):
            on = np.broadcast_to(positions, self.inside.shape)[self.inside]
            first = max(math.floor(on.min()) - 1, 0)
            bounds.append(slice(first, min(math.floor(on.max()) + 2, size)))
        return bounds[0], bounds[1]

    @cached_property
    def on_pixels(self) -> bool:
        """Whether every target centre is a source centre, so that nothing is interpolated."""
        return all(bool((v % 1 == 0.5).all()) for v in (self.rows, self.columns))

    @cached_property
    def _crop(self) -> Window | None:
        """The part of the window that is the target pixel by pixel; None if it isn't so simple."""
        if self.rows.shape[1] != 1 or self.columns.shape[0] != 1 or not self.inside.all():
            return None
        crop = []
        for positions in self._in_window(np.floor(self.rows), np.floor(self.columns)):
            line = positions.ravel()
            if (np.diff(line) != 1).any():
                return None
            crop.append(slice(int(line[0]), int(line[-1]) + 1))
        return crop[0], crop[1]

    def nearest(self, image: NDArray[Any], fill: float = 0) -> NDArray[Any]:
        """Values of the pixels in which the centres lie, [y, x].

        Args:
            image: The source's `window`, [y, x].
            fill: Value outside of the source.
        """
        if self._crop is not None:
            return image[self._crop]
        rows, columns = self._in_window(np.floor(self.rows), np.floor(self.columns))
        height, width = image.shape
        taken = image[
            np.clip(rows, 0, height - 1).astype(np.intp),
            np.clip(columns, 0, width - 1).astype(np.intp),
        ]
        return np.where(self.inside, taken, np.asarray(fill, image.dtype))

    def bilinear(
        self, image: NDArray[np.float64], valid: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Values interpolated between the valid ones of the four nearest source pixels.

        Invalid pixels have no weight and the others share theirs, so that a cloud doesn't bleed
        into the clear pixels beside it.

        Args:
            image: The source's `window`, [y, x].
            valid: Likewise.

        Returns:
            Values [y, x], 0 where there are none, and where there are, [y, x].
        """
        if self.on_pixels:
            found = self.nearest(valid, fill=False)
            return np.where(found, self.nearest(image), 0.0), found
        height, width = image.shape
        rows, columns = self._in_window(self.rows - 0.5, self.columns - 0.5)
        top, left = np.floor(rows), np.floor(columns)
        below, right = rows - top, columns - left
        total = np.zeros(self.inside.shape)
        weight = np.zeros(self.inside.shape)
        usable = np.where(valid, image, 0.0)  # NaN would survive a weight of zero
        for row, row_weight in ((top, 1 - below), (top + 1, below)):
            for column, column_weight in ((left, 1 - right), (left + 1, right)):
                on = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                index = (
                    np.clip(row, 0, height - 1).astype(np.intp),
                    np.clip(column, 0, width - 1).astype(np.intp),
                )
                share = row_weight * column_weight * (on & valid[index])
                total += share * usable[index]
                weight += share
        found = self.inside & (weight > 0)
        return np.divide(total, weight, out=np.zeros_like(total), where=found), found

    def _in_window(
        self, rows: NDArray[np.float64], columns: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        window = self.window
        if window is None:
            raise ValueError("the grids don't overlap: nothing can be read")
        return rows - window[0].start, columns - window[1].start


@lru_cache(maxsize=256)
def locate(source: GeoBox, target: GeoBox) -> Lookup:
    """Find the centres of a target grid's pixels on a source grid.

    Args:
        source: Grid of an image in any reference system, rotated or not.
        target: Grid of a cell.
    """
    x, y = _centres(target)
    if source.crs != target.crs:
        transformer = Transformer.from_crs(target.crs, source.crs, always_xy=True)
        x, y = transformer.transform(*np.broadcast_arrays(x, y))
    step = source.transform
    if step.b == 0 and step.d == 0:
        columns, rows = (x - step.c) / step.a, (y - step.f) / step.e
    else:
        columns, rows = _mapped(~step, x, y)
    rows, columns = (_rounded(positions) for positions in (rows, columns))
    return Lookup(rows, columns, (source.shape.y, source.shape.x))


def _rounded(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    # Points that a projection can't reach come back infinite: outside of every image.
    reachable = np.where(np.isfinite(positions), positions, -1.0)
    return np.rint(reachable * _FINENESS) / _FINENESS


def _centres(grid: GeoBox) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of pixel centres: x [1, x] and y [y, 1], or both [y, x] on a rotated grid."""
    step = grid.transform
    height, width = grid.shape
    if step.b == 0 and step.d == 0:
        return _axis(step.c, step.a, width)[None, :], _axis(step.f, step.e, height)[:, None]
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return _mapped(step, columns, rows)


def _mapped(
    step: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return step.a * x + step.b * y + step.c, step.d * x + step.e * y + step.f


def _axis(start: float, step: float, count: int) -> NDArray[np.float64]:
    """Centres along one axis, from whole numbers of pixels where the axis begins on one."""
    first = start / step
    whole = round(first)
    if abs(first - whole) < 1e-6:
        return np.asarray((whole + np.arange(count) + 0.5) * step, np.float64)
    return np.asarray(start + (np.arange(count) + 0.5) * step, np.float64)
