"""The source `files`: images on disk, in any of three layouts."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from odc.geo.geobox import GeoBox

from groundshift.artifacts import digest
from groundshift.artifacts.file_digests import FileDigests
from groundshift.domain.signature import Kind, Sensor
from groundshift.errors import NoDataError, SettingsError, SourceError
from groundshift.observations.checks import is_thermal
from groundshift.observations.costs import Cost
from groundshift.observations.radiometry import REFLECTANCE_STEP, UNIT_NAMES
from groundshift.observations.sources.base import Acquisition
from groundshift.observations.sources.eopatch import EOPatchLayout
from groundshift.observations.sources.folders import Found, Layout
from groundshift.observations.sources.geotiff import GeoTiffLayout
from groundshift.observations.sources.landsat import LandsatLayout
from groundshift.observations.sources.scene import RasterScene, Resampling
from groundshift.settings import FileSensorSettings, FilesSettings

log = logging.getLogger(__name__)

_LAYOUTS: Mapping[str, type[GeoTiffLayout | EOPatchLayout | LandsatLayout]] = {
    "geotiff": GeoTiffLayout,
    "eopatch": EOPatchLayout,
    "landsat": LandsatLayout,
}
_RADAR = ("sentinel1", "ers")
_OFFSET_BASELINE = "0400"
_RESAMPLING: Mapping[Kind, Resampling] = {"radar": "nearest", "optical": "bilinear"}


class FilesSource:
    """Images on disk, listed by sensor and time."""

    settings_key = "fetch.files"
    truth = None
    """Images don't say what changed on them."""

    def __init__(
        self,
        settings: FilesSettings,
        *,
        end: int,
        workers: int = 2,
        digests: FileDigests | None = None,
    ) -> None:
        """List what there is; image content is hashed, but not decoded, here.

        Args:
            settings: Where the images are and what they hold.
            end: Later acquisitions are left out (seconds since 1970). Earlier ones than the
                period stay: they are what the first frames are filled with.
            workers: Threads that hash files.
            digests: Hashes of files that are known already.

        Raises:
            SettingsError: folders, patterns, bands or rules that can't be right.
            SourceError: files without a time, or damaged ones.
        """
        if not settings.root.is_dir():
            raise SettingsError(
                f"fetch.files.root: expected a folder, found none at {settings.root}. "
                "Correct the path; a relative one starts where the command is run"
            )
        self._settings, self._root = settings, settings.root
        digests = digests or FileDigests()
        self._layouts: dict[str, Layout] = {}
        self._found: dict[Acquisition, Found] = {}
        self.sensors: dict[str, Sensor] = {}
        self.inputs: dict[str, str] = {}
        self.licences = settings.licences
        for name, sensor in sorted(settings.sensors.items()):
            _check_units(name, sensor)
            layout = _LAYOUTS[sensor.layout](name, sensor, self._root)
            found = [f for f in layout.find() if f.acquisition.time < end]
            if not found:
                raise NoDataError(
                    f"fetch.files.sensors.{name}: expected acquisitions before period.end, found "
                    "none",
                    "Move the period, or correct folder and pattern",
                )
            _warn_of_mixed_baselines(name, found)
            self._layouts[name] = layout
            self._found |= {item.acquisition: item for item in found}
            self.sensors[name] = self._describe(name, sensor, found)
            self.inputs[f"files/{name}"] = self._hash(found, workers, digests)
        digests.save()
        self.acquisitions = tuple(
            sorted(self._found, key=lambda item: (item.sensor, item.time, item.source))
        )

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """Nothing: what is on disk is free."""
        return None

    @contextmanager
    def open(self, acquisition: Acquisition) -> Iterator[RasterScene]:
        """Open the files of an acquisition."""
        kind = self.sensors[acquisition.sensor].kind
        layout = self._layouts[acquisition.sensor]
        with layout.open(self._found[acquisition], _RESAMPLING[kind]) as scene:
            self._check_type(acquisition, scene)
            yield scene

    def _describe(self, name: str, sensor: FileSensorSettings, found: list[Found]) -> Sensor:
        kind: Kind = "radar" if sensor.mission in _RADAR else "optical"
        codes = self._stores_codes(name, sensor, found)
        # Level 1 products become reflectance on reading, everything else keeps its units.
        units = "reflectance" if sensor.layout == "landsat" else UNIT_NAMES[sensor.units]
        return Sensor(
            name=name,
            kind=kind,
            mission=sensor.mission,
            bands=sensor.bands,
            level=sensor.level or ("L1TOA" if sensor.layout == "landsat" else ""),
            units=units,
            coefficient=sensor.coefficient,
            orbit=sensor.orbit,
            dtype="uint16" if codes else "float32",
            scale=REFLECTANCE_STEP if codes else 1.0,
            resampling=_RESAMPLING[kind],
        )

    def _stores_codes(self, name: str, sensor: FileSensorSettings, found: list[Found]) -> bool:
        """Whether a sensor is stored as uint16 codes of reflectance."""
        fits = sensor.units == "reflectance" or sensor.layout == "landsat"
        fits &= not any(is_thermal(sensor.mission, band) for band in sensor.bands)
        if sensor.store == "uint16" and not fits:
            raise SettingsError(
                f"fetch.files.sensors.{name}.store: uint16 holds reflectance only, found units "
                f"{sensor.units} and bands {', '.join(sensor.bands)}. Use auto or float32"
            )
        if sensor.store != "auto" or not fits:
            return sensor.store == "uint16"
        first = next((item for item in found if not item.acquisition.problem), None)
        if first is None:
            return False
        with self._layouts[name].open(first, "nearest") as scene:
            return all(part.integer for part in scene.parts)

    def _check_type(self, acquisition: Acquisition, scene: RasterScene) -> None:
        """Refuse fractions where the first file promised whole numbers and codes were chosen."""
        sensor = self.sensors[acquisition.sensor]
        chosen = sensor.dtype == "uint16" and self._settings.sensors[sensor.name].store == "auto"
        fractions = [part.name for part in scene.parts if not part.integer]
        if chosen and fractions:
            raise SourceError(
                f"{fractions[0]}: expected whole numbers as in the sensor's first file, found "
                f"fractions. Choose fetch.files.sensors.{sensor.name}.store: uint16 (rounded to "
                "1e-4) or float32"
            )

    def _hash(self, found: list[Found], workers: int, digests: FileDigests) -> str:
        """One hash of all files of a sensor: paths below the root, sizes and contents."""
        paths = sorted({path for item in found for path in item.files})
        with ThreadPoolExecutor(workers) as pool:
            contents = list(pool.map(digests.of, paths))
        return digest(
            [
                [path.relative_to(self._root).as_posix(), path.stat().st_size, content]
                for path, content in zip(paths, contents, strict=True)
            ]
        )


def _warn_of_mixed_baselines(name: str, found: list[Found]) -> None:
    # From processing baseline 04.00 on (2022-01-25), Sentinel-2 numbers have 1000 added; older
    # images that were processed again have it too, so that dates don't tell.
    known = {item.acquisition.baseline for item in found if item.acquisition.baseline}
    if min(known, default="") < _OFFSET_BASELINE <= max(known, default=""):
        log.warning(
            "fetch.files.sensors.%s: baselines before and after 04.00 (%s) in one sensor: unless "
            "they were harmonised, numbers of the later ones have 1000 added and need their own "
            "offset. Keep the two in folders and sensors of their own",
            name,
            ", ".join(sorted(known)),
        )


def _check_units(name: str, sensor: FileSensorSettings) -> None:
    radar = sensor.mission in _RADAR
    allowed = ("dn", "linear", "db") if radar else ("dn", "reflectance")
    if sensor.units not in allowed:
        raise SettingsError(
            f"fetch.files.sensors.{name}.units: expected {' or '.join(allowed)} for "
            f"{sensor.mission}, found {sensor.units}. Correct units or mission"
        )
    if not sensor.bands or len(set(sensor.bands)) != len(sensor.bands):
        raise SettingsError(
            f"fetch.files.sensors.{name}.bands: expected different bands, found "
            f"{list(sensor.bands)}. Name every band once"
        )
