"""What all settings are made of, and where and when: area and period."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

EXECUTION: dict[str, Any] = {"execution": True}
"""Marks a field that doesn't affect what is written: memory, workers, paths."""
LATER: dict[str, Any] = {"later": True}
"""Marks a field that came after others: at its default no hash covers it, so that what was made
before there was one is still what these settings make."""


class Frozen(BaseModel):
    """Base of all settings: immutable, and no key it doesn't know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )


def _instant(value: object) -> object:
    """Dates as YAML gives them, naive ones in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if hasattr(value, "year"):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)  # type: ignore[attr-defined]
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]


SensorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w-]*$")]
"""Sensors name folders of artifacts, so that no name may lead out of them."""


class AreaSettings(Frozen):
    """Where."""

    geometry: Path | None = Field(
        None, description="GeoJSON, shapefile or GeoPackage; all its polygons are the area"
    )
    bounds: tuple[float, float, float, float] | None = Field(
        None, description="instead of geometry: left, bottom, right, top in bounds_crs"
    )
    bounds_crs: str = Field("EPSG:4326", description="reference system of bounds")
    like: Path | None = Field(
        None,
        description="image or EOPatch whose pixel grid is taken as it is, as one cell without "
        "halo; whole, or the part that geometry or bounds cover",
    )
    crs: str = Field("auto", description="reference system of the maps; auto is the UTM zone")
    resolution: float = Field(10, gt=0, description="pixel size in metres")
    cell: float = Field(10000, gt=0, description="edge of a cell in metres")
    halo: int = Field(16, ge=0, description="pixels of context around each cell")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.geometry is not None and self.bounds is not None:
            raise ValueError("give either area.geometry (a file) or area.bounds, not both")
        if self.geometry is None and self.bounds is None and self.like is None:
            raise ValueError("give area.geometry (a file), area.bounds or area.like (an image)")
        return self


class PeriodSettings(Frozen):
    """When."""

    start: Instant = Field(description="first instant that counts (UTC)")
    end: Instant = Field(description="first instant that doesn't count any more (UTC)")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"period.end ({self.end}) must lie after period.start ({self.start})")
        return self

    @property
    def start_seconds(self) -> int:
        """Start in seconds since 1970."""
        return int(self.start.timestamp())

    @property
    def end_seconds(self) -> int:
        """End in seconds since 1970, exclusive."""
        return int(self.end.timestamp())
