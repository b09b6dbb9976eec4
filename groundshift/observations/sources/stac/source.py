"""The source `stac`: overpasses by a STAC API, images by parts of their files."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from odc.geo.geobox import GeoBox

from groundshift.artifacts import digest
from groundshift.domain.bands import TABLES
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import isoformat
from groundshift.errors import Look, NoDataError
from groundshift.observations.checks import is_thermal
from groundshift.observations.costs import Cost, Used, processing_units, total
from groundshift.observations.masks import check_rule
from groundshift.observations.radiometry import REFLECTANCE_STEP
from groundshift.observations.sources.base import Acquisition
from groundshift.observations.sources.stac.catalogue import Catalogue, Overpass
from groundshift.observations.sources.stac.connection import Connection
from groundshift.observations.sources.stac.extent import load_of
from groundshift.observations.sources.stac.items import Granule
from groundshift.observations.sources.stac.offers import Offer, offer_of, provider_of
from groundshift.observations.sources.stac.scene import RESAMPLING, StacScene, needed, opened
from groundshift.observations.ways import Way, file_ways
from groundshift.settings import PeriodSettings, StacSensorSettings, StacSettings

_AT_SENTINEL_HUB = ("sentinel1", "sentinel2")
_MASK_DEPTH = 0.2
"""Bytes of a compressed pixel of a mask layer, where the catalogue doesn't say how large it is."""


class StacSource:
    """Images of a STAC API over the cells of an area."""

    settings_key = "fetch.stac"
    truth = None
    """Images don't say what changed on them."""

    def __init__(
        self,
        settings: StacSettings,
        cells: Sequence[Cell],
        period: PeriodSettings,
        keep: Path | None = None,
    ) -> None:
        """Ask the catalogue what there is; no image is asked for here.

        Args:
            settings: What to ask for, and where.
            cells: All cells of the area: an acquisition anywhere is a step of their time line.
            period: When; unlike images on disk, earlier ones than its start are not listed.
            keep: Folder for parts of the images that are being read, so that a run that is killed
                loses only what was on its way; None: they are lost with it.

        Raises:
            SettingsError: images or bands that the provider doesn't have.
            SourceError: a refusal, or nothing in the period.
        """
        provider = provider_of(settings)
        self._settings, self._keep = settings, keep
        self._offers = {
            name: offer_of(provider, name, sensor) for name, sensor in settings.sensors.items()
        }
        self._connection = Connection(provider, settings.concurrency)
        self.used = {name: Used() for name in settings.sensors}
        """What asking for images took so far, by sensor."""
        self._granules: dict[Acquisition, tuple[Granule, ...]] = {}
        self.sensors: dict[str, Sensor] = {}
        self.inputs: dict[str, str] = {}
        catalogue = Catalogue(self._connection)
        self._grids = grids = [cell.grid for cell in cells]
        for name, sensor in sorted(settings.sensors.items()):
            offer = self._offers[name]
            if sensor.mask is not None:
                check_rule(sensor.mask, f"{self.settings_key}.sensors.{name}.mask")
            overpasses = catalogue.find(name, sensor, offer, grids, period)
            found = [item for each in overpasses for item in _acquisitions(name, offer, each)]
            self._require_images(name, [item for item, _ in found])
            self.sensors[name] = _describe(name, sensor, offer)
            self.inputs[f"stac/{name}"] = digest(
                [[item.source, item.product_id, item.problem] for item, _ in found]
            )
            for item, granules in found:
                # The area's own reference system on top: its pixels are not resampled.
                own = sorted(granules, key=lambda g: (g.crs != str(grids[0].crs), g.id))
                self._granules[item] = tuple(own)
        self.acquisitions = tuple(
            sorted(self._granules, key=lambda item: (item.sensor, item.time, item.source))
        )

    @property
    def licences(self) -> Sequence[str]:
        """The attributions that the agencies ask for."""
        years = sorted({datetime.fromtimestamp(a.time, UTC).year for a in self.acquisitions})
        span = f"{years[0]}-{years[-1]}" if len(years) > 1 else f"{years[0]}"
        lines = {offer.licence.format(years=span) for offer in self._offers.values()}
        return sorted(f"{line}, from {self._connection.provider.name}" for line in lines)

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """What has to be loaded of an overpass for a grid; nothing if it doesn't reach it."""
        offer = self._offers[acquisition.sensor]
        bands = self._settings.sensors[acquisition.sensor].bands
        loads = [
            load_of(image, grid, offer.block, offer.depth if key in bands else _MASK_DEPTH)
            for granule in needed(self._granules[acquisition], grid)
            for key, image in granule.images.items()
        ]
        if not loads:
            return None
        return Cost(
            sensor=acquisition.sensor,
            month=isoformat(acquisition.time)[:7],
            images=1,
            requests=sum(load.requests for load in loads),
            units=0.0,
            bytes=sum(load.bytes for load in loads),
        )

    def alternatives(self, costs: Sequence[Cost]) -> list[Way]:
        """What else could be done for the images of a plan, and how long its own way takes."""
        missions = {name: sensor.mission for name, sensor in self.sensors.items()}
        products = dict.fromkeys(missions, 0)
        for acquisition, granules in self._granules.items():
            products[acquisition.sensor] += len(granules)
        asked = [
            self._by_request(acquisition, grid)
            for acquisition, granules in self._granules.items()
            for grid in self._grids
            if missions[acquisition.sensor] in _AT_SENTINEL_HUB and needed(granules, grid)
        ]
        return file_ways(
            self._settings.provider,
            self._connection.provider.name,
            costs,
            total(asked),
            products,
            missions,
        )

    def _by_request(self, acquisition: Acquisition, grid: GeoBox) -> Cost:
        """What an overpass on a grid takes of a Sentinel Hub service."""
        sensor = self._settings.sensors[acquisition.sensor]
        radar = self._offers[acquisition.sensor].radar
        bands = len(sensor.bands) + (sensor.mask is not None)
        pixels = grid.shape[0] * grid.shape[1]
        return Cost(
            sensor=acquisition.sensor,
            month=isoformat(acquisition.time)[:7],
            images=1,
            requests=1,
            units=processing_units(pixels, bands, floating=radar, radar=radar),
            bytes=pixels * bands * (4 if radar else 2),
        )

    def open(self, acquisition: Acquisition) -> AbstractContextManager[StacScene]:
        """The overpass, of which nothing is loaded yet."""
        name = acquisition.sensor
        granules = self._granules[acquisition]
        sensor, offer = self._settings.sensors[name], self._offers[name]
        product = digest([acquisition.source, acquisition.product_id])[:16]
        folder = self._keep / name / product if self._keep else None
        return opened(self._connection, granules, sensor, offer, self.used[name], folder)

    def _require_images(self, name: str, found: Sequence[Acquisition]) -> None:
        """Refuse a sensor of which no overpass can be read."""
        if all(item.problem for item in found):
            raise NoDataError(
                f"{self.settings_key}.sensors.{name}: expected items of "
                f"{self._offers[name].collection} with all bands and masks, found none among "
                f"{len(found)}: {found[0].source}: {found[0].problem}",
                "Correct bands, mask or assets",
                [Look(item.sensor, item.time, item.problem) for item in found],
            )


def _acquisitions(
    name: str, offer: Offer, overpass: Overpass
) -> Iterator[tuple[Acquisition, tuple[Granule, ...]]]:
    """An overpass as one acquisition, and those of its products that can't be used."""
    whole = tuple(granule for granule in overpass.granules if not granule.problem)
    if whole:
        yield _describe_granules(name, offer, overpass.time, whole), whole
    broken = [(granule, granule.problem) for granule in overpass.granules if granule.problem]
    broken += [(granule, f"a newer processing is {newer}") for granule, newer in overpass.older]
    for granule, problem in broken:
        yield _describe_granules(name, offer, overpass.time, (granule,), problem), ()


def _describe_granules(
    name: str, offer: Offer, time: int, granules: tuple[Granule, ...], problem: str = ""
) -> Acquisition:
    first = granules[0]
    number = f"{first.relative_orbit:03d}" if first.relative_orbit is not None else ""
    return Acquisition(
        sensor=name,
        time=time,
        source=f"{offer.collection}/{first.id}{_decided(offer, granules)}",
        problem=problem,
        product_id=" ".join(sorted(granule.product for granule in granules)),
        baseline=max(granule.baseline for granule in granules),
        orbit=f"{first.orbit} {number}".strip(),
        platform=first.platform,
    )


def _decided(offer: Offer, granules: Sequence[Granule]) -> str:
    """The offset that was decided on, in words; a later correction makes other images of them."""
    if offer.mission != "sentinel2":
        return ""
    bands = [band.name for band in TABLES[offer.mission]]
    offsets = {
        image.scaling.offset
        for granule in granules
        for key, image in granule.images.items()
        if key in bands
    }
    return f", offset {' and '.join(f'{offset:g}' for offset in sorted(offsets))}"


def _describe(name: str, sensor: StacSensorSettings, offer: Offer) -> Sensor:
    kelvin = any(is_thermal(sensor.mission, band) for band in sensor.bands)
    codes = sensor.store == "uint16" and not offer.radar and not kelvin
    return Sensor(
        name=name,
        kind="radar" if offer.radar else "optical",
        mission=sensor.mission,
        bands=sensor.bands,
        level=offer.level,
        units=offer.units,
        coefficient=offer.coefficient,
        orbit=f"{sensor.orbit} {sensor.relative_orbit or ''}".strip(),
        dtype="uint16" if codes else "float32",
        scale=REFLECTANCE_STEP if codes else 1.0,
        resampling=RESAMPLING,
    )
