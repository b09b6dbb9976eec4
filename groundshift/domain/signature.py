"""What a sensor's numbers are, and what a model expects of them."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from groundshift.errors import ContractError

Kind = Literal["radar", "optical"]


@dataclass(frozen=True)
class Sensor:
    """One named stream of observations and what its numbers mean.

    Values are stored as `dtype`; the physical value is `stored * scale + offset` (computed as
    `(stored / (1 / scale)) + offset`, see `decode`): reflectance for optical sensors, linear power
    for radar.
    """

    name: str
    kind: Kind
    mission: str
    """Key of `domain.bands.TABLES`."""
    bands: tuple[str, ...]
    level: str = ""
    """Product level, e.g. `L1C`, `L2A`, `GRD`, `RTC`."""
    units: str = ""
    """`reflectance` or `linear power`."""
    coefficient: str = ""
    """Backscatter coefficient of radar (`sigma0`, `gamma0`, ...), empty where not known."""
    orbit: str = ""
    """Orbit direction or relative orbit the stream holds, empty for optical."""
    dtype: Literal["uint16", "float32"] = "float32"
    scale: float = 1.0
    offset: float = 0.0
    resampling: str = ""
    """How values came onto the cell's grid, e.g. `bilinear`, `nearest`."""

    def decode(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Physical values of stored ones: float32(float64(stored) / (1 / scale) + offset)."""
        if (self.scale, self.offset) == (1.0, 0.0):
            return stored.astype(np.float32, copy=False)
        divisor = 1 / self.scale
        if self.offset == 0 and divisor == np.float32(divisor) and stored.dtype == np.uint16:
            # The same to the last bit: a quotient of float32 values is not rounded differently by
            # way of float64 (53 bits are more than twice 24).
            exact: NDArray[np.float32] = np.divide(stored, np.float32(divisor), dtype=np.float32)
            return exact
        return (stored.astype(np.float64) / divisor + self.offset).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return dataclasses.asdict(self) | {"bands": list(self.bands)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Sensor":
        """The sensor that `to_dict` described."""
        return cls(**(values | {"bands": tuple(values["bands"])}))


@dataclass(frozen=True)
class Stream:
    """One input of a network: a role and the meaning of its channels."""

    role: str
    """`radar_a`, `radar_b` (the network's two radar inputs) or `optical`."""
    mission: str
    bands: tuple[str, ...]
    level: str = ""
    units: str = ""
    coefficient: str = ""


@dataclass(frozen=True)
class Signature:
    """What a cube offers and a model expects, in the order of the input channels."""

    streams: tuple[Stream, ...]
    resolution: float
    """Pixel size in metres."""
    step_seconds: int
    """Length of a bin of the common time line in seconds."""
    max_age_days: int | None = None
    """Age after which a carried value counts as never seen; None: it never does."""

    @property
    def channels(self) -> int:
        """Number of input channels over all streams."""
        return sum(len(stream.bands) for stream in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        values = dataclasses.asdict(self)
        values["streams"] = [s | {"bands": list(s["bands"])} for s in values["streams"]]
        if self.max_age_days is None:
            del values["max_age_days"]  # as it was before there was one
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Signature":
        """The signature that `to_dict` described."""
        streams = tuple(Stream(**(s | {"bands": tuple(s["bands"])})) for s in values["streams"])
        return cls(
            streams, values["resolution"], values["step_seconds"], values.get("max_age_days")
        )

    def require(self, found: "Signature", *, owner: str) -> None:
        """Refuse data whose numbers are not the ones expected here.

        A field that either side leaves empty (a product that does not record its backscatter
        coefficient) can't be compared and passes.

        Raises:
            ContractError: naming every difference, with what was expected and found.
        """
        differences = []
        if [s.role for s in self.streams] != [s.role for s in found.streams]:
            differences.append(
                f"streams: expected {[s.role for s in self.streams]}, "
                f"found {[s.role for s in found.streams]}"
            )
        else:
            for mine, other in zip(self.streams, found.streams, strict=True):
                for field in ("mission", "bands", "level", "units", "coefficient"):
                    want, have = getattr(mine, field), getattr(other, field)
                    if want and have and want != have:
                        differences.append(f"{mine.role}.{field}: expected {want}, found {have}")
        differences += [
            f"{field}: expected {getattr(self, field)}, found {getattr(found, field)}"
            for field in ("resolution", "step_seconds", "max_age_days")
            if getattr(self, field) != getattr(found, field)
        ]
        if differences:
            raise ContractError(
                f"{owner} does not fit this data: {'; '.join(differences)}. "
                "Fetch and stack with matching settings, or train a model for this data"
            )
