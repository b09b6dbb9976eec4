"""Settings of the fetch stage: which files hold what."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from groundshift.settings.base import EXECUTION, Frozen

SensorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]*$")]
"""Sensors name folders of artifacts, so that no name may lead out of them."""

_NO_PATH = r"^[^/\\]+$"


class PartSettings(Frozen):
    """One folder of GeoTIFFs with the bands its files hold."""

    folder: str = Field(description="folder below fetch.files.root")
    pattern: str = Field("*.tif", description="which files; {band} stands for a band's name")
    bands: tuple[str, ...] = Field(description="names of the files' bands in file order")


class MaskSettings(Frozen):
    """Which pixels of a sensor are valid."""

    folder: str | None = Field(None, description="folder of mask files below the root")
    pattern: str = Field("*.tif", description="which files")
    band: str | None = Field(
        None, description="instead of folder: the band of the sensor's own files that is the mask"
    )
    rule: Literal["values", "bits", "nonzero", "zero"] = Field(
        "nonzero",
        description="values: valid where the mask is one of `valid`; bits: where none of the bits "
        "`reject` is set; nonzero, zero: where it is (not) zero",
    )
    valid: tuple[int, ...] = Field((), description="valid classes, e.g. SCL 4 5 6 7")
    reject: tuple[int, ...] = Field((), description="bit numbers, e.g. QA_PIXEL 0 1 2 3 4")


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


class FetchSettings(Frozen):
    """Where observations come from."""

    source: Literal["files"] = "files"
    files: FilesSettings
    plant: Path | None = Field(
        None, description="GeoJSON of changes to plant into the real pixels, as controlled truth"
    )
    workers: int = Field(2, ge=1, json_schema_extra=EXECUTION)
