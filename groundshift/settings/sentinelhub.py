"""Settings of the source `sentinelhub`: what is asked of a Sentinel Hub deployment.

Credentials are no settings. They come from the environment: `SH_CLIENT_ID`, `SH_CLIENT_SECRET`.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundshift.settings.base import EXECUTION, LATER, SensorName
from groundshift.settings.services import ServiceSensorSettings, ServiceSettings

Coefficient = Literal["gamma0_ellipsoid", "gamma0_terrain", "sigma0_ellipsoid", "beta0"]


class SentinelHubSensorSettings(ServiceSensorSettings):
    """One sensor of a Sentinel Hub deployment."""

    mission: Literal["sentinel1", "sentinel2"]
    level: Literal["L1C", "L2A"] = Field("L1C", description="product level of Sentinel-2")
    mask: Literal["none", "CLM", "SCL"] = Field(
        "none",
        description="cloud mask of Sentinel-2 beside dataMask: CLM (s2cloudless), or SCL (L2A)",
    )
    probability: bool = Field(
        False,
        description="also ask for CLP, the probabilities behind CLM, and keep them; costs as much "
        "as a band",
        json_schema_extra=LATER,
    )
    valid: tuple[int, ...] = Field((4, 5, 6, 7), description="valid classes of the mask SCL")
    store: Literal["uint16", "float32"] = Field(
        "uint16",
        description="how reflectance travels and is stored: uint16 x 10000 costs half as much",
    )
    coefficient: Coefficient = Field(
        "gamma0_ellipsoid", description="backscatter coefficient of Sentinel-1"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.mission == "sentinel1" and (self.mask != "none" or self.probability):
            raise ValueError(
                f"mask, probability: radar needs neither, found {self.mask}, {self.probability}"
            )
        if self.mask == "SCL" and self.level != "L2A":
            raise ValueError(f"mask: SCL belongs to level L2A, found level {self.level}. Use CLM")
        return self


class SentinelHubSettings(ServiceSettings):
    """The source `sentinelhub`."""

    deployment: Literal["sentinelhub", "cdse"] = Field(
        "cdse", description="Sentinel Hub itself, or the Copernicus Data Space Ecosystem's"
    )
    base_url: str | None = Field(
        None,
        description="address of the services, instead of the deployment's",
        json_schema_extra=EXECUTION,
    )
    sensors: dict[SensorName, SentinelHubSensorSettings] = Field(min_length=1)
