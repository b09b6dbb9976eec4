"""The source `sentinelhub`: overpasses by its catalogue, images by its Process API."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from groundshift.artifacts import digest
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import isoformat
from groundshift.errors import NoDataError, SettingsError
from groundshift.observations.costs import Cost, Used
from groundshift.observations.masks import valid_pixels
from groundshift.observations.radiometry import REFLECTANCE_STEP
from groundshift.observations.sources.base import UNKNOWN, Acquisition, Image
from groundshift.observations.sources.hub.catalogue import Overpass, find, interval, newest
from groundshift.observations.sources.hub.connection import Connection
from groundshift.observations.sources.hub.products import Answer, Product
from groundshift.observations.ways import Way, ways
from groundshift.settings import (
    MaskSettings,
    PeriodSettings,
    SentinelHubSensorSettings,
    SentinelHubSettings,
)

LARGEST = 2500
"""Most pixels a side that one request allows."""


class SentinelHubSource:
    """Images of a Sentinel Hub deployment over the cells of an area."""

    settings_key = "fetch.sentinelhub"
    truth = None
    """Images don't say what changed on them."""

    def __init__(
        self, settings: SentinelHubSettings, cells: Sequence[Cell], period: PeriodSettings
    ) -> None:
        """Ask the catalogue what there is; no image is asked for here.

        Args:
            settings: What to ask for, and where.
            cells: All cells of the area: an acquisition anywhere is a step of their time line.
            period: When; unlike images on disk, earlier ones than its start are not listed.

        Raises:
            SettingsError: a grid or bands that the service doesn't know.
            SourceError: no credentials, a refusal, or nothing in the period.
        """
        _check_grids(cells)
        self._settings, self._connection = settings, Connection(settings)
        self._products: dict[str, Product] = {}
        self._overpasses: dict[Acquisition, Overpass] = {}
        self.used = {name: Used() for name in settings.sensors}
        self.sensors: dict[str, Sensor] = {}
        self.inputs: dict[str, str] = {}
        for name, sensor in sorted(settings.sensors.items()):
            product = Product(name, sensor, self._connection.config)
            grids = [cell.grid for cell in cells]
            found = find(self._connection, product, grids, period)
            if not found:
                raise self._nothing(name, product, grids, period)
            self._products[name] = product
            self.sensors[name] = _describe(name, sensor)
            self.inputs[f"sentinelhub/{name}"] = digest([overpass.items for overpass in found])
            self._overpasses |= {_acquisition(name, sensor, each): each for each in found}
        self.acquisitions = tuple(
            sorted(self._overpasses, key=lambda item: (item.sensor, item.time, item.source))
        )

    def _nothing(
        self, name: str, product: Product, grids: Sequence[GeoBox], period: PeriodSettings
    ) -> NoDataError:
        """Why a sensor has no image: the area, or the period."""
        last = newest(self._connection, product, grids)
        reason, remedy = "at any time", "Correct the area"
        if last:
            reason, remedy = f"then: the newest is of {last}", "Move the period"
        return NoDataError(
            f"{self.settings_key}.sensors.{name}: expected images of the area between "
            f"{period.start:%Y-%m-%d} and {period.end:%Y-%m-%d}, found none of "
            f"{product.collection.catalog_id} in the catalogue of {self._connection.name} "
            f"{reason}",
            f"{remedy}, or leave the sensor out",
        )

    @property
    def licences(self) -> Sequence[str]:
        """The attribution that Copernicus asks for."""
        years = sorted({datetime.fromtimestamp(a.time, UTC).year for a in self.acquisitions})
        span = f"{years[0]}-{years[-1]}" if len(years) > 1 else f"{years[0]}"
        return (f"contains modified Copernicus Sentinel data {span}, processed by Sentinel Hub",)

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """What it costs to ask for an overpass on a grid; nothing if it doesn't reach it."""
        if not self._overpasses[acquisition].reaches(grid):
            return None
        product = self._products[acquisition.sensor]
        sizes = [
            (bottom - top) * (right - left)
            for top, bottom in _spans(grid.shape.y)
            for left, right in _spans(grid.shape.x)
        ]
        return Cost(
            sensor=acquisition.sensor,
            month=isoformat(acquisition.time)[:7],
            images=1,
            requests=len(sizes),
            units=sum(product.units(size) for size in sizes),
            bytes=sum(product.bytes(size) for size in sizes),
        )

    def alternatives(self, costs: Sequence[Cost]) -> list[Way]:
        """What else could be done for the images of a plan, beside asking for each at once."""
        products = {
            name: len({i for a in self.acquisitions if a.sensor == name for i in self._items(a)})
            for name in self.sensors
        }
        missions = {name: sensor.mission for name, sensor in self.sensors.items()}
        return ways(self._settings.deployment, costs, products, missions)

    def _items(self, acquisition: Acquisition) -> tuple[str, ...]:
        return self._overpasses[acquisition].items

    @contextmanager
    def open(self, acquisition: Acquisition) -> Iterator["HubScene"]:
        """The overpass, of which nothing is asked for yet."""
        name = acquisition.sensor
        yield HubScene(
            self._connection,
            self._products[name],
            self._overpasses[acquisition],
            self.sensors[name],
            _mask_rule(self._settings.sensors[name]),
            self.used[name],
        )


@dataclass(frozen=True)
class HubScene:
    """An overpass, whose images are asked for grid by grid."""

    connection: Connection
    product: Product
    overpass: Overpass
    sensor: Sensor
    rule: MaskSettings | None
    """Which numbers of the cloud mask are valid, where there is one."""
    used: Used
    """What asking took."""

    @property
    def footprint(self) -> str:
        """Bounds of the products."""
        bounds = ", ".join(f"{value:.6g}" for value in self.overpass.outline.bounds)
        return f"{bounds} in EPSG:4326"

    def mask_numbers(self, grid: GeoBox) -> str:
        """The numbers of the cloud mask, or of dataMask, most frequent first."""
        answer = self._ask(grid)
        numbers = answer.measured.astype(np.uint8) if answer.mask is None else answer.mask
        found, counts = np.unique(numbers, return_counts=True)
        return ", ".join(str(number) for number in found[np.argsort(-counts)][:10])

    def read(self, grid: GeoBox) -> Image | None:
        """The image on a grid; None if the overpass doesn't reach it, and nothing is asked for."""
        if not self.overpass.reaches(grid):
            return None
        answer = self._ask(grid)
        values = self.sensor.decode(answer.bands)
        measured = answer.measured & np.isfinite(values).all(axis=-1)
        valid = measured
        if answer.mask is not None and self.rule is not None:
            where = self.overpass.items[0]
            valid = valid & valid_pixels(answer.mask, self.rule, nodata=(), where=where)
        values = np.where(valid[..., None], values, np.float32(0))
        return Image(values, valid, measured, _per_cent(answer))

    def _ask(self, grid: GeoBox) -> Answer:
        """The images of a grid, from as many requests as its size needs."""
        rows = [
            [self._ask_once(grid[top:bottom, left:right]) for left, right in _spans(grid.shape.x)]
            for top, bottom in _spans(grid.shape.y)
        ]
        if len(rows) == len(rows[0]) == 1:
            return rows[0][0]
        mask, probability = (
            np.block([[getattr(part, name) for part in row] for row in rows])
            if getattr(rows[0][0], name) is not None
            else None
            for name in ("mask", "probability")
        )
        return Answer(
            np.block([[[part.bands] for part in row] for row in rows]),
            np.block([[part.measured for part in row] for row in rows]),
            mask,
            probability,
        )

    def _ask_once(self, grid: GeoBox) -> Answer:
        request = self.product.request(grid, interval(self.overpass))
        return self.connection.download(
            request,
            lambda content: self.product.decode(content, grid),
            f"the image of {self.overpass.items[0]}",
            self.used,
        )


def _per_cent(answer: Answer) -> NDArray[np.uint8] | None:
    """Per cent that each pixel is cloud, unknown where nothing was measured."""
    if answer.probability is None:
        return None
    per_cent = np.rint(answer.probability * np.float32(100 / 255)).astype(np.uint8)
    return np.where(answer.measured, per_cent, np.uint8(UNKNOWN))


def _spans(size: int) -> list[tuple[int, int]]:
    """Equal shares of a side, none larger than a request allows."""
    count = -(-size // LARGEST)
    return list(pairwise(round(size * share / count) for share in range(count + 1)))


def _check_grids(cells: Sequence[Cell]) -> None:
    """Refuse a grid that can't be said as a box of pixels."""
    for cell in cells:
        if not cell.grid.axis_aligned or cell.grid.crs is None or not cell.grid.crs.to_epsg():
            raise SettingsError(
                f"area: Sentinel Hub gives images on upright grids with an EPSG code only, found "
                f"{cell.id} in {cell.grid.crs}. Leave area.like out, or name another image"
            )


def _describe(name: str, sensor: SentinelHubSensorSettings) -> Sensor:
    if sensor.mission == "sentinel1":
        return Sensor(
            name=name,
            kind="radar",
            mission=sensor.mission,
            bands=sensor.bands,
            level="GRD",
            units="linear power",
            coefficient=sensor.coefficient,
            orbit=sensor.orbit,
            resampling="nearest",
        )
    return Sensor(
        name=name,
        kind="optical",
        mission=sensor.mission,
        bands=sensor.bands,
        level=sensor.level,
        units="reflectance",
        dtype=sensor.store,
        scale=REFLECTANCE_STEP if sensor.store == "uint16" else 1.0,
        resampling="nearest",
    )


def _acquisition(name: str, sensor: SentinelHubSensorSettings, overpass: Overpass) -> Acquisition:
    return Acquisition(
        sensor=name,
        time=int(overpass.first),
        source=f"{overpass.items[0]} at {isoformat(int(overpass.first))}",
        product_id=" ".join(overpass.items),
        baseline=overpass.baseline,
        orbit=f"{sensor.orbit} {overpass.relative_orbit}".strip(),
        platform=overpass.platform,
    )


def _mask_rule(sensor: SentinelHubSensorSettings) -> MaskSettings | None:
    if sensor.mask == "SCL":
        return MaskSettings(rule="values", valid=sensor.valid)
    return MaskSettings(rule="zero") if sensor.mask == "CLM" else None
