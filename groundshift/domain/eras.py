"""The two eras of the published method, and every constant that goes with one of them."""

from dataclasses import dataclass
from typing import Literal

from groundshift.domain.bands import ERS, LANDSAT_TM, SENTINEL1, SENTINEL2
from groundshift.errors import SettingsError

EraName = Literal["s12", "ers12ls5"]


@dataclass(frozen=True)
class Era:
    """One era's sensors and published parameters (method section 0)."""

    name: EraName
    radar_bands: tuple[str, ...]
    """Bands of each of the two radar streams, in the network's order."""
    optical_bands: tuple[str, ...]
    optical_mission: str
    radar_filters: int
    optical_filters: int
    looks: float
    """Equivalent number of looks (ENL) of the omnibus test."""
    significance: float
    label_gain: float
    step_seconds: int
    window_days: int
    min_steps: int
    max_steps: int

    @property
    def channels(self) -> int:
        """Channels of a window: two radar streams and the optical bands."""
        return 2 * len(self.radar_bands) + len(self.optical_bands)


def _names(bands: tuple) -> tuple[str, ...]:  # type: ignore[type-arg]
    return tuple(band.name for band in bands)


S12 = Era(
    name="s12",
    radar_bands=_names(SENTINEL1),
    optical_bands=_names(SENTINEL2),
    optical_mission="sentinel2",
    radar_filters=10,
    optical_filters=26,
    looks=4,
    significance=0.001,
    label_gain=10,
    step_seconds=172800,
    window_days=182,
    min_steps=35,
    max_steps=92,
)
ERS12LS5 = Era(
    name="ers12ls5",
    radar_bands=_names(ERS),
    optical_bands=_names(LANDSAT_TM),
    optical_mission="landsat_tm",
    radar_filters=4,
    optical_filters=20,
    looks=3,
    significance=0.1,
    label_gain=30,
    step_seconds=1,
    window_days=365,
    min_steps=25,
    max_steps=110,
)
ERAS: dict[str, Era] = {era.name: era for era in (S12, ERS12LS5)}


def era(name: str) -> Era:
    """The era of a name.

    Raises:
        SettingsError: there is no such era.
    """
    try:
        return ERAS[name]
    except KeyError:
        raise SettingsError(f"unknown era {name!r}: expected one of {', '.join(ERAS)}") from None
