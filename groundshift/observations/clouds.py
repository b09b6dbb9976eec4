"""Clouds and their shadows, the same way for the images of every source.

A source tells which pixels its images' own mask calls valid. Here clouds may be found besides
(s2cloudless), widened, and their shadows masked. Probabilities are kept with the observation.

A shadow is dark ground that lies where the sun throws the shadow of a cloud of some height. The
sun's place follows from time and place, so that no product needs to tell it. Water is dark too:
near clouds it is masked with the shadows.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy import ndimage

from groundshift.domain.bands import role_index
from groundshift.domain.signature import Sensor
from groundshift.domain.sun import sun
from groundshift.errors import SettingsError
from groundshift.observations.sources.base import UNKNOWN, Acquisition, Image, Scene, Source
from groundshift.observations.sources.in_front import InFront
from groundshift.settings import CloudSettings

_BANDS = ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12")
_MODEL_PIXEL = 80.0  # metres: the model was trained on coarse pixels, and finer ones cost more
_AVERAGED = 2  # pixels of that size around each over which its probabilities are averaged
_HIGHEST_ZENITH = 80.0  # degrees: shadows of a sun that stands lower are endless

Bools = NDArray[np.bool_]


class Unclouded(InFront):
    """A source whose images lose clouds and shadows by the settings of their sensors."""

    def __init__(self, source: Source, masks: Mapping[str, CloudSettings]) -> None:
        """Check that every sensor has what its settings need.

        Args:
            source: Of the images.
            masks: Settings by sensor; those that are not named keep their masks.

        Raises:
            SettingsError: no such sensor, or bands are missing.
        """
        super().__init__(source)
        self._masks = masks
        self._model = _Model()
        for name, settings in masks.items():
            _check(name, source.sensors.get(name), settings)

    def image(self, scene: Scene, acquisition: Acquisition, grid: GeoBox) -> Image | None:
        """The source's image with its clouds and shadows masked."""
        image = scene.read(grid)
        settings = self._masks.get(acquisition.sensor)
        if image is None or settings is None:
            return image
        sensor = self.sensors[acquisition.sensor]
        size = abs(grid.resolution.x)
        if settings.model == "s2cloudless":
            values = image.values[..., [sensor.bands.index(name) for name in _BANDS]]
            image = replace(image, probability=self._model.probability(values, image.valid, size))
        cloud = clouds(image, settings, size)
        shaded = np.zeros_like(cloud)
        if settings.shadow:
            infrared = image.values[..., role_index(sensor.mission, sensor.bands, "nir")]
            dark = image.valid & (infrared < settings.dark)
            longitude, latitude = grid.extent.centroid.to_crs("EPSG:4326").coords[0]
            place = sun(acquisition.time, longitude, latitude)
            shaded = dark & shadows(cloud, *place, height=settings.height, size=size)
        valid = image.valid & ~cloud & ~shaded
        values = np.where(valid[..., None], image.values, np.float32(0))
        return replace(image, values=values, valid=valid)


def clouds(image: Image, settings: CloudSettings, size: float) -> Bools:
    """Pixels of an image that are cloud, widened, [y, x].

    Args:
        image: With its own mask, and probabilities if there are any.
        settings: Threshold and width.
        size: Of a pixel in metres.
    """
    cloud = image.seen & ~image.valid
    if image.probability is not None:
        likely = image.probability >= settings.threshold * 100
        cloud |= likely & (image.probability != UNKNOWN)
    return widened(cloud, settings.dilate / size)


def widened(mask: Bools, radius: float) -> Bools:
    """All pixels whose centre is within a radius, in pixels, of one of a mask's."""
    if radius == 0 or not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask) <= radius)


def shadows(cloud: Bools, zenith: float, azimuth: float, *, height: float, size: float) -> Bools:
    """Where clouds between the ground and some height throw their shadows, [y, x].

    Args:
        cloud: Seen from straight above, north up.
        zenith: Of the sun, degrees.
        azimuth: Of the sun, degrees clockwise from north.
        height: Of the highest clouds, metres above the ground.
        size: Of a pixel in metres.
    """
    length = height * math.tan(math.radians(min(zenith, _HIGHEST_ZENITH))) / size
    down, right = math.cos(math.radians(azimuth)), -math.sin(math.radians(azimuth))
    shaded = np.zeros_like(cloud)
    rows, columns = cloud.shape
    for step in range(1, math.ceil(length) + 1):
        dy, dx = round(down * min(step, length)), round(right * min(step, length))
        if abs(dy) >= rows or abs(dx) >= columns:
            break
        shaded[max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)] |= cloud[
            max(-dy, 0) : rows - max(dy, 0), max(-dx, 0) : columns - max(dx, 0)
        ]
    return shaded & ~cloud


class _Model:
    """The model of s2cloudless, loaded when it is first asked."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._detector: Any = None

    def probability(
        self, values: NDArray[np.float32], valid: Bools, size: float
    ) -> NDArray[np.uint8]:
        """Per cent that each pixel is cloud, [y, x]; unknown where a pixel is invalid.

        Args:
            values: Reflectance at the top of the atmosphere in the model's bands, [y, x, band].
            valid: [y, x].
            size: Of a pixel in metres.
        """
        factor = max(1, round(_MODEL_PIXEL / size))
        coarse, covered = _coarser(values, valid, factor)
        with self._lock:  # one model, several threads
            if self._detector is None:
                from s2cloudless import S2PixelCloudDetector

                self._detector = S2PixelCloudDetector(average_over=_AVERAGED, dilation_size=0)
            found = self._detector.get_cloud_probability_maps(coarse[np.newaxis])[0]
        per_cent = np.rint(np.clip(found, 0, 1) * 100).astype(np.uint8)
        per_cent[~covered] = UNKNOWN
        rows, columns = valid.shape
        fine = per_cent.repeat(factor, axis=0).repeat(factor, axis=1)[:rows, :columns]
        return np.where(valid, fine, np.uint8(UNKNOWN))


def _coarser(
    values: NDArray[np.float32], valid: Bools, factor: int
) -> tuple[NDArray[np.float32], Bools]:
    """Means over squares of valid pixels, [y, x, band], and which squares have one."""
    rows, columns = valid.shape
    ends = (0, -rows % factor), (0, -columns % factor)
    values = np.pad(np.where(valid[..., None], values, np.float32(0)), (*ends, (0, 0)))
    count = np.pad(valid, ends).astype(np.float32)
    shape = values.shape[0] // factor, factor, values.shape[1] // factor, factor
    counted = count.reshape(shape).sum((1, 3))
    summed = values.reshape(*shape, -1).sum((1, 3))
    return summed / np.maximum(counted, 1)[..., None], counted > 0


def _check(name: str, sensor: Sensor | None, settings: CloudSettings) -> None:
    where = f"fetch.masks.{name}"
    if sensor is None or sensor.kind != "optical":
        found = "none of that name" if sensor is None else "radar, which sees through clouds"
        raise SettingsError(f"{where}: expected an optical sensor, found {found}. Correct the name")
    if settings.shadow:
        role_index(sensor.mission, sensor.bands, "nir")
    missing = [band for band in _BANDS if band not in sensor.bands]
    fits = sensor.mission == "sentinel2" and sensor.level == "L1C" and not missing
    if settings.model == "s2cloudless" and not fits:
        raise SettingsError(
            f"{where}.model: s2cloudless needs Sentinel-2 L1C with the bands {', '.join(_BANDS)}, "
            f"found {sensor.mission} {sensor.level} that lacks {', '.join(missing) or 'none'}. "
            "Ask for them, or use the mask that comes with the images (CLM, SCL)"
        )
