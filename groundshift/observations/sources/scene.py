"""Scenes made of rasters: several images of one acquisition, each on its own pixel grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.observations.masks import valid_pixels
from groundshift.observations.radiometry import Conversion
from groundshift.observations.regrid import Lookup, Window, locate
from groundshift.observations.rows import ROWS, strips
from groundshift.observations.sources.base import Image
from groundshift.settings import MaskSettings

Resampling = Literal["bilinear", "nearest"]


class Raster(Protocol):
    """An image of one or more bands on one grid."""

    name: str
    """For messages."""
    grid: GeoBox
    bands: tuple[str, ...]
    integer: bool
    """Whether its numbers are whole."""

    def read(self, bands: Sequence[str], window: Window) -> NDArray[Any]:
        """Numbers of some bands in a window, [band, y, x].

        Raises:
            SourceError: the image is damaged.
        """

    def nodata(self, band: str) -> tuple[float, ...]:
        """The numbers that mean nothing was measured."""

    def conversion(self, band: str) -> Conversion:
        """What the numbers of a band mean."""


@dataclass(frozen=True)
class Mask:
    """A raster whose one band says which pixels are valid."""

    raster: Raster
    band: str
    rule: MaskSettings

    def numbers(self, lookup: Lookup) -> NDArray[Any]:
        """The mask's numbers in a lookup's window, [y, x]."""
        assert lookup.window is not None
        numbers: NDArray[Any] = self.raster.read((self.band,), lookup.window)[0]
        return numbers

    def on(self, grid: GeoBox) -> NDArray[np.bool_]:
        """Validity by the nearest mask pixel, [y, x]; invalid outside of the mask."""
        lookup = locate(self.raster.grid, grid)
        if lookup.window is None:
            return np.zeros(grid.shape, bool)
        nodata = self.raster.nodata(self.band)
        name = self.raster.name
        clear = valid_pixels(self.numbers(lookup), self.rule, nodata=nodata, where=name)
        return lookup.nearest(clear, fill=False)


@dataclass(frozen=True)
class RasterScene:
    """An opened acquisition made of rasters."""

    parts: tuple[Raster, ...]
    """Together they hold every band."""
    mask: Mask | None
    bands: tuple[str, ...]
    """Bands of the sensor, in its order."""
    resampling: Resampling
    rows: int | None = ROWS
    """Of a grid that are read at a time, so that no cell lies in memory in double precision. None:
    all of them, where every request takes long."""

    @property
    def footprint(self) -> str:
        """Reference system and bounds of the first part."""
        grid = self.parts[0].grid
        bounds = ", ".join(f"{value:.6g}" for value in grid.boundingbox.bbox)
        code = grid.crs.to_epsg() if grid.crs else None
        return f"{bounds} in {f'EPSG:{code}' if code else grid.crs}"

    def mask_numbers(self, grid: GeoBox) -> str:
        """The mask's numbers on a grid, most frequent first."""
        lookup = locate(self.mask.raster.grid, grid) if self.mask else None
        if self.mask is None or lookup is None or lookup.window is None:
            return "none"
        found, counts = np.unique(self.mask.numbers(lookup), return_counts=True)
        return ", ".join(str(number) for number in found[np.argsort(-counts)][:10])

    def read(self, grid: GeoBox) -> Image | None:
        """The image on a grid; None if no part overlaps it.

        A pixel is valid where the nearest pixel of the mask is, and, in every band, the nearest
        pixel holds a number and a valid one is near enough to take part.
        """
        values = np.zeros((*grid.shape, len(self.bands)), np.float32)
        valid, measured = np.zeros(grid.shape, bool), np.zeros(grid.shape, bool)
        overlap = False
        for part in strips(grid.shape.y, self.rows or grid.shape.y):
            own = grid[part, :]
            if any(locate(raster.grid, own).window for raster in self.parts):
                overlap = True
                valid[part] = self._read(own, values[part], measured[part])
        return Image(values, valid, measured) if overlap else None

    def _read(
        self, grid: GeoBox, values: NDArray[np.float32], measured: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Fill in some rows, and where they were measured; returns where they are valid."""
        measured[:] = True
        for part in self.parts:
            wanted = [band for band in self.bands if band in part.bands]
            lookup = locate(part.grid, grid)
            if lookup.window is None:
                measured[:] = False
                continue
            numbers = part.read(wanted, lookup.window)
            near = self._valid_nearby(part, lookup.window)
            for band, image in zip(wanted, numbers, strict=True):
                physical, present = _measured(part, band, image)
                resampled, found = self._resample(lookup, physical, present, near)
                values[..., self.bands.index(band)] = resampled
                measured &= found
        valid = measured & self.mask.on(grid) if self.mask else measured
        values[~valid] = 0
        return valid

    def _valid_nearby(self, part: Raster, window: Window) -> NDArray[np.bool_] | None:
        """The mask on a part's own pixels, which interpolation needs; None: all are valid."""
        if self.mask is None or self.resampling == "nearest":
            return None
        return self.mask.on(part.grid[window])

    def _resample(
        self,
        lookup: Lookup,
        physical: NDArray[np.float64],
        present: NDArray[np.bool_],
        near: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """A band on the target grid, and where it is known."""
        covered = lookup.nearest(present, fill=False)
        if self.resampling == "nearest" or lookup.on_pixels:
            return lookup.nearest(physical), covered
        usable = present if near is None else present & near
        values, found = lookup.bilinear(physical, usable)
        return values, found & covered


def _measured(
    part: Raster, band: str, numbers: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Physical values [y, x] and where something was measured; 0 elsewhere."""
    physical = part.conversion(band).physical(numbers)
    most = np.finfo(np.float32).max  # that is stored; NaN isn't either
    present = (physical >= -most) & (physical <= most)
    for nodata in part.nodata(band):
        present &= numbers != nodata  # NaN, a usual tag, is not finite already
    physical[~present] = 0
    return physical, present
