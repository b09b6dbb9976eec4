"""GeoTIFF folders: one file per date with some bands, or one per band, in several folders."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from odc.geo import CRS
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterioWindow

from groundshift.domain.time import find_stamp
from groundshift.errors import SettingsError, SourceError
from groundshift.observations.masks import check_rule
from groundshift.observations.radiometry import Conversion, Scaling
from groundshift.observations.regrid import Window
from groundshift.observations.sources.base import Acquisition
from groundshift.observations.sources.folders import Found, list_files, resolve
from groundshift.observations.sources.scene import Mask, RasterScene, Resampling
from groundshift.settings import FileSensorSettings

_MASK_BAND = "mask"
_ROOM = 1 << 30
"""Bytes of pixels that are read from a file at once, and no more."""
_STAMP_ONLY = re.compile(r"[\dT_-]+")
_PLATFORM = re.compile(r"(?<![A-Z\d])(S[12][A-D]|L[COTEM]0?\d)(?=_|\d)")
_BASELINE = re.compile(r"_N(\d{4})(?=_|$)")
_RELATIVE_ORBIT = re.compile(r"_R(\d{3})(?=_|$)")


class GeoTiffRaster:
    """An open GeoTIFF."""

    def __init__(
        self,
        path: Path,
        bands: tuple[str, ...],
        conversions: Mapping[str, Conversion],
        nodata: float | None = None,
        fill: float | None = None,
    ) -> None:
        """Open a file and find its bands.

        Args:
            path: The file.
            bands: Names of its bands in file order; where the file itself names all of these,
                its own order counts.
            conversions: What the numbers of each band mean; identity if left out.
            nodata: Invalid number, instead of the file's own.
            fill: A second number that is invalid in every file of this kind.
        """
        self.name, self.bands = str(path), bands
        self._nodata, self._fill, self._conversions = nodata, fill, conversions
        try:
            self._image: DatasetReader = rasterio.open(path)
        except RasterioError as error:
            raise _damaged(path, error) from error
        self._numbers = self._find_bands()
        self.integer = all(np.dtype(kind).kind in "iub" for kind in self._image.dtypes)
        self.grid = self._find_grid()

    def __enter__(self) -> Self:
        """The raster itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._image.close()

    def read(self, bands: Sequence[str], window: Window) -> NDArray[Any]:
        """Numbers of some bands in a window, [band, y, x]."""
        rows, columns = window
        part = RasterioWindow.from_slices(rows, columns)
        self._require_room(len(bands), int(part.height), int(part.width))
        try:
            numbers: NDArray[Any] = self._image.read(
                [self._numbers[band] for band in bands], window=part
            )
        except RasterioError as error:
            raise _damaged(Path(self.name), error) from error
        return numbers

    def nodata(self, band: str) -> tuple[float, ...]:
        """The invalid numbers: the settings' or the file's own, and the fill."""
        tagged = self._image.nodatavals[self._numbers[band] - 1]
        named = (tagged if self._nodata is None else self._nodata, self._fill)
        return tuple(number for number in named if number is not None)

    def conversion(self, band: str) -> Conversion:
        """What the numbers of a band mean."""
        return self._conversions.get(band, Scaling())

    def _require_room(self, bands: int, height: int, width: int) -> None:
        """Refuse pixels that can't be held in memory, however well they are compressed."""
        pixel = max(np.dtype(kind).itemsize for kind in self._image.dtypes)
        high, wide = max(self._image.block_shapes)
        needs = {
            f"{height} x {width} pixels in one cell": bands * height * width * pixel,
            f"blocks of {high} x {wide} pixels": self._image.count * high * wide * pixel,
        }
        for found, size in needs.items():
            if size > _ROOM:
                raise SourceError(
                    f"{self.name}: expected at most 1 GiB of pixels to read at once, found {found} "
                    f"({size / 2**30:.0f} GiB). Write it again in tiles (gdal_translate -co "
                    "TILED=YES) of about area.resolution, or make area.cell smaller"
                )

    def _find_bands(self) -> dict[str, int]:
        """Position of each band in the file, from 1."""
        named = self._image.descriptions
        if set(self.bands) <= set(named):
            return {band: named.index(band) + 1 for band in self.bands}
        if len(self.bands) != self._image.count:
            raise SourceError(
                f"{self.name}: expected bands {', '.join(self.bands)}, found {self._image.count} "
                f"({', '.join(name or 'unnamed' for name in named)}). Name all bands of the file "
                "in file order under fetch.files.sensors.<sensor>.parts"
            )
        return {band: number for number, band in enumerate(self.bands, 1)}

    def _find_grid(self) -> GeoBox:
        if self._image.crs is None:
            raise SourceError(
                f"{self.name}: expected a georeferenced image, found no reference system. "
                "Assign one (rio edit-info --crs), or geocode the product first"
            )
        return GeoBox(self._image.shape, self._image.transform, CRS(self._image.crs.to_wkt()))


@dataclass(frozen=True)
class _Column:
    """One file of every acquisition: where such files are and what they hold."""

    label: str
    bands: tuple[str, ...]
    files: Mapping[int, list[Path]]
    """By time, sorted by path."""


class GeoTiffLayout:
    """The GeoTIFF folders of one sensor."""

    def __init__(self, name: str, sensor: FileSensorSettings, root: Path) -> None:
        """Check the settings; files are looked for by `find`."""
        self._name, self._sensor, self._root = name, sensor, root
        self._where = f"fetch.files.sensors.{name}"
        self._conversion = Scaling(sensor.scale, sensor.offset, sensor.units == "db")
        held = {band for part in sensor.parts for band in part.bands}
        missing = [band for band in sensor.bands if band not in held]
        if missing:
            raise SettingsError(
                f"{self._where}.bands: {', '.join(missing)} in none of the parts; expected some "
                f"of {', '.join(sorted(held)) or 'the bands of parts (there are none)'}. "
                "Add the band to the part whose files hold it, or leave it out"
            )
        if sensor.mask is not None:
            check_rule(sensor.mask, f"{self._where}.mask")
            if (sensor.mask.folder is None) == (sensor.mask.band is None):
                raise SettingsError(
                    f"{self._where}.mask: expected either folder (mask files) or band (a band of "
                    "the sensor's own files), found both or none"
                )
            if sensor.mask.band is not None and sensor.mask.band not in held:
                raise SettingsError(
                    f"{self._where}.mask.band: {sensor.mask.band!r} is in none of the parts; "
                    f"expected one of {', '.join(sorted(held))}"
                )
        self._columns: tuple[_Column, ...] = ()

    def find(self) -> list[Found]:
        """Join the files of all folders by time."""
        self._columns = tuple(self._list_columns())
        times = sorted({time for column in self._columns for time in column.files})
        return [found for time in times for found in self._join(time)]

    @contextmanager
    def open(self, found: Found, resampling: Resampling) -> Iterator[RasterScene]:
        """Open all files of an acquisition."""
        wanted = self._sensor.bands
        with ExitStack() as stack:
            rasters = [
                stack.enter_context(self._raster(column, path))
                for column, path in zip(self._columns, found.files, strict=True)
            ]
            parts = tuple(raster for raster in rasters if set(raster.bands) & set(wanted))
            yield RasterScene(parts, self._mask(rasters), wanted, resampling)

    def _raster(self, column: _Column, path: Path) -> GeoTiffRaster:
        if column.bands == (_MASK_BAND,):
            return GeoTiffRaster(path, column.bands, {})
        mask = self._sensor.mask.band if self._sensor.mask else None
        conversions = {band: self._conversion for band in column.bands if band != mask}
        return GeoTiffRaster(path, column.bands, conversions, self._sensor.nodata)

    def _mask(self, rasters: Sequence[GeoTiffRaster]) -> Mask | None:
        rule = self._sensor.mask
        if rule is None:
            return None
        band = rule.band or _MASK_BAND
        return Mask(next(r for r in rasters if band in r.bands), band, rule)

    def _list_columns(self) -> Iterator[_Column]:
        needed = set(self._sensor.bands)
        mask = self._sensor.mask
        if mask is not None and mask.band is not None:
            needed.add(mask.band)
        for number, part in enumerate(self._sensor.parts):
            if not needed & set(part.bands):
                continue
            folder = resolve(self._root, part.folder, f"{self._where}.parts[{number}].folder")
            if "{band}" not in part.pattern:
                yield self._column(folder, part.pattern, part.bands)
                continue
            for band in part.bands:
                if band in needed:
                    yield self._column(folder, part.pattern.replace("{band}", band), (band,))
        if mask is not None and mask.folder is not None:
            folder = resolve(self._root, mask.folder, f"{self._where}.mask.folder")
            yield self._column(folder, mask.pattern, (_MASK_BAND,))

    def _column(self, folder: Path, pattern: str, bands: tuple[str, ...]) -> _Column:
        files: dict[int, list[Path]] = {}
        for path in list_files(folder, pattern, self._where):
            files.setdefault(self._time(path), []).append(path)
        return _Column(f"{folder.relative_to(self._root)}/{pattern}", bands, files)

    def _time(self, path: Path) -> int:
        """When an image was taken."""
        if self._sensor.time == "name":
            text = path.relative_to(self._root).as_posix()
            # The name itself first: folders are often named for a delivery.
            for candidate in (path.name, *reversed(text.split("/")[:-1])):
                found = find_stamp(candidate)
                if found is not None:
                    return found
            raise _no_time(path, self._where, "its name", text)
        tag = self._sensor.time.removeprefix("tag:")
        try:
            with rasterio.open(path) as image:
                text = str(image.tags().get(tag, ""))
                known = ", ".join(sorted(image.tags()))
        except RasterioError as error:
            raise _damaged(path, error) from error
        found = find_stamp(text)
        if found is None:
            raise _no_time(path, self._where, f"its tag {tag!r}", text or f"only tags {known}")
        return found

    def _join(self, time: int) -> Iterator[Found]:
        """The acquisitions of one instant: usually one, several where the files repeat."""
        counts = {column.label: len(column.files.get(time, ())) for column in self._columns}
        present = max(counts.values())
        if set(counts.values()) == {present}:
            for files in zip(*(column.files[time] for column in self._columns), strict=True):
                yield Found(self._describe(time, files[0]), files)
            return
        lacking = [label for label, count in counts.items() if count < present]
        known = next(c.files[time][0] for c in self._columns if time in c.files)
        files = tuple(path for c in self._columns for path in c.files.get(time, ()))
        problem = f"fewer files of this time in {' and '.join(lacking)} than in the other parts"
        yield Found(self._describe(time, known, problem), files)

    def _describe(self, time: int, path: Path, problem: str = "") -> Acquisition:
        """What a file's path tells about its product."""
        source = path.relative_to(self._root).as_posix()
        names = source.rsplit(".", 1)[0]
        stem = names.rsplit("/", 1)[-1]
        found = {
            key: match[1] if (match := pattern.search(names)) else ""
            for key, pattern in (
                ("platform", _PLATFORM),
                ("baseline", _BASELINE),
                ("orbit", _RELATIVE_ORBIT),
            )
        }
        return Acquisition(
            sensor=self._name,
            time=time,
            source=source,
            problem=problem,
            product_id="" if _STAMP_ONLY.fullmatch(stem) else stem,
            baseline=found["baseline"],
            orbit=self._sensor.orbit or found["orbit"],
            platform=found["platform"],
        )


def _no_time(path: Path, where: str, place: str, text: str) -> SourceError:
    return SourceError(
        f"{path}: expected a date such as 20170804T105328 in {place}, found {text!r}. Rename the "
        f"file, narrow the pattern, or name a tag that holds the time: {where}.time: tag:NAME"
    )


def _damaged(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{path} can't be read ({error}): damaged or cut short? Expected a whole GeoTIFF. "
        "Copy or download it again, or take it out of the folder"
    )
