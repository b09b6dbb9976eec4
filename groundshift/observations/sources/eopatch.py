"""EOPatch folders, as eo-learn writes them.

Read directly: the format is plain `.npy` (or `.npy.gz`) arrays beside small JSON files, and
mapping them into memory is many times faster than loading them through eo-learn. Both names of
the time stamps are understood, `timestamps.json` and the `timestamp.json` of eo-learn before 1.3.

A folder whose name is a time (`YYYYmmddTHHMMSS`) holds one acquisition of that time, its slice 0,
as the published pipeline writes and reads them. In any other EOPatch every time slice is an
acquisition.
"""

import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo import CRS
from odc.geo.geobox import GeoBox

from groundshift.domain.bands import TABLES
from groundshift.domain.time import find_stamp
from groundshift.errors import SettingsError, SourceError
from groundshift.observations.masks import check_rule
from groundshift.observations.npy import map_array, read_header
from groundshift.observations.radiometry import Conversion, Scaling
from groundshift.observations.regrid import Window
from groundshift.observations.sources.base import Acquisition
from groundshift.observations.sources.folders import Found, resolve
from groundshift.observations.sources.scene import Mask, RasterScene, Resampling
from groundshift.settings import FileSensorSettings, MaskSettings

_BOX = "bbox.geojson"
_TIMES = ("timestamps.json", "timestamp.json")
_STAMP = re.compile(r"\d{8}T\d{6}")
_MASK_BAND = "mask"
_SUFFIXES = (".npy", ".npy.gz")
_ROOM = 8 << 30
"""Bytes of an array that is read whole."""


class ArrayRaster:
    """One time slice of an EOPatch feature."""

    def __init__(
        self,
        path: Path,
        array: NDArray[Any],
        index: int,
        bands: tuple[str, ...],
        conversion: Conversion,
        nodata: float | None = None,
    ) -> None:
        """Take a slice of a feature.

        Args:
            path: The feature's file.
            array: Its content, [t, y, x, band].
            index: Time slice.
            bands: Names of the array's bands.
            conversion: What its numbers mean.
            nodata: Invalid number.
        """
        self.name, self.bands = str(path), bands
        self._conversion, self._nodata = conversion, nodata
        if array.ndim != 4 or array.shape[3] != len(bands) or index >= array.shape[0]:
            raise SourceError(
                f"{path}: expected an array [t, y, x, band] with bands {', '.join(bands)} and at "
                f"least {index + 1} time slices, found shape {array.shape}. Name all bands of the "
                "feature in order under parts: [{folder: '', bands: [...]}]"
            )
        self._slice = array[index]
        self.integer = array.dtype.kind in "iub"
        self.grid = _grid(path.parent.parent, self._slice.shape[:2])

    def read(self, bands: Sequence[str], window: Window) -> NDArray[Any]:
        """Numbers of some bands in a window, [band, y, x]."""
        rows, columns = window
        positions = [self.bands.index(band) for band in bands]
        return np.moveaxis(np.asarray(self._slice[rows, columns])[..., positions], -1, 0)

    def nodata(self, band: str) -> tuple[float, ...]:
        """The settings' invalid number; EOPatches hold none."""
        return () if self._nodata is None else (self._nodata,)

    def conversion(self, band: str) -> Conversion:
        """What the numbers mean."""
        return self._conversion


class EOPatchLayout:
    """The EOPatch folders of one sensor."""

    def __init__(self, name: str, sensor: FileSensorSettings, root: Path) -> None:
        """Check the settings; folders are looked for by `find`."""
        where = f"fetch.files.sensors.{name}"
        if sensor.folder is None or sensor.feature is None:
            raise SettingsError(
                f"{where}: layout eopatch needs folder (of the EOPatches) and feature (the data "
                "feature's name, e.g. L1C_data). Add what is missing"
            )
        self._name, self._sensor, self._where = name, sensor, where
        self._root, self._feature = root, sensor.feature
        self._folder = resolve(root, sensor.folder, f"{where}.folder")
        self._rule = sensor.mask or MaskSettings()
        # The slices of one EOPatch follow one another, and a compressed array is read whole.
        self._load = lru_cache(maxsize=4)(_load)
        check_rule(self._rule, f"{where}.mask")

    def find(self) -> list[Found]:
        """List the time slices of the folder, or of every EOPatch in it."""
        patches = _patches(self._folder)
        if not patches:
            raise SettingsError(
                f"{self._where}.folder: expected EOPatches (folders with {_BOX}) in "
                f"{self._folder}, found none. Correct the folder, or another layout"
            )
        return [found for patch in patches for found in self._slices(patch)]

    @contextmanager
    def open(self, found: Found, resampling: Resampling) -> Iterator[RasterScene]:
        """Map the features of an acquisition."""
        sensor = self._sensor
        conversion = Scaling(sensor.scale, sensor.offset, sensor.units == "db")
        path, index = found.files[0], found.index
        bands = self._band_names(path)
        part = ArrayRaster(path, self._load(path), index, bands, conversion, sensor.nodata)
        mask = None
        if sensor.mask_feature is not None:
            path = found.files[1]
            raster = ArrayRaster(path, self._load(path), index, (_MASK_BAND,), Scaling())
            mask = Mask(raster, _MASK_BAND, self._rule)
        yield RasterScene((part,), mask, sensor.bands, resampling)

    def _slices(self, patch: Path) -> Iterator[Found]:
        files = [self._file(patch, "data", self._feature)]
        if self._sensor.mask_feature is not None:
            files.append(self._file(patch, "mask", self._sensor.mask_feature))
        times_file, times = _times(patch)
        files += [patch / _BOX, times_file]
        named = find_stamp(patch.name) if _STAMP.fullmatch(patch.name) else None
        if named is not None:
            times = [named]
        for index, time in enumerate(times):
            source = patch.relative_to(self._root).as_posix()
            if len(times) > 1:
                source += f"[{index:04d}]"
            acquisition = Acquisition(self._name, time, source, orbit=self._sensor.orbit)
            yield Found(acquisition, tuple(files), index)

    def _file(self, patch: Path, kind: str, feature: str) -> Path:
        for suffix in _SUFFIXES:
            path = patch / kind / f"{feature}{suffix}"
            if path.is_file():
                return path
        folder = patch / kind
        there = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        setting = "feature" if kind == "data" else "mask_feature"
        raise SettingsError(
            f"{self._where}.{setting}: expected {feature}.npy in {folder}, found "
            f"{', '.join(there) or 'nothing'}. Correct the name"
        )

    def _band_names(self, path: Path) -> tuple[str, ...]:
        """Names of the array's bands: the parts', the sensor's, or the mission's whole table."""
        sensor = self._sensor
        count = self._load(path).shape[-1]
        table = tuple(band.name for band in TABLES[sensor.mission])
        named = [part.bands for part in sensor.parts] + [sensor.bands, table]
        for names in named:
            if len(names) == count and set(sensor.bands) <= set(names):
                return names
        raise SettingsError(
            f"{self._where}.bands: {path} holds {count} bands, expected {len(sensor.bands)} "
            f"({', '.join(sensor.bands)}) or {len(table)} ({', '.join(table)}). Name all bands of "
            "the feature in order under parts: [{folder: '', bands: [...]}]"
        )


def grid_of(folder: Path) -> GeoBox:
    """The pixel grid of an EOPatch, or of the first one in a folder.

    Raises:
        SettingsError: there is none, or it has no array.
    """
    patches = _patches(folder)
    arrays = [p for s in _SUFFIXES for p in patches[0].glob(f"data/*{s}")] if patches else []
    if not arrays:
        raise SettingsError(
            f"area.like: expected an image or an EOPatch with a data feature at {folder}, found "
            "neither. Correct the path"
        )
    return _grid(patches[0], _load(min(arrays)).shape[1:3])


def _patches(folder: Path) -> list[Path]:
    """The folder itself if it is an EOPatch, else those in it."""
    if (folder / _BOX).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{_BOX}"))


def _load(path: Path) -> NDArray[Any]:
    """A feature's array, mapped where it is not compressed."""
    try:
        if path.suffix != ".gz":
            return map_array(path)
        with gzip.open(path) as file:
            return _read(path, file)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path} can't be read ({error}): damaged or cut short? Expected a whole .npy array. "
            "Copy or write it again, or take its folder away"
        ) from error


def _read(path: Path, file: gzip.GzipFile) -> NDArray[Any]:
    """A compressed array, unless its header promises one that can't be held in memory."""
    shape, fortran, dtype = read_header(file)
    size = math.prod(shape) * dtype.itemsize
    if size > _ROOM:
        raise SourceError(
            f"{path}: expected at most {_ROOM >> 30} GiB in a compressed array, found shape "
            f"{shape} ({size / 2**30:.0f} GiB). Write it as .npy, which is not read whole"
        )
    values = np.frombuffer(file.read(size), dtype)
    file.read(1)  # at the end, gzip compares its checksum
    return values.reshape(shape, order="F" if fortran else "C")


def _times(patch: Path) -> tuple[Path, list[int]]:
    """The file of an EOPatch's time stamps, and the stamps in whole seconds (UTC)."""
    for path in (patch / name for name in _TIMES):
        if path.is_file():
            try:
                stamps = [datetime.fromisoformat(text) for text in _json(path)]
            except (TypeError, ValueError) as error:
                raise SourceError(
                    f"{path}: expected a list of dates such as 2017-08-04T10:53:28, found another "
                    f"({error}). Write the EOPatch again"
                ) from error
            aware = [s if s.tzinfo else s.replace(tzinfo=UTC) for s in stamps]
            return path, [int(stamp.timestamp()) for stamp in aware]
    raise SourceError(
        f"{patch}: expected {' or '.join(_TIMES)}, found neither. Write the EOPatch again with "
        "its time stamps"
    )


def _grid(patch: Path, shape: tuple[int, ...]) -> GeoBox:
    """The pixels of an EOPatch: its bounding box, divided by the array's shape."""
    box = _json(patch / _BOX)
    try:
        x, y = np.array(box["coordinates"][0], np.float64).T
        crs = CRS(box["crs"]["properties"]["name"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SourceError(
            f"{patch / _BOX}: expected a rectangle with a crs member, found {error!r}. "
            "Write the EOPatch again"
        ) from error
    height, width = shape
    left, top = float(x.min()), float(y.max())
    step_right, step_down = float(x.max() - left) / width, float(y.min() - top) / height
    return GeoBox((height, width), Affine(step_right, 0, left, 0, step_down, top), crs)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} can't be read ({error}). Write the EOPatch again") from error
