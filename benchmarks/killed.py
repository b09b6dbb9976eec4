"""A fetch whose service fails and whose process is killed, beside one that is left alone.

    python -m benchmarks.killed [--edge 512] [--dates 60] [--kills 5] [--concurrency 4]

Both services of the tests, on this machine: a fifth of all answers is 429, 503, cut, slow, damaged
or not what was asked for, and the process is killed (SIGKILL) at equal distances. What came twice
was on its way at a kill.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Annotated

import typer

from components.fetch.stage import run
from groundshift.artifacts import Manifest
from groundshift.observations.sources.stac.offers import PLANETARY_COMPUTER
from groundshift.observations.store import Observations
from groundshift.settings import FetchStage, PeriodSettings
from tests.hub import fixtures as hub_fixtures
from tests.hub import scenes
from tests.hub import service as hub_service
from tests.loopback.certificates import write_certificates
from tests.loopback.kills import killed
from tests.loopback.server import Service
from tests.stac import city
from tests.stac import fixtures as stac_fixtures
from tests.stac import service as stac_service

Case = tuple[str, Service, FetchStage, tuple[str, ...]]
_PERIOD = {"start": "2020-03-01", "end": "2021-06-01"}


def sentinelhub(stack: ExitStack, work: Path, edge: int, dates: int, concurrency: int) -> Case:
    """Sentinel-2 L1C with 13 bands and CLM, Sentinel-1 both ways; noise."""
    authority, certificate = write_certificates(work)
    os.environ |= {
        "REQUESTS_CA_BUNDLE": str(authority),
        "SH_CLIENT_ID": hub_service.CLIENT,
        "SH_CLIENT_SECRET": hub_service.SECRET,
    }
    archive = scenes.optical(range(dates), edge=edge)
    for orbit in ("ascending", "descending"):
        archive += scenes.radar(orbit, range(dates), edge=edge)
    hub = hub_service.Hub(archive, stall=0.1)
    stack.enter_context(hub_service.serving(hub, certificate))
    length = edge * scenes.PIXEL
    bounds = (scenes.LEFT, scenes.TOP - length, scenes.LEFT + length, scenes.TOP)
    settings = hub_fixtures.settings_for(
        hub,
        area={"bounds": bounds, "cell": length},
        period=_PERIOD,
        fetch={"sentinelhub": {"concurrency": concurrency}},
    )
    return "sentinelhub", hub, settings, hub_service.FAULTS


def stac(stack: ExitStack, work: Path, edge: int, dates: int, concurrency: int) -> Case:
    """Sentinel-2 L2A with 6 bands and SCL, Sentinel-1 RTC both ways; the synthetic city."""
    own = city.source("s12", "L2A", PeriodSettings.model_validate(_PERIOD), 10, edge)
    middle = edge // 2 // 2 * 2
    tiles = {"31UFR": (0, middle + 20), "31UGR": (middle - 20, edge)}
    products = city.sentinel2(PLANETARY_COMPUTER, own, dates, edge, tiles)
    products += city.sentinel1(own, dates, edge)
    api = stac_service.Api(products, work / "archive", signed=True)
    stack.enter_context(stac_service.serving(api))
    length = edge * 10
    bounds = (city.LEFT, city.TOP - length, city.LEFT + length, city.TOP)
    settings = stac_fixtures.settings_for(
        api,
        "planetary_computer",
        stac_fixtures.RADAR | {"s2": stac_fixtures.S2},
        area={"bounds": bounds, "cell": length},
        period=_PERIOD,
        fetch={"stac": {"concurrency": concurrency}},
    )
    return "stac", api, settings, stac_service.FAULTS


def main(
    edge: Annotated[int, typer.Option(help="Pixels of a side.")] = 512,
    dates: Annotated[int, typer.Option(help="Dates of each of the three sensors.")] = 60,
    kills: int = 5,
    concurrency: Annotated[int, typer.Option(help="Requests at once, which a kill loses.")] = 4,
    source: Annotated[list[str] | None, typer.Option(help="Which; default: both.")] = None,
) -> None:
    """Print what both runs asked for, and whether they made the same."""
    os.environ |= {"GROUNDSHIFT_TRACKING": "off", "NO_PROXY": "localhost,127.0.0.1"}
    print("| source | images | requests | disturbed | ratio | came twice | content hash |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for prepare in (sentinelhub, stac):
        if source and prepare.__name__ not in source:
            continue
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            case = prepare(stack, Path(folder), edge, dates, concurrency)
            print(f"| {compared(case, kills, Path(folder))} |", flush=True)


def compared(case: Case, kills: int, folder: Path) -> str:
    """A row of the table."""
    name, service, settings, faults = case
    alone = _fetched(settings, folder / "alone")
    needed = len(service.asked)
    images = len(Observations.open(folder / "alone").table)
    service.asked.clear()
    service.answered.clear()
    turns: Iterator[str] = cycle(faults)
    service.faults = lambda: next(turns) if len(service.asked) % 5 == 0 else ""
    os.environ["GROUNDSHIFT_WORK"] = str(folder / "work of disturbed")
    for number in range(1, kills + 1):
        enough: Callable[[], bool] = partial(_asked, service, needed * number / (kills + 1))
        killed(settings, folder / "disturbed", enough)
    disturbed = _fetched(settings, folder / "disturbed")
    twice = sum(service.answered.values()) - len(service.answered)
    same = "the same" if disturbed.content_hash == alone.content_hash else "another"
    asked = len(service.asked)
    return f"{name} | {images} | {needed} | {asked} | {asked / needed:.2f} | {twice} | {same}"


def _asked(service: Service, count: float) -> bool:
    return len(service.asked) > count


def _fetched(settings: FetchStage, folder: Path) -> Manifest:
    os.environ["GROUNDSHIFT_WORK"] = str(folder.with_name(f"work of {folder.name}"))
    run(settings, observations=folder)
    return Observations.open(folder).manifest


if __name__ == "__main__":
    typer.run(main)
