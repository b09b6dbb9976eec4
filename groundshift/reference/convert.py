"""GeoTIFFs to EOPatches as the published converter cut them (method section 3).

Each image is read in its own pixel grid: nearest neighbour inside the window that the area's box
covers, without reprojection. Two images of different grids give arrays of different shapes.
"""

from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.errors import RasterioError
from rasterio.windows import from_bounds

from groundshift.domain.time import find_stamp
from groundshift.errors import SettingsError, SourceError
from groundshift.reference.eopatch import Bounds, Patch, write_patch

BANDS, MASK = "Bands", "Mask"
"""Names of the two arrays."""


def convert_geotiffs(
    bands: Path, mask: Path, *, area: Path, timestamp: str, normalize: float, output: Path
) -> Path:
    """Convert one observation.

    The mask keeps its values, and later any but 0 counts as valid: turn quality bits into 0 and 1
    beforehand (quirk Q1).

    Args:
        bands: GeoTIFF with all bands.
        mask: GeoTIFF with one band.
        area: vector file; the box of its first polygon counts.
        timestamp: `YYYYmmddTHHMMSS` in UTC.
        normalize: what the bands are divided by.
        output: folder of the source.

    Returns:
        The observation's folder in `output`.

    Raises:
        SettingsError: a time stamp, divisor or area that can't be used.
        SourceError: an image that can't be read.
    """
    time = find_stamp(timestamp)
    if time is None:
        raise SettingsError(f"timestamp: expected YYYYmmddTHHMMSS, found {timestamp!r}")
    if normalize == 0:
        raise SettingsError("normalize: expected a number other than 0 to divide by, found 0")
    box = read_box(area)
    values = read_window(bands, box).astype(np.float32) / np.float32(normalize)
    valid = read_window(mask, box)[..., :1].astype(np.uint16)
    patch = Patch(time, {BANDS: values[np.newaxis]}, {MASK: valid[np.newaxis]}, box)
    return write_patch(patch, output)


def read_box(area: Path) -> Bounds:
    """The box around the first polygon of a vector file.

    Raises:
        SettingsError: the file can't be read, is empty or names no reference system.
    """
    try:
        shapes = gpd.read_file(area)
    except (OSError, RuntimeError, ValueError) as error:
        raise SettingsError(
            f"area {area} can't be read ({error}). Expected GeoJSON, a shapefile or a GeoPackage"
        ) from error
    epsg = shapes.crs.to_epsg() if shapes.crs is not None else None
    if shapes.empty or epsg is None:
        raise SettingsError(
            f"area {area}: expected a polygon in an EPSG reference system, found {len(shapes)} "
            f"shapes in {shapes.crs}. Export it again with one"
        )
    left, bottom, right, top = shapes.geometry.iloc[0].bounds
    return Bounds(left, bottom, right, top, epsg)


def read_window(image: Path, box: Bounds) -> NDArray[np.generic]:
    """The pixels of an image that a box covers, in the image's grid, 0 outside the image.

    Only two corners of the box are transformed, so that a rotated box is cut slightly short. The
    window is fractional; its pixels are found by nearest neighbour.

    Returns:
        [y, x, band] in the image's type.

    Raises:
        SourceError: the image can't be read or has no reference system.
    """
    try:
        with rasterio.open(image) as source:
            if source.crs is None:
                raise SourceError(f"{image}: expected a reference system, found none. Assign one")
            projection = CRS.from_wkt(source.crs.to_wkt())
            project = Transformer.from_crs(box.epsg, projection, always_xy=True).transform
            corners = *project(box.left, box.bottom), *project(box.right, box.top)
            window = from_bounds(*corners, transform=source.transform)
            rows = _nearest(window.row_off, window.height)
            columns = _nearest(window.col_off, window.width)
            return _take(source, rows, columns)
    except RasterioError as error:
        raise SourceError(f"{image}: expected a GeoTIFF, found {error}. Check the path") from error


def _nearest(offset: float, size: float) -> NDArray[np.int64]:
    """Source pixel of every output pixel along one axis of a fractional window."""
    count = round(size)
    return np.floor(offset + (np.arange(count) + 0.5) * size / max(count, 1)).astype(np.int64)


def _take(
    source: rasterio.DatasetReader, rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.generic]:
    """Pixels of some rows and columns, 0 where they lie outside; only what is needed is read."""
    height, width = source.shape
    inside_rows, inside_columns = (rows >= 0) & (rows < height), (columns >= 0) & (columns < width)
    values = np.zeros((len(rows), len(columns), source.count), source.dtypes[0])
    if inside_rows.any() and inside_columns.any():
        y, x = rows[inside_rows], columns[inside_columns]
        window = (int(y.min()), int(y.max()) + 1), (int(x.min()), int(x.max()) + 1)
        read = np.moveaxis(source.read(window=window), 0, -1)
        taken = read[np.ix_(y - y.min(), x - x.min())]
        values[np.ix_(inside_rows, inside_columns)] = taken
    return values
