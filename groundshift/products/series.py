"""The scores of an area as one Zarr group, for whoever wants a pixel through time.

series.zarr    score [time, y, x] over all cells, by the CF conventions 1.11: xarray opens it

The maps are files per window, quick to show one moment of a large area; this is the same numbers in
columns of time, quick to show all moments of a place. Scores are stored in steps of 1/10000.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
import zarr
from numcodecs import Blosc
from numpy.typing import NDArray
from rasterio.windows import Window

from groundshift.domain.cells import Cell
from groundshift.products.maps import MapWindow, score_path

SERIES = "series.zarr"

_CHUNK = 64  # pixels of an edge; all times of a pixel lie in one chunk
_SCALE = 1e-4
_NOTHING = np.int16(-32768)
_CF = {"Conventions": "CF-1.11"}
_TIME = {"units": "seconds since 1970-01-01T00:00:00Z", "calendar": "proleptic_gregorian"}


def write_series(
    folder: Path, maps: Mapping[Cell, Sequence[MapWindow]], *, title: str, attribution: str
) -> Path:
    """Write the scores of all windows and cells beside the maps they are read from.

    Args:
        folder: of the maps.
        maps: the windows mapped in each cell; a window that a cell lacks is empty there.
        title: what the group is.
        attribution: licence and attribution lines.

    Returns:
        The group's folder.
    """
    windows = sorted({window for own in maps.values() for window in own})
    left, top, height, width = _extent(maps)
    root = zarr.open_group(folder / SERIES, mode="w", zarr_format=2)
    root.attrs.update({**_CF, "title": title, "references": attribution})
    _coordinates(root, next(iter(maps)), windows, (left, top, height, width))
    scores = root.create_array(
        "score",
        shape=(len(windows), height, width),
        chunks=(max(len(windows), 1), _CHUNK, _CHUNK),
        dtype="int16",
        fill_value=_NOTHING,
        compressors=Blosc("zstd", 5, Blosc.BITSHUFFLE),
        attributes={
            "_ARRAY_DIMENSIONS": ["time", "y", "x"],
            "long_name": "score of ground change",
            "units": "1",
            "scale_factor": _SCALE,
            "grid_mapping": "spatial_ref",
            "cell_methods": "time: maximum (interval: one window)",
        },
    )
    place = {window: number for number, window in enumerate(windows)}
    for cell, own in maps.items():
        column, row = _corner(cell)
        rows, columns = cell.core.shape
        for y in range(0, rows, _CHUNK):
            strip = np.full((len(windows), min(_CHUNK, rows - y), columns), _NOTHING, np.int16)
            for window in own:
                strip[place[window]] = _packed(score_path(folder, cell, window), y, strip.shape)
            target = slice(row - top + y, row - top + y + strip.shape[1])
            scores[:, target, column - left : column - left + columns] = strip
    zarr.consolidate_metadata(root.store)
    return folder / SERIES


def _packed(path: Path, top: int, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Rows of a map as stored."""
    with rasterio.open(path) as raster:
        values = raster.read(1, window=Window(0, top, shape[2], shape[1]))
    return np.where(np.isnan(values), _NOTHING, np.rint(np.nan_to_num(values) / _SCALE)).astype(
        np.int16
    )


def _corner(cell: Cell) -> tuple[int, int]:
    """Column and row of a cell's first pixel, counted from the reference system's origin."""
    transform = cell.core.transform
    return round(transform.c / transform.a), round(transform.f / transform.e)


def _extent(maps: Mapping[Cell, object]) -> tuple[int, int, int, int]:
    """First column and row, height and width over all cells."""
    corners = np.array([_corner(cell) for cell in maps])
    ends = corners + [cell.core.shape[::-1] for cell in maps]
    (left, top), (right, bottom) = corners.min(axis=0), ends.max(axis=0)
    return int(left), int(top), int(bottom - top), int(right - left)


def _coordinates(
    root: zarr.Group, cell: Cell, windows: Sequence[MapWindow], extent: tuple[int, int, int, int]
) -> None:
    """Time with the windows' bounds, places of the pixels' centres, and the reference system."""
    _, _, height, width = extent
    transform, (column, row) = cell.core.transform, _corner(cell)
    x = transform.c + (np.arange(width) + extent[0] - column + 0.5) * transform.a
    y = transform.f + (np.arange(height) + extent[1] - row + 0.5) * transform.e
    geographic = cell.core.crs is not None and cell.core.crs.geographic
    projected = ("projection_x_coordinate", "projection_y_coordinate")
    names = ("longitude", "latitude") if geographic else projected
    unit = "degrees" if geographic else "m"
    middles = np.array([window.middle for window in windows], np.int64)
    bounds = np.array([(window.start, window.end) for window in windows], np.int64).reshape(-1, 2)
    time = {**_TIME, "standard_name": "time", "bounds": "time_bounds"}
    _array(root, "time", middles, ["time"], time)
    _array(root, "time_bounds", bounds, ["time", "bounds"], _TIME)
    _array(root, "x", x, ["x"], {"standard_name": names[0], "units": unit})
    _array(root, "y", y, ["y"], {"standard_name": names[1], "units": unit})
    wkt = cell.core.crs.to_wkt() if cell.core.crs is not None else ""
    _array(root, "spatial_ref", np.array(0), [], {"crs_wkt": wkt, "spatial_ref": wkt})


def _array(
    root: zarr.Group,
    name: str,
    values: NDArray[np.generic],
    dimensions: Sequence[str],
    attributes: Mapping[str, str],
) -> None:
    array = root.create_array(name, shape=values.shape, dtype=values.dtype, fill_value=None)
    array.attrs.update({"_ARRAY_DIMENSIONS": list(dimensions), **attributes})
    array[...] = values
