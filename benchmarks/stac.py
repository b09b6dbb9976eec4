"""A STAC API's pixels beside the city's own, and what the way costs.

    python -m benchmarks.stac [--edge 512] [--dates 60] [--concurrency 8]

The service is the tests' own, on this machine: Sentinel-2 as at Earth Search, Sentinel-1 RTC both
ways and Landsat 5 as at the Planetary Computer, each with its mask. Every pixel that the stage
stores is held against the source that the files were made from.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from components.fetch.stage import open_source, run
from groundshift.observations.areas import cells_of
from groundshift.observations.intake import costs_of
from groundshift.observations.sources.synthetic import SyntheticSource
from groundshift.observations.store import Observations
from groundshift.settings import PeriodSettings
from tests.stac import city
from tests.stac.archive import Product
from tests.stac.fixtures import LANDSAT, RADAR, S2, settings_for
from tests.stac.service import Api, serving

S12 = PeriodSettings(start="2020-03-01", end="2021-06-01")
TM = PeriodSettings(start="1994-03-01", end="1997-06-01")


@dataclass(frozen=True)
class Case:
    """One sensor: where from, how asked, and which of the city's streams it is."""

    provider: str
    sensor: dict[str, Any]
    stream: str
    own: SyntheticSource
    products: Callable[[], Sequence[Product]]
    pixel: int
    period: PeriodSettings


def cases(edge: int, dates: int) -> dict[str, Case]:
    """All sensors of the table."""
    s12 = city.source("s12", "L2A", S12, 10, edge)
    tm = city.source("ers12ls5", "L1C", TM, 30, 3 * edge)
    middle = edge // 2 // 2 * 2
    tiles = {"31UFR": (0, middle + 20), "31UGR": (middle - 20, edge)}
    optical = S2 | {"bands": ["B02", "B03", "B04", "B05", "B08", "B8A", "B11", "B12"]}

    def radar() -> Sequence[Product]:
        return city.sentinel1(s12, dates, edge)

    return {
        "Sentinel-2 L2A": Case(
            "earth_search",
            optical,
            "s2",
            s12,
            lambda: city.sentinel2(city=s12, days=dates, edge=edge, tiles=tiles),
            10,
            S12,
        ),
        "Sentinel-1 RTC, ascending": Case(
            "planetary_computer", RADAR["s1_asc"], "s1_088", s12, radar, 10, S12
        ),
        "Sentinel-1 RTC, descending": Case(
            "planetary_computer", RADAR["s1_des"], "s1_110", s12, radar, 10, S12
        ),
        "Landsat 5 L2SP": Case(
            "planetary_computer",
            LANDSAT | {"store": "float32"},
            "l5",
            tm,
            lambda: city.landsat(tm, dates, edge),
            30,
            TM,
        ),
    }


def main(
    edge: Annotated[int, typer.Option(help="Pixels of a side.")] = 512,
    dates: Annotated[int, typer.Option(help="Dates of each sensor.")] = 60,
    concurrency: int = 8,
) -> None:
    """Print what was compared, what it took, and how the plan compares."""
    os.environ |= {"GROUNDSHIFT_TRACKING": "off", "NO_PROXY": "127.0.0.1"}
    print("| images | dates | pixels compared | unequal | requests (plan) | MB (plan) | CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, case in cases(edge, dates).items():
        with tempfile.TemporaryDirectory() as folder:
            os.environ["GROUNDSHIFT_WORK"] = f"{folder}/work"
            api = Api(list(case.products()), Path(folder) / "archive")
            api.signed = case.provider == "planetary_computer"
            with serving(api):
                print(f"| {name} | {_fetched(api, case, edge, concurrency, Path(folder))} |")


def _fetched(api: Api, case: Case, edge: int, concurrency: int, folder: Path) -> str:
    """The rest of a row of the table."""
    length = edge * case.pixel
    settings = settings_for(
        api,
        case.provider,
        {"one": case.sensor},
        area={
            "bounds": (city.LEFT, city.TOP - length, city.LEFT + length, city.TOP),
            "resolution": case.pixel,
            "cell": length,
        },
        period={"start": f"{case.period.start:%Y-%m-%d}", "end": f"{case.period.end:%Y-%m-%d}"},
        fetch={"stac": {"concurrency": concurrency}},
    )
    cells = cells_of(settings.area)
    source = open_source(settings, cells)
    plan = costs_of(source, source.acquisitions, cells)
    begin = time.process_time()
    run(settings, observations=folder / "observations")
    spent = time.process_time() - begin
    found = Observations.open(folder / "observations")
    (cell,) = found.cells
    known = case.own.sensors[case.stream].bands
    wanted = [known.index(band) for band in case.sensor["bands"]]
    dates = compared = unequal = 0
    for item in [each for each in case.own.acquisitions if each.sensor == case.stream]:
        if item.time not in found.times(cell.id, "one"):
            continue
        stored, valid = found.read(cell.id, "one", item.time)
        values = found.sensors["one"].decode(np.asarray(stored))
        own = city.image(case.own, item, cell.grid)
        allowed = {"s2": 0.51e-4, "l5": 1.4e-5}.get(case.stream, 0.0)  # half a step of the numbers
        lowest = 1e-4 if case.stream == "s2" else -np.inf  # 0 is no data
        difference = np.abs(values - np.maximum(own.values[..., wanted], lowest)).max(axis=-1)
        dates, compared = dates + 1, compared + int(valid.sum()) * len(wanted)
        unequal += int(((difference > allowed) & valid).sum() + (valid & ~own.valid).sum())
    requests, size = sum(cost.requests for cost in plan), sum(cost.bytes for cost in plan)
    return (
        f"{dates} | {compared / 1e6:.1f} million | {unequal} | {len(api.asked)} ({requests}) | "
        f"{api.bytes / 1e6:.1f} ({size / 1e6:.1f}) | {spent:.0f}"
    )


if __name__ == "__main__":
    typer.run(main)
