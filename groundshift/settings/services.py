"""What the settings of all services that images are asked of share."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from groundshift.settings.base import EXECUTION, Frozen


class ServiceSensorSettings(Frozen):
    """One sensor of a service."""

    mission: str
    bands: tuple[str, ...] = Field(min_length=1, description="bands to keep, in this order")
    max_cloud: int = Field(
        100, ge=0, le=100, description="leave out optical products with more cloud (percent)"
    )
    store: Literal["uint16", "float32"] = Field(
        "uint16", description="how reflectance is stored: uint16 x 10000, or as computed"
    )
    orbit: Literal["", "ascending", "descending"] = Field(
        "", description="orbit direction of Sentinel-1; the two must never be mixed"
    )

    @model_validator(mode="after")
    def _one_orbit(self) -> Self:
        if len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands: expected different ones, found {list(self.bands)}")
        if (self.mission == "sentinel1") != bool(self.orbit):
            raise ValueError(
                f"orbit: expected ascending or descending for sentinel1 and none for others, "
                f"found {self.orbit!r} for {self.mission}"
            )
        return self


class ServiceSettings(Frozen):
    """A service."""

    token_url: str | None = Field(
        None,
        description="address that gives tokens, instead of the service's own",
        json_schema_extra=EXECUTION,
    )
    concurrency: int = Field(
        8, ge=1, description="images that are asked for at once", json_schema_extra=EXECUTION
    )


class BudgetSettings(Frozen):
    """What one run may take of a service; a number alone means units."""

    units: float | None = Field(None, ge=0, description="most processing units of one run")
    gigabytes: float | None = Field(
        None, ge=0, description="most that one run may load, in 1,000,000,000 bytes"
    )

    @model_validator(mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return value if isinstance(value, dict | cls) else {"units": value}
