"""Settings of the source `sentinelhub`: what is asked of a Sentinel Hub deployment.

Credentials are no settings. They come from the environment: `SH_CLIENT_ID`, `SH_CLIENT_SECRET`.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from groundshift.settings.base import EXECUTION, Frozen, SensorName

Coefficient = Literal["gamma0_ellipsoid", "gamma0_terrain", "sigma0_ellipsoid", "beta0"]


class SentinelHubSensorSettings(Frozen):
    """One sensor of a Sentinel Hub deployment."""

    mission: Literal["sentinel1", "sentinel2"]
    bands: tuple[str, ...] = Field(min_length=1, description="bands to keep, in this order")
    level: Literal["L1C", "L2A"] = Field("L1C", description="product level of Sentinel-2")
    mask: Literal["none", "CLM", "SCL"] = Field(
        "none",
        description="cloud mask of Sentinel-2 beside dataMask: CLM (s2cloudless), or SCL (L2A)",
    )
    valid: tuple[int, ...] = Field((4, 5, 6, 7), description="valid classes of the mask SCL")
    max_cloud: int = Field(
        100, ge=0, le=100, description="leave out Sentinel-2 products with more cloud (percent)"
    )
    store: Literal["uint16", "float32"] = Field(
        "uint16",
        description="how reflectance travels and is stored: uint16 x 10000 costs half as much",
    )
    orbit: Literal["", "ascending", "descending"] = Field(
        "", description="orbit direction of Sentinel-1; the two must never be mixed"
    )
    coefficient: Coefficient = Field(
        "gamma0_ellipsoid", description="backscatter coefficient of Sentinel-1"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands: expected different ones, found {list(self.bands)}")
        if (self.mission == "sentinel1") != bool(self.orbit):
            raise ValueError(
                f"orbit: expected ascending or descending for sentinel1 and none for others, "
                f"found {self.orbit!r} for {self.mission}"
            )
        if self.mission == "sentinel1" and self.mask != "none":
            raise ValueError(f"mask: radar needs none, found {self.mask}")
        if self.mask == "SCL" and self.level != "L2A":
            raise ValueError(f"mask: SCL belongs to level L2A, found level {self.level}. Use CLM")
        return self


class SentinelHubSettings(Frozen):
    """The source `sentinelhub`."""

    deployment: Literal["sentinelhub", "cdse"] = Field(
        "cdse", description="Sentinel Hub itself, or the Copernicus Data Space Ecosystem's"
    )
    base_url: str | None = Field(
        None,
        description="address of the services, instead of the deployment's",
        json_schema_extra=EXECUTION,
    )
    token_url: str | None = Field(
        None,
        description="address that gives tokens, instead of the deployment's",
        json_schema_extra=EXECUTION,
    )
    sensors: dict[SensorName, SentinelHubSensorSettings] = Field(min_length=1)
    concurrency: int = Field(
        8, ge=1, description="images that are asked for at once", json_schema_extra=EXECUTION
    )
