"""Landsat level 1 product folders: files and digital numbers as the product's MTL file says."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from groundshift.domain.bands import TABLES
from groundshift.errors import SettingsError, SourceError
from groundshift.observations.checks import is_thermal
from groundshift.observations.masks import check_rule
from groundshift.observations.radiometry import Conversion
from groundshift.observations.sources.base import Acquisition
from groundshift.observations.sources.folders import Found, list_files, resolve
from groundshift.observations.sources.geotiff import GeoTiffRaster
from groundshift.observations.sources.mtl import Metadata, read_metadata
from groundshift.observations.sources.scene import Mask, RasterScene, Resampling
from groundshift.settings import FileSensorSettings

_MASK_BAND = "mask"
_FILL = 0.0  # of level 1 digital numbers: calibrated ones start at 1


class LandsatLayout:
    """The Landsat products of one sensor, each in a folder of its own or all in one."""

    def __init__(self, name: str, sensor: FileSensorSettings, root: Path) -> None:
        """Check the settings; products are looked for by `find`."""
        where = f"fetch.files.sensors.{name}"
        if sensor.folder is None:
            raise SettingsError(f"{where}: layout landsat needs folder. Name the products' folder")
        if sensor.units != "dn":
            raise SettingsError(
                f"{where}.units: layout landsat reads digital numbers, expected dn, found "
                f"{sensor.units}. For products of reflectance use layout geotiff"
            )
        known = [band.name for band in TABLES[sensor.mission]]
        unknown = [band for band in sensor.bands if band not in known]
        if unknown or sensor.mission not in ("landsat_tm", "landsat_oli"):
            raise SettingsError(
                f"{where}.bands: expected Landsat bands {', '.join(known)}, found "
                f"{', '.join(sensor.bands)} of mission {sensor.mission}. Correct them"
            )
        if sensor.mask is not None:
            check_rule(sensor.mask, f"{where}.mask")
        self._name, self._sensor, self._root, self._where = name, sensor, root, where
        self._folder = resolve(root, sensor.folder, f"{where}.folder")

    def find(self) -> list[Found]:
        """List the products by their MTL files."""
        paths = list_files(self._folder, "**/*_MTL.txt", self._where)
        return [self._product(path) for path in paths]

    @contextmanager
    def open(self, found: Found, resampling: Resampling) -> Iterator[RasterScene]:
        """Open the bands of a product."""
        metadata, sensor = read_metadata(found.files[0]), self._sensor
        with ExitStack() as stack:
            parts = tuple(
                stack.enter_context(
                    GeoTiffRaster(
                        path,
                        (band,),
                        {band: self._conversion(metadata, band)},
                        nodata=sensor.nodata,
                        fill=_FILL,
                    )
                )
                for band, path in zip(sensor.bands, found.files[1:], strict=False)
            )
            mask = None
            if sensor.mask is not None:
                raster = GeoTiffRaster(found.files[-1], (_MASK_BAND,), {})
                mask = Mask(stack.enter_context(raster), _MASK_BAND, sensor.mask)
            yield RasterScene(parts, mask, sensor.bands, resampling)

    def _product(self, path: Path) -> Found:
        metadata = read_metadata(path)
        if metadata.level != 1:
            raise SourceError(
                f"{path}: expected a level 1 product, found level {metadata.level}. Read surface "
                "reflectance with layout geotiff: units reflectance, scale 2.75e-05, offset -0.2"
            )
        files = [path, *(metadata.file_of(_number(band)) for band in self._sensor.bands)]
        lacking = [file.name for file in files if not file.is_file()]
        if self._sensor.mask is not None:
            # Many products may share a folder: the mask's name begins like the MTL file's.
            product = path.name.removesuffix("_MTL.txt")
            pattern = f"{product}*{self._sensor.mask.pattern.lstrip('*')}"
            masks = sorted(path.parent.glob(pattern))
            files += masks[:1]
            lacking += [] if masks else [pattern]
        acquisition = Acquisition(
            sensor=self._name,
            time=metadata.time,
            source=path.relative_to(self._root).as_posix(),
            problem=f"no file {', '.join(lacking)}" if lacking else "",
            product_id=metadata.product_id,
            baseline=metadata.baseline,
            orbit=self._sensor.orbit or metadata.orbit,
            platform=metadata.platform,
        )
        return Found(acquisition, tuple(file for file in files if file.is_file()))

    def _conversion(self, metadata: Metadata, band: str) -> Conversion:
        if is_thermal(self._sensor.mission, band):
            return metadata.temperature(_number(band))
        return metadata.reflectance(_number(band))


def _number(band: str) -> int:
    return int(band.removeprefix("B"))
