"""Band tables: what each sensor's bands are called, how fine they are and what they see."""

from dataclasses import dataclass
from typing import Literal

from groundshift.errors import SettingsError

Role = Literal["coastal", "blue", "green", "red", "rededge", "nir", "swir1", "swir2", "other"]


@dataclass(frozen=True)
class Band:
    """One spectral band: its product name, native resolution in metres, and role."""

    name: str
    resolution: int
    role: Role = "other"


SENTINEL2 = (
    Band("B01", 60, "coastal"),
    Band("B02", 10, "blue"),
    Band("B03", 10, "green"),
    Band("B04", 10, "red"),
    Band("B05", 20, "rededge"),
    Band("B06", 20),
    Band("B07", 20),
    Band("B08", 10, "nir"),
    Band("B8A", 20),
    Band("B09", 60),
    Band("B10", 60),
    Band("B11", 20, "swir1"),
    Band("B12", 20, "swir2"),
)
LANDSAT_TM = (
    Band("B1", 30, "blue"),
    Band("B2", 30, "green"),
    Band("B3", 30, "red"),
    Band("B4", 30, "nir"),
    Band("B5", 30, "swir1"),
    Band("B6", 120),
    Band("B7", 30, "swir2"),
)
LANDSAT_ETM = tuple(
    Band(band.name, 60 if band.name == "B6" else 30, band.role) for band in LANDSAT_TM
)
LANDSAT_OLI = (
    Band("B01", 30, "coastal"),
    Band("B02", 30, "blue"),
    Band("B03", 30, "green"),
    Band("B04", 30, "red"),
    Band("B05", 30, "nir"),
    Band("B06", 30, "swir1"),
    Band("B07", 30, "swir2"),
)
SENTINEL1 = (Band("VV", 10), Band("VH", 10))
ERS = (Band("VV", 30),)

TABLES: dict[str, tuple[Band, ...]] = {
    "sentinel2": SENTINEL2,
    "landsat_tm": LANDSAT_TM,
    "landsat_etm": LANDSAT_ETM,
    "landsat_oli": LANDSAT_OLI,
    "sentinel1": SENTINEL1,
    "ers": ERS,
}


def role_index(mission: str, bands: tuple[str, ...], role: Role) -> int:
    """Where in `bands` the band of a role stands.

    Raises:
        SettingsError: the mission has no such band, or it was not fetched.
    """
    wanted = [band.name for band in TABLES.get(mission, ()) if band.role == role]
    for name in wanted:
        if name in bands:
            return bands.index(name)
    raise SettingsError(
        f"no {role} band: expected {' or '.join(wanted) or f'a table for {mission!r}'}, "
        f"found bands {', '.join(bands)}. Add the band to fetch.files.sensors.<name>.bands"
    )
