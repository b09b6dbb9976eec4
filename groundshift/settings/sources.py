"""Settings of the fetch stage: where observations come from, and which files hold what."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from groundshift.domain.eras import EraName
from groundshift.settings.base import EXECUTION, Frozen, PeriodSettings, SensorName
from groundshift.settings.checks import ChecksSettings
from groundshift.settings.clouds import CloudSettings
from groundshift.settings.masks import MaskSettings
from groundshift.settings.sentinelhub import SentinelHubSettings
from groundshift.settings.services import BudgetSettings, ServiceSettings
from groundshift.settings.stac import StacSettings

_NO_PATH = r"^[^/\\]+$"


class PartSettings(Frozen):
    """One folder of GeoTIFFs with the bands its files hold."""

    folder: str = Field(description="folder below fetch.files.root")
    pattern: str = Field("*.tif", description="which files; {band} stands for a band's name")
    bands: tuple[str, ...] = Field(description="names of the files' bands in file order")


class FileSensorSettings(Frozen):
    """One sensor read from files."""

    mission: Literal["sentinel1", "sentinel2", "landsat_tm", "landsat_oli", "ers"]
    layout: Literal["geotiff", "eopatch", "landsat"] = Field(
        "geotiff", description="GeoTIFF folders, EOPatch folders, or Landsat product folders"
    )
    parts: tuple[PartSettings, ...] = Field((), description="folders of GeoTIFFs")
    folder: str | None = Field(None, description="folder of EOPatches or Landsat products")
    feature: str | None = Field(
        None, pattern=_NO_PATH, description="EOPatch data feature, e.g. L1C_data"
    )
    mask_feature: str | None = Field(
        None, pattern=_NO_PATH, description="EOPatch mask feature, e.g. dataMask"
    )
    bands: tuple[str, ...] = Field(description="bands to keep, in this order")
    units: Literal["dn", "reflectance", "linear", "db"] = Field(
        description="what the files hold; db becomes linear power"
    )
    scale: float = Field(1.0, description="value = number * scale + offset, before units")
    offset: float = Field(0.0, description="see scale")
    nodata: float | None = Field(
        None,
        description="invalid number; default: the file's own tag; NaN is always invalid",
    )
    mask: MaskSettings | None = Field(None, description="mask files and their rule")
    time: str = Field("name", description="name, or tag:NAME for a GeoTIFF tag")
    level: str = Field("", description="product level, e.g. L2A")
    coefficient: str = Field("", description="backscatter coefficient of radar, if known")
    orbit: str = Field("", description="orbit direction or relative orbit of radar")
    store: Literal["auto", "uint16", "float32"] = Field(
        "auto", description="stored type; auto: uint16 x 10000 for reflectance from integers"
    )


class FilesSettings(Frozen):
    """The source `files`."""

    root: Path = Field(description="folder that holds the images")
    sensors: dict[SensorName, FileSensorSettings] = Field(min_length=1)
    licences: tuple[str, ...] = Field((), description="licence and attribution lines")


class CitySettings(Frozen):
    """The source `synthetic`: a city made from a seed."""

    preset: Literal["city", "hard"] = Field(
        "city",
        description="how hard its changes are to find; hard: 45 % of the urban ones under 3 dB, "
        "60 % gradual or under 0.1 ha",
    )
    seed: int = Field(0, description="another number is another city")
    era: EraName = Field("s12", description="satellites: Sentinel-1 and -2, or ERS and Landsat 5")
    level: Literal["L1C", "L2A"] = Field(
        "L1C",
        description="of Sentinel-2: 13 bands at the top of the atmosphere, or 10 below it",
    )
    looks: float | None = Field(
        None, gt=0, description="equivalent number of looks of the speckle; default by era"
    )
    misregistration: float = Field(
        0.5, ge=0, le=1, description="most pixels by which an image lies off in either direction"
    )
    changes: PeriodSettings | None = Field(
        None,
        description="when changes begin; every lot has one at most, so that a shorter time holds "
        "more of them; default 2016 to 2023, with ERS 1992 to 2001",
    )
    outage: PeriodSettings | None = Field(None, description="when the second radar platform fails")
    harmonised: bool = Field(
        True,
        description="false leaves in what Sentinel-2 numbers have added since 2022-01-25, as "
        "images have it that were read without their offset",
    )


class FetchSettings(Frozen):
    """Where observations come from."""

    source: Literal["files", "sentinelhub", "stac", "synthetic"] = Field(
        "files",
        description="images on disk, a Sentinel Hub service, a STAC API, or a city made from a "
        "seed; its own section says what",
    )
    files: FilesSettings | None = None
    sentinelhub: SentinelHubSettings | None = None
    stac: StacSettings | None = None
    synthetic: CitySettings | None = None
    plant: Path | None = Field(
        None, description="GeoJSON of changes to plant into the real pixels, as controlled truth"
    )
    masks: dict[SensorName, CloudSettings] = Field(
        {}, description="clouds and shadows of optical sensors, beyond their images' own masks"
    )
    border: Literal["mask", "keep"] = Field(
        "mask",
        description="noise along the edges of radar images: mask it, or keep it for the check of "
        "the same name",
    )
    checks: ChecksSettings = ChecksSettings()
    budget: BudgetSettings | None = Field(
        None,
        description="most that one run may take of a service: a number of processing units, or "
        "`units` and `gigabytes`",
        json_schema_extra=EXECUTION,
    )
    workers: int = Field(2, ge=1, json_schema_extra=EXECUTION)

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if getattr(self, self.source) is None:
            raise ValueError(f"source {self.source} needs its section fetch.{self.source}")
        if self.source == "synthetic" and self.plant is not None:
            raise ValueError("fetch.plant: a synthetic city has changes of its own; leave it out")
        return self

    @property
    def threads(self) -> int:
        """Images that are worked on at once: services answer slowly, files need processors."""
        section = getattr(self, self.source)
        return section.concurrency if isinstance(section, ServiceSettings) else self.workers
