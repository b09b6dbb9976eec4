"""Which images fit which models, by their signatures: the table in docs/fetch.md.

    python -m tests.sources_table

writes it anew.
"""

from pathlib import Path

from groundshift.domain.bands import SENTINEL1, SENTINEL2, TABLES
from groundshift.domain.eras import ERAS
from groundshift.domain.signature import Sensor, Signature, Stream
from groundshift.errors import ContractError
from groundshift.observations.sources.hub import source as hub
from groundshift.observations.sources.stac import source as stac
from groundshift.observations.sources.stac.offers import offer_of, provider_of
from groundshift.reference.detector import published_detector
from groundshift.settings import (
    SentinelHubSensorSettings,
    StacSensorSettings,
    StacSettings,
)
from tests.stac import city

PAGE = Path(__file__).parents[1] / "docs" / "fetch.md"
BEGIN, END = "<!-- fits: python -m tests.sources_table -->\n", "<!-- end of fits -->\n"
ROLES = ("radar_a", "radar_b", "optical")
ALL = tuple(band.name for band in SENTINEL2)
GROUND = tuple(name for name in ALL if name != "B10")
SIX = ("B02", "B03", "B04", "B08", "B11", "B12")


def hub_sensors(level: str, bands: tuple[str, ...], coefficient: str) -> list[Sensor]:
    """Sentinel-1 both ways and Sentinel-2 of Sentinel Hub."""
    radar = [
        SentinelHubSensorSettings(
            mission="sentinel1", bands=names(SENTINEL1), orbit=orbit, coefficient=coefficient
        )
        for orbit in ("ascending", "descending")
    ]
    optical = SentinelHubSensorSettings(mission="sentinel2", bands=bands, level=level)
    return [hub._describe(role, each) for role, each in zip(ROLES, [*radar, optical], strict=True)]


def stac_sensors(provider: str, *wanted: StacSensorSettings) -> list[Sensor]:
    """What a provider of the table of offers has."""
    sensors = dict(zip(ROLES[-len(wanted) :], wanted, strict=True))
    known = provider_of(StacSettings(provider=provider, sensors=sensors))
    return [
        stac._describe(role, sensor, offer_of(known, role, sensor))
        for role, sensor in sensors.items()
    ]


def names(table) -> tuple[str, ...]:
    """Bands of a table."""
    return tuple(band.name for band in table)


RTC = [
    StacSensorSettings(mission="sentinel1", bands=("VV", "VH"), orbit=orbit)
    for orbit in ("ascending", "descending")
]
L2A = StacSensorSettings(mission="sentinel2", bands=SIX)
OLI = StacSensorSettings(mission="landsat_oli", bands=names(TABLES["landsat_oli"])[1:])


def rows() -> dict[str, Signature]:
    """Images that a user may fetch, and what a cube of them says it holds."""
    s12, ers = ERAS["s12"], ERAS["ers12ls5"]
    found = {
        "`sentinelhub`: S1 gamma0_ellipsoid, S2 L1C 13 bands": (
            hub_sensors("L1C", ALL, "gamma0_ellipsoid"),
            s12,
        ),
        "`sentinelhub`: S1 gamma0_ellipsoid, S2 L1C 6 bands": (
            hub_sensors("L1C", SIX, "gamma0_ellipsoid"),
            s12,
        ),
        "`sentinelhub`: S1 gamma0_terrain, S2 L2A 12 bands": (
            hub_sensors("L2A", GROUND, "gamma0_terrain"),
            s12,
        ),
        "`stac` planetary_computer: S1 RTC, S2 L2A 12 bands": (
            stac_sensors(
                "planetary_computer", *RTC, StacSensorSettings(mission="sentinel2", bands=GROUND)
            ),
            s12,
        ),
        "`stac` planetary_computer: S1 RTC, S2 L2A 6 bands": (
            stac_sensors("planetary_computer", *RTC, L2A),
            s12,
        ),
        "`stac` planetary_computer: S1 RTC, Landsat 8/9 L2SP 6 bands": (
            stac_sensors("planetary_computer", *RTC, OLI),
            s12,
        ),
        "`stac` earth_search: S2 L2A 6 bands": (stac_sensors("earth_search", L2A), s12),
        "`stac` planetary_computer: S2 L2A 6 bands": (stac_sensors("planetary_computer", L2A), s12),
        "`stac` cdse: S2 L2A 6 bands": (stac_sensors("cdse", L2A), s12),
        "`synthetic` s12, L1C": (list(city.source("s12", "L1C").sensors.values()), s12),
        "`synthetic` ers12ls5, at 12.5 m": (
            list(city.source("ers12ls5", "L1C").sensors.values()),
            ers,
        ),
    }
    sizes = {"s12": 10, "ers12ls5": 12.5}
    return {
        label: Signature(
            tuple(
                Stream(role, s.mission, s.bands, s.level, s.units, s.coefficient)
                for role, s in zip(ROLES[-len(sensors) :], sensors, strict=True)
            ),
            sizes[era.name],
            era.step_seconds,
        )
        for label, (sensors, era) in found.items()
    }


def fits(model: Signature, images: Signature) -> bool:
    """Whether a model takes images."""
    try:
        model.require(images, owner="the model")
    except ContractError:
        return False
    return True


def table() -> str:
    """The table in Markdown."""
    known = rows()
    published = {era: published_detector(era).signature for era in ("s12", "ers12ls5")}
    lines = [
        "| no. | images | published `s12` | published `ers12ls5` | models of one's own |",
        "| --- | --- | --- | --- | --- |",
    ]
    for number, (label, images) in enumerate(known.items(), 1):
        verdicts = ["works" if fits(m, images) else "refused" for m in published.values()]
        own = [str(n) for n, model in enumerate(known.values(), 1) if fits(model, images)]
        verdicts.append(f"of {', '.join(own)}: work; of others: retrain")
        lines.append(f"| {number} | {label} | {' | '.join(verdicts)} |")
    return "\n".join(lines) + "\n"


def with_table(page: str) -> str:
    """A page with the table as it is now."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
