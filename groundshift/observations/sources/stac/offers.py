"""What the known providers offer: one table of their collections, assets and numbers.

What an item's own metadata say (scale, offset, nodata, size, grid) counts before what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from groundshift.domain.bands import LANDSAT_OLI, LANDSAT_TM, SENTINEL1, SENTINEL2, TABLES, Band
from groundshift.errors import SettingsError
from groundshift.settings import StacSensorSettings, StacSettings

_COPERNICUS = "contains modified Copernicus Sentinel data {years}"
_USGS = "Landsat Level-2 images courtesy of the U.S. Geological Survey, {years}"


@dataclass(frozen=True)
class Bucket:
    """How an S3 service is asked for images that a catalogue names by `s3://`."""

    url: str
    region: str
    requester_pays: bool = False


@dataclass(frozen=True)
class Offer:
    """The images of one mission and level, as one provider has them.

    Attributes:
        mission: Key of `domain.bands.TABLES`.
        level: Product level.
        collection: Its name in the catalogue.
        assets: Key of the asset that holds a band, or a layer to mask by.
        units: `reflectance` or `linear power`.
        licence: Attribution, with `{years}`.
        coefficient: Backscatter coefficient of radar.
        scale: value = number * scale + offset, where the metadata say nothing.
        offset: See scale.
        nodata: Number that means nothing was measured, where the metadata say nothing.
        platforms: Satellites, where a collection holds those of several missions.
        block: Edge of the tiles inside the images in pixels; 0 where images are read whole.
        depth: Bytes of a compressed pixel, where the catalogue doesn't say how large files are.
    """

    mission: str
    level: str
    collection: str
    assets: Mapping[str, str]
    units: str
    licence: str
    coefficient: str = ""
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    platforms: tuple[str, ...] = ()
    block: int = 512
    depth: float = 1.5

    @property
    def radar(self) -> bool:
        """Whether it is radar."""
        return self.units == "linear power"


@dataclass(frozen=True)
class Provider:
    """A STAC API.

    Attributes:
        name: For messages.
        url: Its address.
        offers: What it has; the first of a mission is its default.
        token_url: Address that gives a token for the links of a collection; empty: links are open.
        bucket: Where its `s3://` links lead.
        connections: Most requests that it allows at once; 0 where it names no limit.
    """

    name: str
    url: str
    offers: tuple[Offer, ...] = ()
    token_url: str = ""
    bucket: Bucket | None = None
    connections: int = 0


def _same(table: tuple[Band, ...], *layers: str) -> dict[str, str]:
    """Assets that are called like the bands."""
    return {name: name for name in (*(band.name for band in table), *layers)}


def _named(table: tuple[Band, ...], keys: str, **layers: str) -> dict[str, str]:
    """Assets by the bands' order."""
    return {band.name: key for band, key in zip(table, keys.split(), strict=True)} | layers


_L2A = tuple(band for band in SENTINEL2 if band.name != "B10")  # which sees no ground
_COMMON = "coastal blue green red rededge1 rededge2 rededge3 nir nir08 nir09"
_S2 = Offer(
    "sentinel2",
    "L2A",
    "sentinel-2-l2a",
    _same(_L2A, "SCL"),
    "reflectance",
    _COPERNICUS,
    scale=1e-4,
    nodata=0,
)
_LANDSAT = Offer(
    "landsat_oli",
    "L2SP",
    "landsat-c2-l2",
    _named(
        LANDSAT_OLI,
        "coastal blue green red nir08 swir16 swir22",
        QA_PIXEL="qa_pixel",
        QA_RADSAT="qa_radsat",
    ),
    "reflectance",
    _USGS,
    scale=2.75e-5,
    offset=-0.2,
    nodata=0,
    platforms=("landsat-8", "landsat-9"),
    block=256,
)
_TM = replace(
    _LANDSAT,
    mission="landsat_tm",
    assets=_named(
        LANDSAT_TM,
        "blue green red nir08 swir16 lwir swir22",
        QA_PIXEL="qa_pixel",
        QA_RADSAT="qa_radsat",
    ),
    platforms=("landsat-4", "landsat-5"),
)

EARTH_SEARCH = Provider(
    "Earth Search",
    "https://earth-search.aws.element84.com/v1",
    (
        replace(_S2, assets=_named(_L2A, f"{_COMMON} swir16 swir22", SCL="scl"), block=1024),
        replace(
            _S2,
            level="L1C",
            collection="sentinel-2-l1c",
            assets=_named(SENTINEL2, f"{_COMMON} cirrus swir16 swir22"),
            block=0,
        ),
    ),
    bucket=Bucket("https://s3.eu-central-1.amazonaws.com", "eu-central-1", requester_pays=True),
)
PLANETARY_COMPUTER = Provider(
    "Planetary Computer",
    "https://planetarycomputer.microsoft.com/api/stac/v1",
    (
        _S2,
        Offer(
            "sentinel1",
            "RTC",
            "sentinel-1-rtc",
            _named(SENTINEL1, "vv vh"),
            "linear power",
            _COPERNICUS,
            coefficient="gamma0_terrain",
            nodata=-32768,
            depth=3.5,
        ),
        _LANDSAT,
        replace(_TM, mission="landsat_etm", platforms=("landsat-7",)),
        _TM,
    ),
    token_url="https://planetarycomputer.microsoft.com/api/sas/v1/token",
)
CDSE = Provider(
    "Copernicus Data Space",
    "https://stac.dataspace.copernicus.eu/v1",
    (
        replace(
            _S2,
            assets={
                name: f"{name}_{next((b.resolution for b in _L2A if b.name == name), 20)}m"
                for name in _S2.assets
            },
            block=0,
        ),
        replace(
            _S2,
            level="L1C",
            collection="sentinel-2-l1c",
            assets=_same(SENTINEL2),
            block=0,
        ),
    ),
    bucket=Bucket("https://eodata.dataspace.copernicus.eu", "default"),
    connections=4,
)
PROVIDERS: Mapping[str, Provider] = {
    "earth_search": EARTH_SEARCH,
    "planetary_computer": PLANETARY_COMPUTER,
    "cdse": CDSE,
}


def provider_of(settings: StacSettings) -> Provider:
    """The provider that settings name, at the addresses that they give."""
    known = PROVIDERS.get(settings.provider) or Provider(settings.url or "", settings.url or "")
    bucket = known.bucket
    if settings.s3_url:
        bucket = replace(bucket or Bucket("", "us-east-1"), url=settings.s3_url.rstrip("/"))
    return replace(
        known,
        url=(settings.url or known.url).rstrip("/"),
        token_url=(settings.token_url or known.token_url).rstrip("/"),
        bucket=bucket,
    )


def offer_of(provider: Provider, name: str, sensor: StacSensorSettings) -> Offer:
    """What a provider offers for a sensor.

    Raises:
        SettingsError: it has no such images, or not these bands.
    """
    where = f"fetch.stac.sensors.{name}"
    offers = [offer for offer in provider.offers if offer.mission == sensor.mission]
    found = next((offer for offer in offers if sensor.level in ("", offer.level)), None)
    if found is None and not sensor.collection:
        has = ", ".join(f"{offer.mission} {offer.level}" for offer in provider.offers)
        raise SettingsError(
            f"{where}: expected images that {provider.name} has ({has or 'none are known'}), found "
            f"{f'{sensor.mission} {sensor.level}'.strip()}. Choose one of these, or give level, "
            "collection and assets"
        )
    offer = replace(
        found or _unknown(sensor),
        collection=sensor.collection or (found.collection if found else ""),
        assets={**(found.assets if found else {}), **sensor.assets},
        platforms=sensor.platforms or (found.platforms if found else ()),
    )
    bands = [band.name for band in TABLES[sensor.mission] if band.name in offer.assets]
    layers = [key for key in offer.assets if key not in bands]
    _require(sensor.bands, bands, f"{where}.bands")
    if sensor.mask is not None:
        _require([sensor.mask.band or ""], layers, f"{where}.mask.band")
    return offer


def _unknown(sensor: StacSensorSettings) -> Offer:
    """Images of a collection that the table doesn't have."""
    radar = sensor.mission == "sentinel1"
    units = "linear power" if radar else "reflectance"
    plain = next(o for p in PROVIDERS.values() for o in p.offers if o.mission == sensor.mission)
    return Offer(
        sensor.mission,
        sensor.level,
        sensor.collection,
        sensor.assets,
        units,
        plain.licence,
        scale=plain.scale,
        offset=plain.offset,
        nodata=plain.nodata,
    )


def _require(wanted: tuple[str, ...] | list[str], offered: list[str], where: str) -> None:
    unknown = [name for name in wanted if name not in offered]
    if unknown:
        raise SettingsError(
            f"{where}: expected some of {', '.join(offered) or 'none'}, found "
            f"{', '.join(unknown)}. Correct the names, or add the keys of their assets to assets"
        )
