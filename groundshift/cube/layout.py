"""What a cell's Zarr group holds: names, types, and attributes by the CF conventions.

    time(time), y(y), x(x), spatial_ref            coordinates
    <sensor>(<sensor>_slot, y, x, <sensor>_band)   stored values; scale_factor and add_offset decode
    <sensor>_fresh(<sensor>_slot, y, x)            a valid look fell into the frame's own step
    <sensor>_age_days(<sensor>_slot, y, x)         since the last valid look, at <sensor>_time
    <sensor>_time(<sensor>_slot)                   the frame's own time: its last look
    <sensor>_slot_of_step(time)                    where the frame of a step lies, -1 for none yet
    <sensor>_digest(<sensor>_slot, tile_y, tile_x, digest_byte)   `fill.Image.digest`; by SHA-256
                                                   in cubes of version 1

Frames lie in slots, in the order in which they became known. The index orders them, so that a
scene that comes late takes a new slot and moves no other.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import zarr
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from zarr.codecs import BloscCodec, TransposeCodec

from groundshift.cube.fill import NEVER
from groundshift.cube.shards import CHUNK, SLOTS, TILE, Sharded
from groundshift.domain.signature import Sensor

NO_SLOT = -1
"""Entry of the index before a sensor's first frame."""
NO_TIME = int(np.iinfo(np.int64).min)
"""Time of a slot whose frame was dropped."""

_SECONDS = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
_GRID_MAPPING = "spatial_ref"
_CHUNK_FILE = re.compile(r"cells/[^/]+/[^/]+\.zarr/(?P<array>[^/]+)/c/.*")
_SMALL = ("_digest", "_slot_of_step", "_time", "time", "x", "y", _GRID_MAPPING)
"""How the names of arrays end that are read whole."""


@dataclass(frozen=True)
class Revision:
    """Where a revision of a cell lies in a cube."""

    cube: Path
    cell_id: str
    number: int

    @property
    def group(self) -> Path:
        """The Zarr group."""
        return self.cube / "cells" / self.cell_id / f"{self.number:04d}.zarr"

    @property
    def looks(self) -> Path:
        """The table of the observations it is made of."""
        return self.group.with_suffix(".parquet")

    @property
    def paths(self) -> tuple[Path, Path]:
        """All that belongs to it."""
        return self.group, self.looks


def is_shard(path: str) -> bool:
    """Whether a file of a cube artifact is read by parts: a shard of a sensor's large arrays.

    Args:
        path: inside the artifact.
    """
    match = _CHUNK_FILE.fullmatch(path)
    return match is not None and not match["array"].endswith(_SMALL)


@dataclass(frozen=True)
class SensorArrays:
    """The large arrays of a sensor."""

    values: Sharded
    fresh: Sharded
    age_days: Sharded

    @classmethod
    def of(cls, group: Path, sensor: Sensor) -> "SensorArrays":
        """Those that lie in a cell's group."""
        return cls(
            Sharded(group / sensor.name, len(sensor.bands), sensor.dtype),
            Sharded(group / f"{sensor.name}_fresh", 0, "bool"),
            Sharded(group / f"{sensor.name}_age_days", 0, "int16", NEVER),
        )

    def __iter__(self) -> Iterator[Sharded]:
        return iter((self.values, self.fresh, self.age_days))


@dataclass(frozen=True)
class SensorIndex:
    """The small arrays of a sensor.

    Attributes:
        slot_of_step: int32 [step], `NO_SLOT` before the first frame.
        slot_times: int64 [slot], `NO_TIME` where the frame was dropped.
        digests: uint8 [slot, tile y, tile x, byte], of the frames' content.
    """

    slot_of_step: NDArray[np.int32]
    slot_times: NDArray[np.int64]
    digests: NDArray[np.uint8]


def write_group(
    folder: Path,
    grid: GeoBox,
    times: NDArray[np.int64],
    sensors: Mapping[str, tuple[Sensor, SensorIndex]],
    attributes: Mapping[str, Any],
) -> None:
    """Write everything of a cell's group but the shards.

    Args:
        folder: the group's folder; no file of it may be shared with another revision.
        grid: pixels of the cell, halo included.
        times: the time line, int64 [step].
        sensors: by name.
        attributes: of the group, JSON-ready.
    """
    group = zarr.create_group(folder, attributes={"Conventions": "CF-1.11", **attributes})
    _write_coordinates(group, grid, times)
    for sensor, index in sensors.values():
        _declare_frames(group, folder, sensor, len(index.slot_times), grid.shape)
        _write_index(group, sensor.name, index)
    with warnings.catch_warnings():
        # Zarr warns that consolidated metadata is not in the specification yet; xarray warns
        # where it is missing, and a reader without it reads the arrays' own.
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(group.store)


def read_index(folder: Path, name: str) -> SensorIndex:
    """The small arrays of a sensor in a cell's group."""
    group = zarr.open_group(folder, mode="r")
    return SensorIndex(
        _read(group, f"{name}_slot_of_step").astype(np.int32),
        _read(group, f"{name}_time").astype(np.int64),
        _read(group, f"{name}_digest").astype(np.uint8),
    )


def read_times(folder: Path) -> NDArray[np.int64]:
    """The time line of a cell's group, int64 [step]."""
    return _read(zarr.open_group(folder, mode="r"), "time").astype(np.int64)


def _read(group: zarr.Group, name: str) -> NDArray[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{group.path}/{name} is a group, not an array")
    return np.asarray(array[...])


def _write_coordinates(group: zarr.Group, grid: GeoBox, times: NDArray[np.int64]) -> None:
    _write(group, "time", times, ("time",), {"standard_name": "time", "axis": "T", **_SECONDS})
    crs = pyproj.CRS.from_user_input(str(grid.crs))
    east, north = ("projection_x_coordinate", "projection_y_coordinate")
    if crs.is_geographic:
        east, north = "longitude", "latitude"
    unit = crs.axis_info[0].unit_name if crs.axis_info else "metre"
    for name, standard_name in (("y", north), ("x", east)):
        attributes = {"standard_name": standard_name, "units": unit, "axis": name.upper()}
        _write(group, name, _centres(grid, name), (name,), attributes)
    transform = " ".join(f"{value:.17g}" for value in grid.transform.to_gdal())
    mapping = {**crs.to_cf(), "spatial_ref": crs.to_wkt(), "GeoTransform": transform}
    _write(group, _GRID_MAPPING, np.array(0, np.int32), (), mapping)


def _centres(grid: GeoBox, axis: str) -> NDArray[np.float64]:
    """Coordinates of the pixels' centres along an axis, whatever the grid calls it."""
    rows, columns = grid.dimensions
    name = rows if axis == "y" else columns
    return np.asarray(grid.coordinates[name].values, np.float64)


def _declare_frames(
    group: zarr.Group, folder: Path, sensor: Sensor, slots: int, shape: tuple[int, int]
) -> None:
    """Write the metadata of a sensor's large arrays; their shards are written beside it."""
    name = sensor.name
    arrays = SensorArrays.of(folder, sensor)
    decoding: dict[str, Any] = {}
    if (sensor.scale, sensor.offset) != (1.0, 0.0):
        decoding = {"scale_factor": sensor.scale, "add_offset": sensor.offset}
    described = (
        (
            arrays.values,
            {
                "long_name": f"{sensor.units or 'values'} of {name}, carried forward",
                "units": "1",
                "bands": list(sensor.bands),
                **decoding,
            },
        ),
        (arrays.fresh, {"long_name": "a valid look fell into the frame's own step"}),
        (
            arrays.age_days,
            {
                # "days" would make xarray turn the numbers into time deltas.
                "units": "d",
                "long_name": "calendar days (UTC) from the last valid look to the frame's time",
                "comment": f"{NEVER}: never seen",
            },
        ),
    )
    for array, attributes in described:
        bands = (array.bands,) if array.bands else ()
        group.create_array(
            array.folder.name,
            shape=(slots, *shape, *bands),
            dtype=array.dtype,
            shards=(SLOTS, TILE, TILE, *bands),
            chunks=(SLOTS, CHUNK, CHUNK, *bands),
            filters=[TransposeCodec(order=(0, 3, 1, 2))] if bands else None,
            compressors=_compressor(array),
            fill_value=array.fill,
            dimension_names=(f"{name}_slot", "y", "x", *((f"{name}_band",) if bands else ())),
            attributes={**attributes, "grid_mapping": _GRID_MAPPING},
        )


def _compressor(array: Sharded) -> BloscCodec:
    codec = array.codec
    itemsize = np.dtype(array.dtype).itemsize
    return BloscCodec(
        typesize=itemsize,
        cname=codec.name,
        clevel=codec.level,
        shuffle=codec.shuffle,
        blocksize=int(np.prod(array.chunk_shape)) * itemsize,
    )


def _write_index(group: zarr.Group, name: str, index: SensorIndex) -> None:
    slot = f"{name}_slot"
    _write(
        group,
        f"{name}_slot_of_step",
        index.slot_of_step,
        ("time",),
        {"long_name": f"slot of the frame that holds at a step; {NO_SLOT}: none yet"},
    )
    _write(
        group,
        f"{name}_time",
        index.slot_times,
        (slot,),
        {"long_name": "last look of the frame", "_FillValue": NO_TIME, **_SECONDS},
    )
    _write(
        group,
        f"{name}_digest",
        index.digests,
        (slot, "tile_y", "tile_x", "digest_byte"),
        {"long_name": f"hash of a frame's content in each tile of {TILE} x {TILE} pixels"},
    )


def _write(
    group: zarr.Group,
    name: str,
    values: NDArray[Any],
    dimensions: tuple[str, ...],
    attributes: dict[str, Any],
) -> None:
    """Write a small array as one chunk."""
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=tuple(max(1, size) for size in values.shape),
        dimension_names=dimensions,
        attributes=attributes,
    )
    if values.size:
        array[...] = values
