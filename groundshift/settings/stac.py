"""Settings of the source `stac`: what is asked of a STAC API whose assets are images in tiles.

Credentials are no settings. Keys for S3 come from the environment: `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundshift.settings.base import EXECUTION, SensorName
from groundshift.settings.masks import MaskSettings
from groundshift.settings.services import ServiceSensorSettings, ServiceSettings

OpticalMission = Literal["sentinel2", "landsat_tm", "landsat_etm", "landsat_oli"]


class StacSensorSettings(ServiceSensorSettings):
    """One sensor of a STAC API."""

    mission: Literal["sentinel1"] | OpticalMission
    level: str = Field("", description="product level; default: the first that the provider has")
    collection: str = Field("", description="instead of the provider's own for mission and level")
    assets: dict[str, str] = Field(
        {}, description="keys of assets by band or mask layer, instead of the provider's own"
    )
    platforms: tuple[str, ...] = Field(
        (), description="satellites to keep, e.g. landsat-8; default: all of the mission"
    )
    relative_orbit: int | None = Field(None, ge=1, description="keep this relative orbit only")
    mask: MaskSettings | None = Field(
        None,
        description="mask layer (`band`: SCL, QA_PIXEL, or a key of `assets`) and its rule",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mission == "sentinel1" and (self.mask is not None or self.max_cloud < 100):
            raise ValueError("mask, max_cloud: radar sees through clouds, expected neither")
        if self.mask is not None and (self.mask.band is None or self.mask.folder is not None):
            raise ValueError("mask: expected band, the name of a mask layer such as SCL")
        return self


class StacSettings(ServiceSettings):
    """The source `stac`."""

    provider: Literal["earth_search", "planetary_computer", "cdse", "other"] = Field(
        "earth_search",
        description="whose collections and assets are known; other: any API, with `url`, and "
        "`level`, `collection` and `assets` of every sensor",
    )
    url: str | None = Field(
        None,
        description="address of the API, instead of the provider's",
        json_schema_extra=EXECUTION,
    )
    s3_url: str | None = Field(
        None,
        description="address of the S3 service, instead of the provider's",
        json_schema_extra=EXECUTION,
    )
    sensors: dict[SensorName, StacSensorSettings] = Field(min_length=1)

    @model_validator(mode="after")
    def _knows_where(self) -> Self:
        if self.provider != "other":
            return self
        if self.url is None:
            raise ValueError("url: expected the address of an API for provider other, found none")
        for name, sensor in self.sensors.items():
            if not (sensor.level and sensor.collection and set(sensor.bands) <= set(sensor.assets)):
                raise ValueError(
                    f"sensors.{name}: provider other needs level, collection, and the key of an "
                    "asset for every band"
                )
        return self
