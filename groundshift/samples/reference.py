"""A reference map of classes on a cell's pixels, and the pixels that are sure of theirs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from scipy import ndimage

from groundshift.errors import SettingsError
from groundshift.settings import ClassSettings

NO_CLASS = 0
"""Where the reference says nothing, or nothing that is asked for."""


def read_reference(
    path: Path, grid: GeoBox, classes: Sequence[ClassSettings], erode: int
) -> NDArray[np.uint8]:
    """The class of every pixel that lies well inside a patch of it.

    The reference is read at the nearest of its pixels. Of each class's patches `erode` pixels are
    taken off along all edges (a disk of radius 1 each time), since pixels there are mixed and
    images and reference lie a little off one another. What lies around the grid is read too, so
    that a cell has the same pixels however an area is cut.

    Args:
        path: GeoTIFF of whole numbers, in any reference system; the first band counts.
        grid: the pixels.
        classes: in the order of their numbers, from 1.
        erode: pixels.

    Returns:
        [y, x] 1 to the number of classes; `NO_CLASS` elsewhere.

    Raises:
        SettingsError: no such file, no whole numbers, or none of the classes in it.
    """
    codes = _read(path, grid.pad(erode) if erode else grid)
    inner = (slice(erode, codes.shape[0] - erode), slice(erode, codes.shape[1] - erode))
    found = np.zeros(tuple(grid.shape), np.uint8)
    for number, one in enumerate(classes, start=1):
        patches = np.isin(codes, one.codes)
        if erode:
            patches = ndimage.binary_erosion(patches, iterations=erode)
        found[patches[inner]] = number
    return found


def _read(path: Path, grid: GeoBox) -> NDArray[np.integer]:
    try:
        with rasterio.open(path) as raster:
            if raster.crs is None or np.dtype(raster.dtypes[0]).kind not in "ui":
                raise SettingsError(
                    f"window.reference: {path}: expected whole numbers in a reference system, "
                    f"found {raster.dtypes[0]} in {raster.crs or 'none'}. Write it as a GeoTIFF "
                    "of class numbers"
                )
            nodata = NO_CLASS if raster.nodata is None else raster.nodata
            rows, columns = grid.shape
            with WarpedVRT(
                raster,
                crs=str(grid.crs),
                transform=grid.transform,
                height=rows,
                width=columns,
                resampling=Resampling.nearest,
                src_nodata=nodata,
                nodata=nodata,
            ) as warped:
                codes: NDArray[np.integer] = warped.read(1)
                return codes
    except (OSError, RasterioError) as error:
        raise SettingsError(
            f"window.reference: expected a GeoTIFF of class numbers, found that {path} can't be "
            f"read ({error}). Correct the path"
        ) from error
