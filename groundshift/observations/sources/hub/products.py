"""What is asked of a deployment for a sensor: collection, bands, mask, processing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from sentinelhub import (
    CRS,
    BBox,
    DataCollection,
    MimeType,
    MosaickingOrder,
    ResamplingType,
    SentinelHubRequest,
    SHConfig,
)
from sentinelhub.evalscript import generate_evalscript

from groundshift.errors import SettingsError
from groundshift.observations.costs import processing_units
from groundshift.observations.sources.retries import BadAnswerError
from groundshift.settings import SentinelHubSensorSettings

BANDS, DATA_MASK, PROBABILITY = "bands", "dataMask", "CLP"
_COLLECTIONS = {
    ("sentinel1", "ascending"): DataCollection.SENTINEL1_IW_ASC,
    ("sentinel1", "descending"): DataCollection.SENTINEL1_IW_DES,
    ("sentinel2", "L1C"): DataCollection.SENTINEL2_L1C,
    ("sentinel2", "L2A"): DataCollection.SENTINEL2_L2A,
}


@dataclass(frozen=True)
class Answer:
    """A request's images.

    Attributes:
        bands: [y, x, band], reflectance x 10000 as whole numbers, reflectance, or linear power.
        measured: [y, x], true where the satellite saw the ground.
        mask: [y, x], the cloud mask; None where none was asked for.
        probability: [y, x], 0 to 255 for none to certain cloud; None where it wasn't asked for.
    """

    bands: NDArray[Any]
    measured: NDArray[np.bool_]
    mask: NDArray[np.uint8] | None
    probability: NDArray[np.uint8] | None


class Product:
    """One sensor's images as the Process API makes them."""

    def __init__(self, name: str, sensor: SentinelHubSensorSettings, config: SHConfig) -> None:
        """Derive the deployment's collection, and write the script.

        Raises:
            SettingsError: the collection has no such band.
        """
        self._sensor, self._config = sensor, config
        self._radar = sensor.mission == "sentinel1"
        self._floating = self._radar or sensor.store == "float32"
        self._limited = not self._radar and sensor.max_cloud < 100
        variant = sensor.orbit if self._radar else sensor.level
        self.collection = _at(_COLLECTIONS[sensor.mission, variant], config.sh_base_url)
        self._mask = None if sensor.mask == "none" else sensor.mask
        self._masks = (
            DATA_MASK,
            *((self._mask,) if self._mask else ()),
            *((PROBABILITY,) if sensor.probability else ()),
        )
        try:
            self._script = generate_evalscript(
                self.collection,
                bands=list(sensor.bands),
                meta_bands=list(self._masks),
                merged_bands_output=BANDS,
                prioritize_dn=sensor.store == "uint16",
            )
        except ValueError as error:
            offered = ", ".join(band.name for band in self.collection.bands)
            raise SettingsError(
                f"fetch.sentinelhub.sensors.{name}.bands: expected some of {offered}, found "
                f"{', '.join(sensor.bands)}"
            ) from error

    @property
    def query(self) -> str | None:
        """What the catalogue is asked for beside collection, place and time."""
        return f"eo:cloud_cover <= {self._sensor.max_cloud}" if self._limited else None

    def request(self, grid: GeoBox, interval: tuple[datetime, datetime]) -> SentinelHubRequest:
        """The request for one image."""
        rows, columns = grid.shape
        box = BBox(grid.boundingbox.bbox, CRS(grid.crs.to_epsg() if grid.crs else None))
        data = SentinelHubRequest.input_data(
            self.collection,
            time_interval=interval,
            mosaicking_order=MosaickingOrder.MOST_RECENT,
            upsampling=ResamplingType.NEAREST,
            downsampling=ResamplingType.NEAREST,
            other_args=self._options(),
        )
        return SentinelHubRequest(
            evalscript=self._script,
            input_data=[data],
            responses=[
                SentinelHubRequest.output_response(name, MimeType.TIFF)
                for name in (BANDS, *self._masks)
            ],
            bbox=box,
            size=(columns, rows),
            config=self._config,
        )

    def units(self, pixels: int) -> float:
        """Processing units of a request."""
        bands = len(self._sensor.bands) + len(self._masks) - 1
        return processing_units(pixels, bands, floating=self._floating, radar=self._radar)

    def bytes(self, pixels: int) -> int:
        """Bytes of an answer before compression."""
        return pixels * (len(self._sensor.bands) * (4 if self._floating else 2) + len(self._masks))

    def decode(self, content: dict[str, NDArray[Any]], grid: GeoBox) -> Answer:
        """The images of an answer.

        Raises:
            BadAnswerError: it holds others than those that were asked for.
        """
        shapes = {name: tuple(grid.shape) for name in self._masks}
        shapes[BANDS] = (*grid.shape, len(self._sensor.bands))
        images = {}
        for name, shape in shapes.items():
            image = content.get(f"{name}.tif")
            if image is not None and image.ndim == 2 and len(shape) == 3:
                image = image[..., None]
            if image is None or image.shape != shape:
                found = "nothing" if image is None else image.shape
                raise BadAnswerError(f"expected an image {name} of {shape}, found {found}")
            images[name] = image
        mask = images[self._mask] if self._mask else None
        return Answer(images[BANDS], images[DATA_MASK] != 0, mask, images.get(PROBABILITY))

    def _options(self) -> dict[str, Any]:
        """Which products are wanted, and what the service does with them before it gives pixels."""
        if self._radar:
            processing = {
                "orthorectify": True,
                "demInstance": "COPERNICUS",
                "backCoeff": self._sensor.coefficient.upper(),
            }
            return {"processing": processing}
        # Harmonised, numbers of all baselines mean the same.
        options: dict[str, Any] = {"processing": {"harmonizeValues": True}}
        if self._limited:
            options["dataFilter"] = {"maxCloudCoverage": self._sensor.max_cloud}
        return options


def _at(collection: DataCollection, address: str) -> DataCollection:
    """A collection at a deployment: sentinelhub-py ties each to an address of its own choice."""
    if collection.service_url == address:
        return collection
    return collection.define_from(f"{collection.name} at {address}", service_url=address)
